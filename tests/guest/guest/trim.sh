# Deallocated blocks read as zeros and give their room in the image back.
. /guest/lib.sh
attach
contains "discard granularity" \
    "x$(cat "/sys/block/${DISK#/dev/}/queue/discard_granularity")" x
equal "discard supported" \
    $(($(cat "/sys/block/${DISK#/dev/}/queue/discard_max_bytes") > 0)) 1
blkdiscard "$DISK" -l 134217728
empty=$(host image-kib)
dd if=/dev/urandom of=/tmp/data bs=1M count=8
for at in 0 8 16 24; do
    dd if=/tmp/data of="$DISK" bs=1M seek=$at oflag=direct
done
full=$(host image-kib)
at_least "growth of the image by 32 MiB of data, in KiB" $((full - empty)) 30000
blkdiscard "$DISK" -o 8388608 -l 25165824
dd if="$DISK" bs=1M count=8 iflag=direct | cmp - /tmp/data ||
    fail "blocks beside the discarded ones changed"
[ "$TARGET" = kernel ] || is_zero 25165824 8388608 ||
    fail "discarded blocks do not read as zeros"
freed=$((full - $(host image-kib)))
at_least "KiB given back by a discard of 24 MiB" "$freed" 22000

mkfs.ext4 -q -F -E nodiscard "$DISK" 128M
mount -t ext4 "$DISK" /mnt
cp /tmp/data /mnt/data
for copy in 1 2 3; do cp /tmp/data "/mnt/copy$copy"; done
sync
full=$(host image-kib)
rm /mnt/copy*
sync
fstrim -v /mnt
freed=$((full - $(host image-kib)))
at_least "KiB given back by fstrim after 24 MiB were deleted" "$freed" 20000
umount /mnt
drop_caches
e2fsck -f -n "$DISK"
mount -t ext4 "$DISK" /mnt
cmp /tmp/data /mnt/data
umount /mnt
detach

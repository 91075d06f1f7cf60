# Partition, make a file system, fill it, check it, mount it again and compare.
. /guest/lib.sh
attach
printf 'label: gpt\nstart=1MiB, size=128MiB\nsize=64MiB\n' |
    sfdisk --no-tell-kernel "$DISK"
wait_for 10 blockdev --rereadpt "$DISK"
part=${DISK}p1
wait_for 10 test -b "$part" || fail "no $part after partitioning"
lsblk "$DISK"
mkfs.ext4 -q -F "$part"
mount -t ext4 "$part" /mnt
fill /mnt/files 24
checksums /mnt/files >/tmp/sums
at_least "number of files" "$(wc -l </tmp/sums)" 30
umount /mnt
e2fsck -f -n "$part"
drop_caches
mount -t ext4 "$part" /mnt
checksums /mnt/files | cmp - /tmp/sums || fail "files differ after the remount"
rm -r /mnt/files/usr/lib
umount /mnt
e2fsck -f -n "$part"
detach

# A shingled disk whose zones the host manages: the kernel's view of them, writes
# in order and out of it, f2fs.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned smr smr-hm drive.capacity=4GiB zns.zone_size=64MiB zns.zone_capacity=64MiB nvme.lba_bytes=512 \
    queue.scheduler=mq-deadline
sectors=$(cat "/sys/block/${DISK#/dev/}/queue/chunk_sectors")
equal "sectors of a zone" "$sectors" 131072
equal "number of zones" "$(blkzone report "$DISK" | wc -l)" 64
equal "kind of the zones" "$(cat "/sys/block/${DISK#/dev/}/queue/zoned")" host-managed
equal "Empty zones" "$(blkzone report "$DISK" | grep -c '(em)')" 64
dd if=/dev/urandom of=/tmp/data bs=1M count=6
dd if=/tmp/data of="$DISK" bs=256k oflag=direct seek=$((3 * sectors / 512))
dd if="$DISK" bs=256k count=24 iflag=direct skip=$((3 * sectors / 512)) | cmp - /tmp/data || fail "data differ"
blkzone report -o $((3 * sectors)) -c 1 "$DISK" | grep -q "wptr 0x003000" ||
    fail "write pointer: $(blkzone report -o $((3 * sectors)) -c 1 "$DISK")"
if dd if=/dev/zero of="$DISK" bs=64k count=1 oflag=direct seek=$((4 * sectors / 128 + 7)); then
    fail "a write off the write pointer was accepted"
fi
blkzone reset -o $((3 * sectors)) -c 1 "$DISK"
equal "Empty zones after the reset" "$(blkzone report "$DISK" | grep -c '(em)')" 64
modprobe brd rd_nr=1 rd_size=524288 max_part=0
modprobe f2fs
mkfs.f2fs -f -q -m -c "$DISK" /dev/ram0
mount -t f2fs /dev/ram0 /mnt
fill /mnt/files 8
checksums /mnt/files >/tmp/sums
umount /mnt
drop_caches
mount -t f2fs /dev/ram0 /mnt
checksums /mnt/files | cmp - /tmp/sums || fail "files differ after the remount"
umount /mnt
rmmod brd
detach

# f2fs on a drive with zones, its metadata on a RAM disk as f2fs has no place for
# it in zones that are written once.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned f2fs
modprobe brd rd_nr=1 rd_size=524288 max_part=0
modprobe f2fs
mkfs.f2fs -f -q -m -c "$DISK" /dev/ram0
mount -t f2fs /dev/ram0 /mnt
fill /mnt/files 24
checksums /mnt/files >/tmp/sums
at_least "number of files" "$(wc -l </tmp/sums)" 30
sync
at_least "zones that are written" "$(blkzone report "$DISK" | grep -cv '(em)')" 1
umount /mnt
drop_caches
mount -t f2fs /dev/ram0 /mnt
checksums /mnt/files | cmp - /tmp/sums || fail "files differ after the remount"
rm -r /mnt/files/usr/lib
sync
umount /mnt
rmmod brd
detach

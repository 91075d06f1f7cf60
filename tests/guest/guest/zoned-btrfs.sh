# btrfs on a drive with zones and nothing else.
. /guest/lib.sh
. /guest/zoned.sh
need_append
serve_zoned btrfs
modprobe btrfs
mkfs.btrfs -q -f -O zoned -d single -m single "$DISK" || fail "mkfs.btrfs: $(dmesg | tail -n 3)"
mount -t btrfs "$DISK" /mnt
fill /mnt/files 24
checksums /mnt/files >/tmp/sums
at_least "number of files" "$(wc -l </tmp/sums)" 30
umount /mnt
drop_caches
mount -t btrfs "$DISK" /mnt
checksums /mnt/files | cmp - /tmp/sums || fail "files differ after the remount"
at_least "zones that are written" "$(blkzone report "$DISK" | grep -cv '(em)')" 3
umount /mnt
detach

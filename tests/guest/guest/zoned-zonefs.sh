# zonefs: each zone is a file.
. /guest/lib.sh
. /guest/zoned.sh
need_append
serve_zoned zonefs

make_zonefs() { # what mkzonefs does on a drive that has only sequential zones
    blkzone reset "$DISK"
    dd if=/usr/lib/zonefs.super of="$DISK" bs=4096 count=1 oflag=direct
    blkzone finish -c 1 "$DISK"
}

make_zonefs
mount -t zonefs "$DISK" /mnt
equal "number of files" "$(find /mnt/seq -type f | wc -l)" 31
equal "size of a file" "$(stat -c %s /mnt/seq/4)" 0
head -c 1048576 /dev/urandom >/tmp/data
dd if=/tmp/data of=/mnt/seq/4 bs=128k oflag=direct conv=notrunc
dd if=/tmp/data of=/mnt/seq/4 bs=64k oflag=direct,append conv=notrunc
equal "size of a file" "$(stat -c %s /mnt/seq/4)" 2097152
if dd if=/tmp/data of=/mnt/seq/4 bs=4k count=1 seek=4 oflag=direct conv=notrunc; then
    fail "a write off the end of a file of zonefs was accepted"
fi
umount /mnt
mount -t zonefs "$DISK" /mnt
equal "size of a file after the remount" "$(stat -c %s /mnt/seq/4)" 2097152
dd if=/mnt/seq/4 bs=1M iflag=direct count=1 | cmp - /tmp/data
dd if=/mnt/seq/4 bs=1M iflag=direct skip=1 count=1 | cmp - /tmp/data
truncate -s 0 /mnt/seq/4
zone_is 5 0x10 0x140000
truncate -s 134217728 /mnt/seq/6
zone_is 7 0xe0 0xffffffffffffffff
umount /mnt
detach

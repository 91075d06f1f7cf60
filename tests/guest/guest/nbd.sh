# Drives over NBD: nbdkit with drivelab's plugin outside, nbd-client and the
# kernel's nbd here. The server is killed while files are written.
. /guest/lib.sh
[ "$TARGET" = drivelab ] || skip "needs nbdkit with drivelab's plugin"
why=$(host nbd-missing)
[ -z "$why" ] || skip "$why"
modprobe nbd nbds_max=2

# A device each: Linux 6.12 takes a device for rotating that once was.
use() {
    DISK=/dev/$1
    queue=/sys/block/$1/queue
}

has_size() {
    [ "$(cat "$queue/../size")" -gt 0 ]
}

is_free() {
    ! nbd-client -c "$DISK" && ! has_size
}

# attach_nbd PORT [OPTION...]
attach_nbd() {
    attach_port=$1
    shift
    nbd-client "$ADDRESS" "$attach_port" "$DISK" "$@"
    wait_for 20 has_size || fail "$DISK has no size after nbd-client"
}

detach_nbd() {
    nbd-client -d "$DISK"
    wait_for 20 is_free || fail "$DISK is still there after nbd-client -d"
}

nbd_fio() {
    fio --name=nbd --filename="$DISK" --direct=1 --ioengine=libaio --thread --eta=never --minimal \
        --verify=crc32c --verify_fatal=1 --randseed=7 "$@" >/tmp/fio || fail "fio: $(cat /tmp/fio)"
}

# A hard disk: what the kernel learns of it, and that flushes and FUA reach it.
use nbd0
port=$(host serve-nbd disk hdd-7200 drive.capacity=4GiB queue.scheduler=cfq)
attach_nbd "$port"
equal "size in sectors" "$(cat $queue/../size)" 8388608
equal "write cache" "$(cat $queue/write_cache)" "write back"
equal "FUA" "$(cat $queue/fua)" 1
case $(uname -r) in
[345].* | 6.[0-9].* | 6.1[01].*) ;; # need not pass on that media rotates
*) equal "rotational" "$(cat $queue/rotational)" 1 ;;
esac
at_least "discard_max_bytes" "$(cat $queue/discard_max_bytes)" 1
before=$(host count-nbd disk Write fua=1)
nbd_fio --rw=write --bs=4k --size=12k --offset=20k --sync=dsync
at_least "writes with FUA for three by O_DSYNC" $(($(host count-nbd disk Write fua=1) - before)) 3
before=$(host count-nbd disk Flush)
dd if=/dev/urandom of="$DISK" bs=64k count=1 seek=9 conv=fsync
at_least "flushes for an fsync" $(($(host count-nbd disk Flush) - before)) 1
nbd_fio --rw=randwrite --bs=64k --size=4M --offset=1G --iodepth=8
detach_nbd

# Flash, by two connections: verified I/O, discards, a file system. Linux 6.1
# notices that a server is gone when a request's time is up, by default after 30 s.
use nbd1
port=$(host serve-nbd flash tlc drive.capacity=1GiB)
attach_nbd "$port" -C 2 -b 4096 -t 8
equal "rotational" "$(cat $queue/rotational)" 0
nbd_fio --rw=randrw --bssplit=4k/60:64k/35:512k/5 --size=24M --offset=512M --iodepth=16
blkdiscard "$DISK" -o 536870912 -l 16777216
is_zero 16777216 536870912 || fail "discarded blocks do not read as zeros"
/usr/sbin/blkdiscard -z "$DISK" -o 553648128 -l 4194304
is_zero 4194304 553648128 || fail "zeroed blocks do not read as zeros"
mkfs.ext4 -q -F "$DISK" 256M
mount -t ext4 "$DISK" /mnt
fill /mnt/files 8
checksums /mnt/files >/tmp/files
sync

# Nothing reconnects: the kernel gives up, and the file system with it.
: >/tmp/sums
write_synced &
files=$!
wait_for 60 are_written 40 || fail "no files are written: $(cat /tmp/dd)"
host kill flash
wait_for 60 sh -c "! kill -0 $files" || fail "the writer does not notice that the server is gone"
umount /mnt
detach_nbd
host start flash
attach_nbd "$port"
e2fsck -f -y "$DISK" || [ $? -eq 1 ] || fail "e2fsck after the kill: $?"
mount -t ext4 "$DISK" /mnt
(cd /mnt && sha256sum -c -s /tmp/sums) || fail "a file that was synced is not there"
checksums /mnt/files | cmp - /tmp/files || fail "files differ after the kill"
fstrim -v /mnt
umount /mnt
e2fsck -f -n "$DISK"
detach_nbd

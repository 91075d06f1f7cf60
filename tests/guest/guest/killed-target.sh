# The target is killed and started again on the same image while a file system on
# it is mounted and written.  The kernel reconnects by itself; all that was
# acknowledged, with or without a flush, is there.
. /guest/lib.sh
attach
printf 'label: gpt\nstart=1MiB, size=64MiB\nsize=32MiB\n' |
    sfdisk --no-tell-kernel "$DISK"
wait_for 10 blockdev --rereadpt "$DISK"
wait_for 10 test -b "${DISK}p2" || fail "no second partition"
mkfs.ext4 -q -F "${DISK}p1"
mount -t ext4 "${DISK}p1" /mnt

# blocks SEED OPTION...: fio on the second partition, direct and without any flush.
# A block of another seed is an old one.
blocks() {
    seed=$1
    shift
    fio --name=direct --filename="${DISK}p2" --direct=1 --ioengine=libaio \
        --iodepth=8 --thread --rw=randwrite --bs=4k --size=16M \
        --randseed="$seed" --verify=crc32c --verify_fatal=1 --eta=never "$@"
}

: >/tmp/sums
write_synced &
files=$!
wait_for 60 are_written 5 || fail "no file was written"
for round in 1 2; do
    before=$(wc -l </tmp/sums)
    blocks $round --do_verify=0 --rate_iops=800 >/tmp/fio 2>&1 &
    blocks=$!
    wait_for 60 are_written $((before + 10)) || fail "no more files are written"
    host restart-target 2
    wait_for 60 is_live || fail "controller is $(state) 60 s after the restart"
    before=$(wc -l </tmp/sums)
    wait_for 60 are_written $((before + 5)) || {
        kill -0 "$files" || fail "the writer of files ended: $(cat /tmp/dd)"
        show_blocked
        fail "writes do not go on"
    }
    wait "$blocks" || fail "direct writes failed: $(cat /tmp/fio)"
    blocks $round --verify_only >/tmp/fio 2>&1 ||
        fail "direct writes were lost: $(cat /tmp/fio)"
done
touch /tmp/stop
wait "$files" || fail "a write to the file system failed"

drop_caches
(cd /mnt && sha256sum -c -s /tmp/sums) || fail "a file differs while mounted"
umount /mnt
e2fsck -f -n "${DISK}p1"
detach
attach
wait_for 10 test -b "${DISK}p1"
mount -t ext4 "${DISK}p1" /mnt
(cd /mnt && sha256sum -c -s /tmp/sums) || fail "a file differs after the remount"
equal "files" "$(find /mnt -name '*.new' | wc -l)" "$(wc -l </tmp/sums)"
umount /mnt
detach

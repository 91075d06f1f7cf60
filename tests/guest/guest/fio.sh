# Random and sequential writes of mixed sizes at depth 16, every byte read back.
. /guest/lib.sh
attach
verified() {
    fio --filename="$DISK" --direct=1 --ioengine=libaio --iodepth=16 --thread \
        --verify=crc32c --verify_fatal=1 --randseed=7 --eta=never --minimal "$@" >/tmp/fio || fail "fio: $(cat /tmp/fio)"
}
verified --name=random --rw=randwrite --size=48M --offset=1M \
    --bssplit=4k/40:8k/15:16k/20:64k/20:256k/5 --verify_backlog=256
verified --name=sequential --rw=write --size=24M --offset=64M --bs=128k
verified --name=mixed --rw=randrw --size=16M --offset=96M --bsrange=4k-128k \
    --blockalign=4k
# Linux 6.1's own target crashes on a transfer above 1 MiB.
[ "$TARGET" = kernel ] && large=512k || large=2M
verified --name=large --rw=write --size=8M --offset=128M --bs=$large --iodepth=4
detach

# fio in its zoned mode: sequential and random writes, several open zones, every
# byte verified.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned fio zns zns.zone_size=16MiB zns.zone_capacity=12MiB zns.dies_per_zone=1 nand.pages=96 nand.blocks=192 \
    drive.capacity=1GiB zns.extension_bytes=0 nand.planes=2 zns.zrwa_zones=0
verified() {
    fio --filename="$DISK" --direct=1 --zonemode=zbd --thread --verify=crc32c --verify_fatal=1 --randseed=11 \
        --eta=never --minimal "$@" >/tmp/fio || fail "fio: $(cat /tmp/fio)"
}
verified --name=sequential --ioengine=libaio --iodepth=8 --rw=write --bs=128k --size=32M
verified --name=random --ioengine=psync --rw=randwrite --bs=16k --offset=256M --size=128M --io_size=8M \
    --max_open_zones=6 --verify_backlog=128
verified --name=small --ioengine=psync --rw=write --bs=4k --offset=512M --size=16M --io_size=2M
detach

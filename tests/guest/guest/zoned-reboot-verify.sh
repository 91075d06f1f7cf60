# Second half of zoned-reboot.sh, after the next boot: zones are as the specification
# wants them after a loss of power, and go on from there.
. /guest/lib.sh
. /guest/zoned.sh
read -r ZONED_PORT sum </guest/rebooted
attach_zoned
zone_is 0 0x10 0
zone_is 1 0x40 0x40800
zone_is 2 0x10 0x80000
zone_is 3 0x40 0xc0100
zone_is 4 0xe0 0xffffffffffffffff
zone_is 5 0xe0 0xffffffffffffffff
zone_is 6 0x40 0x180080
zone_is 7 0x10 0x1c0000
got=$(dd if="$DISK" bs=64k count=16 skip=$((ZONE_BLOCKS / 128)) iflag=direct | sha256sum | cut -d' ' -f1)
equal "the data of zone 1" "$got" "$sum"
equal "data of the zone that was reset" "$(dd if="$DISK" bs=64k count=4 skip=$((7 * ZONE_BLOCKS / 128)) iflag=direct |
    tr -d '\000' | wc -c)" 0
dd if=/dev/zero of="$DISK" bs=64k count=1 seek=$((ZONE_BLOCKS / 128 + 16)) oflag=direct
zone_is 1 0x20 0x40880
nvme zns reset-zone "$DISK" -s $((4 * ZONE_BLOCKS))
zone_is 4 0x10 0x100000
detach

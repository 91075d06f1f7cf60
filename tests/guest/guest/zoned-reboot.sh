# Zones in every state that a host can bring them to; then the guest stops in the
# midst of it, and the target with it. zoned-reboot-verify.sh is the next boot.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned reboot

put() { # ZONE PIECES: of 64 KiB
    dd if=/tmp/data of="$DISK" bs=64k count="$2" seek=$(($1 * ZONE_BLOCKS / 128)) oflag=direct
}

head -c 1048576 /dev/urandom >/tmp/data
put 1 16
nvme zns open-zone "$DISK" -s $((2 * ZONE_BLOCKS))
put 3 2
nvme zns close-zone "$DISK" -s $((3 * ZONE_BLOCKS))
put 4 1
nvme zns finish-zone "$DISK" -s $((4 * ZONE_BLOCKS))
nvme zns finish-zone "$DISK" -s $((5 * ZONE_BLOCKS))
put 6 1
nvme zns open-zone "$DISK" -s $((6 * ZONE_BLOCKS))
put 7 4
nvme zns reset-zone "$DISK" -s $((7 * ZONE_BLOCKS))
zone_is 1 0x20 0x40800
zone_is 2 0x30 0x80000
zone_is 3 0x40 0xc0100
zone_is 6 0x30 0x180080
zone_is 7 0x10 0x1c0000
host reboot reboot "$(sha256sum </tmp/data | cut -d' ' -f1)"
sleep 60

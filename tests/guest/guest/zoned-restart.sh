# What zones look like after the controller is reset, after it is shut down (a
# disconnect does that) and after the drive loses its process.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned restart

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

# A controller reset without a shutdown changes nothing; Linux shuts down before
# it resets, so that its open zones close, and an open zone without data empties.
zone_is 1 0x20 0x40800
zone_is 2 0x30 0x80000

closed() {
    zone_is 0 0x10 0
    zone_is 1 0x40 0x40800
    zone_is 2 0x10 0x80000
    zone_is 3 0x40 0xc0100
    zone_is 4 0xe0 0xffffffffffffffff
    zone_is 5 0xe0 0xffffffffffffffff
    dd if="$DISK" bs=64k count=16 skip=$((ZONE_BLOCKS / 128)) iflag=direct | cmp - /tmp/data ||
        fail "the data of zone 1 differs"
}

detach
attach_zoned
closed
nvme zns open-zone "$DISK" -s $((2 * ZONE_BLOCKS))
nvme zns open-zone "$DISK" -s $((1 * ZONE_BLOCKS))
host kill restart
host start restart
wait_for 60 is_live || fail "controller is $(state) 60 s after the restart"
closed
dd if=/tmp/data of="$DISK" bs=64k count=1 seek=$((ZONE_BLOCKS / 128 + 16)) oflag=direct
zone_is 1 0x20 0x40880
detach

# The kernel's own zone operations, through blkzone.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned blkzone

# zones CONDITION: how many blkzone reports with it (em, oi, oe, cl, fu).
zones() {
    blkzone report "$DISK" | grep -c "($1)" || :
}

equal "number of zones" "$(blkzone report "$DISK" | wc -l)" 32
equal "zones with code em" "$(blkzone report "$DISK" | grep -c '\[type: 2(SEQ_WRITE_REQUIRED)')" 32
blkzone open -o $((2 * ZONE_BLOCKS)) -c 3 "$DISK"
zone_is 2 0x30 0x80000
zone_is 4 0x30 0x100000
dd if=/dev/urandom of="$DISK" bs=64k count=4 seek=$((3 * ZONE_BLOCKS / 128)) oflag=direct
zone_is 3 0x30 0xc0200
blkzone close -o $((2 * ZONE_BLOCKS)) -l $((3 * ZONE_BLOCKS)) "$DISK"
zone_is 2 0x40 0x80000
zone_is 3 0x40 0xc0200
blkzone finish -o $((3 * ZONE_BLOCKS)) -c 2 "$DISK"
zone_is 3 0xe0 0xffffffffffffffff
zone_is 4 0xe0 0xffffffffffffffff
if dd if=/dev/zero of="$DISK" bs=4k count=1 seek=$((3 * ZONE_BLOCKS / 8)) oflag=direct; then
    fail "a write to a full zone was accepted"
fi
blkzone reset -o $((3 * ZONE_BLOCKS)) -c 1 "$DISK"
zone_is 3 0x10 0xc0000
dd if="$DISK" bs=64k count=4 skip=$((3 * ZONE_BLOCKS / 128)) iflag=direct | cmp -n 262144 - /dev/zero ||
    fail "data of a reset zone is still there"
dd if=/dev/urandom of="$DISK" bs=64k count=1 seek=$((9 * ZONE_BLOCKS / 128)) oflag=direct
blkzone reset "$DISK"
blkzone report "$DISK" >/tmp/report
equal "Empty zones after reset of all" "$(grep -c '(em)' /tmp/report)" 32
detach

# Format NVM to both block sizes; the data is gone afterwards.
. /guest/lib.sh
[ "$TARGET" = drivelab ] || skip "the kernel's target has no Format NVM"
attach

# format_as BYTES: finds the LBA format with that block size and formats to it.
format_as() {
    exponent=0
    while [ $((1 << exponent)) -lt "$1" ]; do exponent=$((exponent + 1)); done
    index=$(nvme id-ns "$DISK" |
        sed -n "s/^lbaf *\([0-9]*\) .*ms:0 .*lbads:$exponent .*/\1/p" | head -n 1)
    [ -n "$index" ] || fail "no LBA format with $1 bytes"
    bytes=$(blockdev --getsize64 "$DISK")
    dd if=/guest/lib.sh of="$DISK" bs=4096 count=1 conv=sync oflag=direct
    nvme format "$DISK" --lbaf="$index" --force
    wait_for 20 block_size_is "$1" ||
        fail "the kernel sees $(blockdev --getss "$DISK") bytes after a format to $1"
    equal "capacity after the format" "$(blockdev --getsize64 "$DISK")" "$bytes"
    is_zero 65536 0 || fail "old data remains after the format"
}

block_size_is() {
    [ "$(blockdev --getss "$DISK")" = "$1" ]
}

format_as 4096
dd if=/usr/sbin/nvme of="$DISK" bs=4096 count=32 oflag=direct
dd if="$DISK" bs=4096 count=32 iflag=direct | cmp -n 131072 - /usr/sbin/nvme
format_as 512
dd if=/usr/sbin/nvme of="$DISK" bs=512 count=33 oflag=direct
dd if="$DISK" bs=512 count=33 iflag=direct | cmp -n 16896 - /usr/sbin/nvme
refused "an LBA format that does not exist" "Invalid Format" \
    nvme format "$DISK" --lbaf=15 --force
detach

# Header and data digests, alone and together.
. /guest/lib.sh
for option in --hdr-digest --data-digest "--hdr-digest --data-digest"; do
    # shellcheck disable=SC2086  # two options in one word
    attach $option
    head -c 4194304 /dev/urandom >/tmp/data
    dd if=/tmp/data of="$DISK" bs=256k oflag=direct
    dd if=/tmp/data of="$DISK" bs=4k count=64 seek=2048 oflag=direct
    dd if="$DISK" bs=256k count=16 iflag=direct | cmp - /tmp/data
    dd if="$DISK" bs=4k count=64 skip=2048 iflag=direct |
        cmp -n 262144 - /tmp/data
    dd if="$DISK" bs=512k count=8 iflag=direct | cmp - /tmp/data
    detach
done
if dmesg | grep -E 'nvme.*(digest error|ddgst|hdgst)'; then
    fail "the kernel reports a digest error"
fi

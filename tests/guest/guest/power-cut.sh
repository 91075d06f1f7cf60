# The guest itself loses power while it writes.  Each file's checksum is told to
# the machine outside once its fsync returned; power-cut-verify.sh gets the list.
. /guest/lib.sh
attach
mkfs.ext4 -q -F "$DISK" 64M
mount -t ext4 "$DISK" /mnt
cp /usr/sbin/nvme /mnt/never-synced &
set +x
number=0
while :; do
    head -c $((1000 + number * 41 % 50000)) /dev/urandom >/tmp/next
    dd if=/tmp/next of="/mnt/file.$number" bs=64k conv=fsync 2>/dev/null ||
        fail "write of file.$number failed"
    host synced "$(sha256sum </tmp/next | cut -d' ' -f1)" "file.$number"
    number=$((number + 1))
done

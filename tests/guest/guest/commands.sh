# The I/O commands that the block layer seldom or never sends.
. /guest/lib.sh
attach
bs=$(blockdev --getss "$DISK")
count=$((16384 / bs - 1))
head -c 16384 /usr/sbin/nvme >/tmp/a
head -c 32768 /usr/sbin/nvme | tail -c 16384 >/tmp/b

io() {
    nvme "$1" "$DISK" -s "$2" -c "$count" -z 16384 -d "$3"
}

io write 64 /tmp/a
io read 64 /tmp/out
cmp /tmp/a /tmp/out
nvme write "$DISK" -s 64 -c "$count" -z 16384 -d /tmp/b --force-unit-access
io read 64 /tmp/out
cmp /tmp/b /tmp/out
nvme flush "$DISK"
nvme write-zeroes "$DISK" -s 64 -c "$count"
io read 64 /tmp/out
cmp -n 16384 /tmp/out /dev/zero

io write 64 /tmp/a
nvme dsm "$DISK" --ad --slbs=64 --blocks=$((count + 1))
io read 64 /tmp/out
[ "$TARGET" = kernel ] || cmp -n 16384 /tmp/out /dev/zero

if [ "$TARGET" = drivelab ]; then
    io write 64 /tmp/a
    io compare 64 /tmp/a
    refused "comparing other data" "Compare Failure" io compare 64 /tmp/b
    nvme verify "$DISK" -s 64 -c "$count"
    nvme copy "$DISK" --sdlba=1024 --slbs=64 --blocks="$count"
    io compare 1024 /tmp/a
    nvme write-uncor "$DISK" -s 1024 -c 0
    refused "reading an uncorrectable block" "Unrecovered Read Error" \
        io read 1024 /tmp/out
    io write 1024 /tmp/b
    io compare 1024 /tmp/b
fi
detach

# The target of a drive with zones is killed, twice, while three of them are
# written, and started on the same image. Whatever was acknowledged is there. A
# write whose answer was lost with the connection is sent again by the kernel and
# may find itself written already: then the write pointer is behind it.
#
# Beside that fio writes in its zoned mode, 64 blocks to each of its zones: across
# each kill it verifies what it wrote before, while the connection is lost and
# found, and writes new zones, of which it verifies what was acknowledged.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned killed

# put_piece ZONE NUMBER: /tmp/next, of 64 KiB, to the zone as its piece NUMBER.
# The kernel may use up its retries before it has noticed that the target is
# gone; what was then not written is written again.
put_piece() {
    start=$(($1 * ZONE_BLOCKS + $2 * 128))
    for try in 1 2 3; do
        dd if=/tmp/next of="$DISK" bs=64k seek=$((start / 128)) oflag=direct 2>/tmp/dd && return
        wait_for 60 is_live
        wp=$(($(zone_field "$1" WP)))
        echo "try $try of piece $2 of zone $1 failed, its write pointer is $wp: $(tail -n 1 /tmp/dd)"
        [ "$wp" -eq $((start + 128)) ] && return
        [ "$wp" -eq "$start" ] || return 1
    done
    return 1
}

# Each line in /tmp/sums is written after the write returned.
write_pieces() {
    set +x
    number=0
    while [ ! -e /tmp/stop ]; do
        zone=$((4 + number % 3))
        head -c 65536 /dev/urandom >/tmp/next
        put_piece $zone $((number / 3)) || return 1
        echo "$zone $((number / 3)) $(sha256sum </tmp/next | cut -d' ' -f1)" >>/tmp/sums
        number=$((number + 1))
    done
}

# zbd NAME FIRST ZONES OPTION...: fio over zones of the disk.
zbd() {
    name=$1 first=$2 zones=$3
    shift 3
    fio --name="$name" --filename="$DISK" --direct=1 --zonemode=zbd --zonesize=128M --ioengine=psync --thread \
        --offset=$((first * 128))M --size=$((zones * 128))M --bs=16k --verify=crc32c --randseed=7 --eta=never \
        "$@" >"/tmp/fio-$name" 2>&1
}

fio_said() {
    tail -n 20 "/tmp/fio-$1"
}

begun() {
    [ $(($(zone_field "$1" WP))) -gt $(($1 * ZONE_BLOCKS)) ]
}

: >/tmp/sums
zbd before 8 1 --rw=write --io_size=1M --verify_fatal=1 || fail "fio before the kill: $(fio_said before)"
write_pieces &
pieces=$!
trap 'kill "$pieces" 2>/dev/null' EXIT # it must not write into the next scenario
for round in 1 2; do
    wait_for 60 are_written $(($(wc -l </tmp/sums) + 10)) || fail "no more is written: $(cat /tmp/dd)"
    zbd reader 8 1 --rw=read --io_size=1M --verify_fatal=1 --rate_iops=6 &
    reader=$!
    zbd writer$round $((8 + round)) 1 --rw=write --io_size=1M --rate_iops=6 --continue_on_error=write &
    writer=$!
    wait_for 60 begun $((8 + round)) || fail "fio does not begin: $(fio_said writer$round)"
    sleep 1
    host kill killed
    sleep 1
    host start killed
    wait_for 60 is_live || fail "controller is $(state) 60 s after the restart"
    wait_for 60 are_written $(($(wc -l </tmp/sums) + 5)) || {
        kill -0 "$pieces" || fail "the writer ended: $(cat /tmp/dd)"
        show_blocked
        fail "writes do not go on"
    }
    # Each ends where the kernel used up its retries, as in put_piece. What is read is right, and read again below; what
    # was written until then is there.
    wait "$reader" || { ! grep -qi verify /tmp/fio-reader && echo "fio gave up reading: $(fio_said reader)"; } ||
        fail "fio, reading across kill $round: $(fio_said reader)"
    wait "$writer" || echo "fio gave up writing: $(fio_said writer$round)"
    kept=$((($(zone_field $((8 + round)) WP) - (8 + round) * ZONE_BLOCKS) / 2))
    at_least "KiB that fio wrote across kill $round" "$kept" 16
    zbd check $((8 + round)) 1 --rw=read --io_size="$kept"K --verify_fatal=1 ||
        fail "fio, what it wrote across kill $round: $(fio_said check)"
    zbd again 8 1 --rw=read --io_size=1M --verify_fatal=1 || fail "fio after kill $round: $(fio_said again)"
done
touch /tmp/stop
wait "$pieces" || fail "a write failed: $(cat /tmp/dd)"
trap - EXIT
drop_caches
set +x
while read -r zone at sum; do
    got=$(dd if="$DISK" bs=64k skip=$((zone * ZONE_BLOCKS / 128 + at)) count=1 iflag=direct 2>/dev/null |
        sha256sum | cut -d' ' -f1)
    [ "$got" = "$sum" ] || fail "piece $at of zone $zone differs"
done </tmp/sums
set -x
pieces=$(wc -l </tmp/sums)
zone_is 4 0x20 "$(printf 0x%x $((4 * ZONE_BLOCKS + (pieces + 2) / 3 * 128)))"
detach

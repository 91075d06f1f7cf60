# The target of a drive with zones is killed, twice, while three of them are
# written, and started on the same image. Whatever was acknowledged is there. A
# write whose answer was lost with the connection is sent again by the kernel and
# may find itself written already: then the write pointer is behind it.
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

written() {
    [ "$(wc -l </tmp/sums)" -ge "$1" ]
}

: >/tmp/sums
write_pieces &
pieces=$!
for round in 1 2; do
    wait_for 60 written $(($(wc -l </tmp/sums) + 10)) || fail "no more is written: $(cat /tmp/dd)"
    host kill killed
    sleep 1
    host start killed
    wait_for 60 is_live || fail "controller is $(state) 60 s after the restart"
    wait_for 60 written $(($(wc -l </tmp/sums) + 5)) || {
        kill -0 "$pieces" || fail "the writer ended: $(cat /tmp/dd)"
        show_blocked
        fail "writes do not go on"
    }
done
touch /tmp/stop
wait "$pieces" || fail "a write failed: $(cat /tmp/dd)"
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

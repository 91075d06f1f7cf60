# Words of the scenarios with zones.  Each has a target of its own, whose drive is
# femu-zns unless said otherwise: 32 zones of 128 MiB in blocks of 512 bytes.
[ "$TARGET" = drivelab ] || skip "needs a drive with zones"

# serve_zoned NAME [DRIVE [section.key=value]...]: starts the target NAME and
# attaches to it; sets ZONED_PORT and what attach_to sets.
serve_zoned() {
    zoned_name=$1 zoned_drive=${2:-femu-zns}
    [ $# -lt 2 ] && shift 1 || shift 2
    ZONED_PORT=$(host serve "$zoned_name" "$zoned_drive" "$@")
    attach_zoned
}

# attach_zoned [OPTION...]: to the target of serve_zoned.
attach_zoned() {
    zoned_nqn=$(subsystem_nqn "$ZONED_PORT")
    [ -n "$zoned_nqn" ] || fail "the discovery log names no NVM subsystem"
    attach_to "$ZONED_PORT" "$zoned_nqn" "$@"
    keep_order
}

# keep_order: up to Linux 6.9 only this scheduler keeps the order of the writes to
# a zone when several are in flight.
keep_order() {
    modprobe mq-deadline
    for scheduler in /sys/block/nvme*/queue/scheduler; do
        if grep -q mq-deadline "$scheduler"; then
            echo mq-deadline >"$scheduler"
        fi
    done
}

# need_append: Linux 6.1.83 to 6.1.192 and maybe later ones take the place where a
# zone append went for the one behind it (block/blk-mq.c, req_bio_endio), whatever
# the drive; its own null_blk shows whether this kernel is such a one.
need_append() {
    modprobe zonefs
    modprobe null_blk nr_devices=1 zoned=1 zone_size=4 gb=1 memory_backed=1
    dd if=/usr/lib/zonefs.super of=/dev/nullb0 bs=4096 count=1 oflag=direct
    blkzone finish -c 1 /dev/nullb0
    mount -t zonefs /dev/nullb0 /mnt
    append_works=yes
    dd if=/dev/zero of=/mnt/seq/0 bs=4k count=1 oflag=direct conv=notrunc || append_works=no
    umount /mnt
    rmmod null_blk
    [ "$append_works" = yes ] ||
        skip "this kernel ($(uname -r)) loses the place of zone appends, even on its own null_blk"
}

# zone_field NUMBER FIELD: of `nvme zns report-zones`: SLBA, WP, Cap, State.
zone_field() {
    nvme zns report-zones "$DISK" -d 1 -s "$(($1 * ZONE_BLOCKS))" |
        sed -n "s/^SLBA.*/ &/p" | sed -n "s/.* $2: *\([^ ]*\).*/\1/p"
}

# zone_is NUMBER STATE WP: as nvme-cli prints them.
zone_is() {
    equal "state of zone $1" "$(zone_field "$1" State)" "$2"
    equal "write pointer of zone $1" "$(zone_field "$1" WP)" "$3"
}

ZONE_BLOCKS=262144

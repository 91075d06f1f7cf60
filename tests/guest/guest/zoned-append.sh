# A program with libnvme appends; then the mistakes people make, each with its
# status, and the words for it in the error information log.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned append

equal "first append" "$(zns-append "$DISK" 0x140000 7 4096)" "lba 0x140000"
equal "second append" "$(zns-append "$DISK" 0x140000 7 4096)" "lba 0x140008"
zone_is 5 0x20 0x140010

# said PART...: the newest reason (log page C0h, ours) has all of that.
said() {
    nvme get-log "$CTRL" --log-id=0xc0 --log-len=512 --raw-binary | tail -c +9 | tr -d '\0' >/tmp/reason
    cat /tmp/reason
    for part in "$@"; do
        contains "reason" "$(cat /tmp/reason)" "$part"
    done
}

# logged STATUS LOCATION: the newest entry as nvme-cli shows it.
logged() {
    nvme error-log "$CTRL" -e 1 | tee /tmp/log
    contains "error log" "$(cat /tmp/log)" "$1"
    contains "error log" "$(field parm_err_loc </tmp/log)" "$2"
}

# A 1-based number of blocks: one more than the data has.
equal "nlb 8 for 8 blocks" "$(zns-append "$DISK" 0x140000 8 4096)" "append: status 0x600f"
said "4096 bytes" "4608" "zero-based"

# Above ZASL, and just one block above.
equal "append of 512 blocks" "$(zns-append "$DISK" 0x140000 511 262144)" "append: status 0x6002"
said "512 blocks" "ZASL" "131072"
logged 0x6002 0x30
equal "append of 257 blocks" "$(zns-append "$DISK" 0x140000 256 131584)" "append: status 0x6002"
said "257 blocks" "zero-based"

# Not the start of a zone; the zone's number instead of its LBA.
equal "append to the write pointer" "$(zns-append "$DISK" 0x140010 7 4096)" "append: status 0x6002"
said "not the start of a zone" "0x140000"
equal "append to zone 5" "$(zns-append "$DISK" 5 7 4096)" "append: status 0x6002"
said "0x140000"

# Off the write pointer.
head -c 4096 /dev/urandom >/tmp/data
refused "write below the write pointer" 0x61bc nvme write "$DISK" -s 0x140000 -c 7 -z 4096 -d /tmp/data
said "zone 5" "0x140000" "Implicitly Open" "0x140010"
logged 0x61bc 0x28
refused "write above the write pointer" 0x61bc nvme write "$DISK" -s 0x140020 -c 7 -z 4096 -d /tmp/data
nvme write "$DISK" -s 0x140010 -c 7 -z 4096 -d /tmp/data

# A full zone, by a write and by an append.
nvme zns finish-zone "$DISK" -s 0x140000
zone_is 5 0xe0 0xffffffffffffffff
refused "write to a full zone" 0x61b9 nvme write "$DISK" -s 0x140018 -c 7 -z 4096 -d /tmp/data
said "zone 5" "Full" "capacity"
equal "append to a full zone" "$(zns-append "$DISK" 0x140000 7 4096)" "append: status 0x61b9"

# Across the end of a zone.
refused "read across zones" 0x61b8 nvme read "$DISK" -s 0x17fffc -c 7 -z 4096 -d /tmp/back
refused "open a full zone" 0x61bf nvme zns open-zone "$DISK" -s 0x140000
said "Open Zone" "Full"
nvme read "$DISK" -s 0x140010 -c 7 -z 4096 -d /tmp/back
cmp /tmp/data /tmp/back
detach

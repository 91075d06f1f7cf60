# What nvme-cli and Linux see of a drive with zones.
. /guest/lib.sh
. /guest/zoned.sh
serve_zoned admin

nvme list | tee /tmp/list
contains "nvme list" "$(cat /tmp/list)" "drivelab FEMU zoned"
contains "nvme list" "$(cat /tmp/list)" "512   B"
nvme zns list | tee /tmp/zns-list
contains "nvme zns list" "$(cat /tmp/zns-list)" "${DISK#/dev/}"
nvme zns id-ctrl "$CTRL" | tee /tmp/id
equal zasl "$(field zasl </tmp/id)" 5
nvme zns id-ns "$DISK" | tee /tmp/id
equal zoc "$(field zoc </tmp/id)" 0
equal ozcs "$(field ozcs </tmp/id)" 0
equal mar "$(field mar </tmp/id)" 0xffffffff
equal mor "$(field mor </tmp/id)" 0xffffffff
contains lbafe "$(cat /tmp/id)" "lbafe  0: zsze:0x40000 zdes:0 (in use)"
contains lbafe "$(cat /tmp/id)" "lbafe  1: zsze:0x8000 zdes:0"

nvme zns report-zones "$DISK" | tee /tmp/report
contains "number of zones" "$(cat /tmp/report)" "nr_zones: 32"
awk '/^SLBA/ {
    if ($2 != sprintf("0x%x", n * 262144) && !(n == 0 && $2 == "0")) exit 1
    if ($0 !~ /State: 0x10/ && $0 !~ /State: EMPTY/) exit 2
    if ($0 !~ /Type: 0x2/ && $0 !~ /Type: SEQWRITE_REQ/) exit 3
    n++ } END { if (n != 32) exit 4 }' /tmp/report || fail "the report is not of 32 Empty zones 0x40000 apart: $?"
nvme zns report-zones "$DISK" -v | tee /tmp/report >/dev/null
equal "EMPTY zones" "$(grep -c 'EMPTY' /tmp/report)" 32
equal "SEQWRITE_REQ zones" "$(grep -c 'SEQWRITE_REQ' /tmp/report)" 32

queue=/sys/block/${DISK#/dev/}/queue
equal zoned "$(cat "$queue/zoned")" host-managed
equal nr_zones "$(cat "$queue/nr_zones")" 32
equal chunk_sectors "$(cat "$queue/chunk_sectors")" 262144
equal zone_append_max_bytes "$(cat "$queue/zone_append_max_bytes")" 131072
zbd report -i "$DISK" | tee /tmp/zbd
contains "zbd report" "$(cat /tmp/zbd)" "32 zones"

nvme zns changed-zone-list "$DISK" | tee /tmp/changed
contains "changed zones" "$(cat /tmp/changed)" "nrzid:  0"
nvme effects-log "$CTRL" -c 2 -o json >/tmp/effects || nvme effects-log "$CTRL" -c 2 | tee /tmp/effects
grep -q . /tmp/effects || fail "no effects log of the command set"
detach

# Discovery, connect, and what nvme-cli shows about the controller.
. /guest/lib.sh

log=$(discover)
contains "discovery log" "$log" "subtype: nvme subsystem"
contains "discovery log" "$log" "trtype:  tcp"
attach
contains "nvme list" "$(nvme list)" "$DISK"
contains "nvme list-subsys" "$(nvme list-subsys)" "$NQN"
equal "number of I/O queues" "$(cat "/sys/class/nvme/${CTRL#/dev/}/queue_count")" 3

id=$(nvme id-ctrl "$CTRL")
equal sqes "$(echo "$id" | field sqes)" 0x66
equal cqes "$(echo "$id" | field cqes)" 0x44
equal subnqn "$(echo "$id" | field subnqn)" "$NQN"
at_least nn "$(echo "$id" | field nn)" 1
[ -n "$(echo "$id" | field mn)" ] || fail "id-ctrl has no model name"
[ -n "$(echo "$id" | field sn)" ] || fail "id-ctrl has no serial number"
[ $(($(echo "$id" | field ver))) -ge $((0x10300)) ] || fail "version below 1.3"

ns=$(nvme id-ns "$DISK")
echo "$ns"
nsze=$(echo "$ns" | field nsze)
contains "id-ns" "$ns" "(in use)"
equal "size of $DISK in blocks" \
    $(($(blockdev --getsize64 "$DISK") / $(blockdev --getss "$DISK"))) $((nsze))
contains "list-ns" "$(nvme list-ns "$CTRL")" ":0x1"
contains "ns-descs" "$(nvme ns-descs "$DISK")" "uuid"
if [ "$TARGET" = drivelab ]; then
    nvme cmdset-ind-id-ns "$DISK" -n 1
    nvme nvm-id-ctrl "$CTRL"
    nvme id-iocs "$CTRL"
    nvme list-ctrl "$CTRL"
    nvme list-endgrp "$CTRL"
    nvme endurance-log "$CTRL" --group-id=1
    contains "id-nvmset" "$(nvme id-nvmset "$CTRL")" "nvmset_id"
    contains "id-ns-lba-format" \
        "$(nvme id-ns-lba-format "$CTRL" --lba-format-index=1)" "lbads:12"
    nvme nvm-id-ns-lba-format "$CTRL" --lba-format-index=0
    refused "namespace granularity" "Invalid Field in Command" \
        nvme id-ns-granularity "$CTRL"
fi

# releases of nvme-cli disagree about 0x
property() { nvme get-property "$CTRL" --offset="$1" | sed 's/value: 0x/value: /'; }
contains "property VS" "$(property 8)" "value: 20000"
contains "property CSTS" "$(property 0x1c)" "value: 1"
contains "feature 7" "$(nvme get-feature "$CTRL" -f 7)" "value:0x"
nvme get-feature "$CTRL" -f 0xf
nvme set-feature "$CTRL" -f 0xb --value=0x100
contains "feature 0xb" "$(nvme get-feature "$CTRL" -f 0xb)" "100"

equal "critical_warning" "$(nvme smart-log "$CTRL" | field critical_warning)" 0
before=$(nvme smart-log "$CTRL" | field host_write_commands)
dd if=/dev/zero of="$DISK" bs=4096 count=8 oflag=direct
after=$(nvme smart-log "$CTRL" | field host_write_commands)
equal "host_write_commands grew by" $((${after%% *} - ${before%% *})) 8

nvme fw-log "$CTRL"
contains "effects log" "$(nvme effects-log "$CTRL" --csi=0)" "Write"
nvme get-log "$CTRL" --log-id=2 --log-len=512 -n 0xffffffff

past_end="LBA Out of Range" unknown_log="Invalid Log Page"
# Linux's own target answers these with less fitting statuses.
[ "$TARGET" = drivelab ] ||
    past_end="Internal Error" unknown_log="Invalid Field in Command"
refused "a read past the end" "$past_end" \
    nvme read "$DISK" -s "$((nsze))" -c 0 -z "$(blockdev --getss "$DISK")" \
    -d /tmp/out
log=$(nvme error-log "$CTRL" -e 4)
at_least "error_count" "$(echo "$log" | field error_count)" 1
if [ "$TARGET" = drivelab ]; then
    contains "error log" "$log" "LBA Out of Range"
    contains "supported log pages" \
        "$(nvme supported-log-pages "$CTRL")" "SMART"
fi
refused "an unknown log page" "$unknown_log" \
    nvme get-log "$CTRL" --log-id=0xbf --log-len=512
refused "an unknown opcode" "Invalid Command Opcode" \
    nvme admin-passthru "$CTRL" --opcode=0xc1

nvme reset "$CTRL"
wait_for 20 is_live || fail "controller is $(state) after a reset"
dd if="$DISK" of=/dev/null bs=4096 count=1 iflag=direct
detach

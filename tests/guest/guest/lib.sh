# Words of the scenarios.  A scenario is run by `sh -eux`: any command that fails
# ends it, and the trace tells which; `fail` gives a better reason.
. /guest/run.env

say() {
    echo "@@ $*"
}

fail() {
    echo "$*" >/tmp/why
    exit 1
}

skip() {
    echo "$*" >/tmp/skip
    exit 0
}

# host ACTION [ARGUMENT...]: asks the machine outside, prints its answer.
host() {
    if [ "$TARGET" = kernel ] && [ -f "/guest/kernel-host-$1.sh" ]; then
        sh "/guest/kernel-host-$1.sh" "$@"
        return
    fi
    say "HOST $*" >/dev/ttyS1
    read -r answer </dev/ttyS1
    case $answer in
    ok*) echo "${answer#ok}" | sed 's/^ //' ;;
    *) fail "host: $answer" ;;
    esac
}

# show_blocked: where the kernel holds requests and tasks, for a write that hangs.
show_blocked() {
    set +x
    mount -t debugfs debug /sys/kernel/debug
    for file in /sys/kernel/debug/block/nvme*/state \
        /sys/kernel/debug/block/nvme*/requeue_list \
        /sys/kernel/debug/block/nvme*/hctx*/busy \
        /sys/kernel/debug/block/nvme*/hctx*/dispatch; do
        [ -s "$file" ] || cat "$file" | sed "s|^|${file#*block/}: |"
    done
    umount /sys/kernel/debug
    echo w >/proc/sysrq-trigger
    dmesg | tail -n 150
}

# equal WHAT GOT WANTED
equal() {
    [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"
}

# at_least WHAT GOT MINIMUM
at_least() {
    [ "$2" -ge "$3" ] || fail "$1 is $2, expected at least $3"
}

# contains WHAT TEXT PART
contains() {
    case $2 in
    *"$3"*) ;;
    *) fail "$1 lacks '$3'" ;;
    esac
}

# refused WHAT STATUS COMMAND...: the command must fail and name the NVMe status.
refused() {
    refused_what=$1 refused_status=$2
    shift 2
    if refused_text=$("$@" 2>&1); then
        fail "$refused_what was accepted"
    fi
    contains "$refused_what: $refused_text" "$refused_text" "$refused_status"
}

# field NAME: value of the first "NAME : value" line on standard input.
field() {
    sed -n "s/^$1[[:space:]]*:[[:space:]]*//p" | head -n 1 | sed 's/[[:space:]]*$//'
}

# wait_for SECONDS COMMAND...: repeats until the command succeeds.
wait_for() {
    wait_left=$(($1 * 5))
    shift
    until "$@" >/dev/null 2>&1; do
        wait_left=$((wait_left - 1))
        [ "$wait_left" -gt 0 ] || return 1
        sleep 0.2
    done
}

discover() {
    nvme discover -t tcp -a "$ADDRESS" -s "${1:-$PORT}"
}

# subsystem_nqn [PORT]: the first NVM subsystem in the discovery log.
subsystem_nqn() {
    discover "$@" | awk '/^subtype:/ { nvm = /nvme subsystem/ }
        /^subnqn:/ && nvm { print $2; exit }'
}

# attach [OPTION...]: connects to the target and waits for its first namespace.
attach() {
    NQN=$(subsystem_nqn)
    [ -n "$NQN" ] || fail "the discovery log names no NVM subsystem"
    attach_to "$PORT" "$NQN" "$@"
}

# attach_to PORT NQN [OPTION...]: sets NQN, CTRL and DISK, the names under /dev.
attach_to() {
    attach_port=$1 NQN=$2
    shift 2
    attach_text=$(nvme connect -t tcp -a "$ADDRESS" -s "$attach_port" \
        -n "$NQN" --reconnect-delay=1 --keep-alive-tmo=15 \
        --nr-io-queues=2 -o normal "$@")
    CTRL=/dev/$(echo "$attach_text" | sed -n 's/.*\(nvme[0-9]*\).*/\1/p')
    wait_for 20 disk_of 1 || fail "no namespace 1 appeared after connect"
    DISK=$(disk_of 1)
}

# disk_of NSID: the block device of a namespace of subsystem NQN.
disk_of() {
    for block in /sys/block/nvme*; do
        case $block in *c[0-9]*) continue ;; esac
        if [ "$(cat "$block/device/subsysnqn")" = "$NQN" ] &&
            [ "$(cat "$block/nsid")" = "$1" ]; then
            echo "/dev/${block##*/}"
            return 0
        fi
    done
    return 1
}

detach() {
    nvme disconnect -n "$NQN"
    wait_for 20 test ! -e "$DISK" || fail "$DISK remains after disconnect"
}

state() {
    cat "/sys/class/nvme/${CTRL#/dev/}/state"
}

is_live() {
    [ "$(state)" = live ]
}

# is_zero BYTES OFFSET: whether that part of the disk, in units of 64 KiB, reads
# as zeros.
is_zero() {
    dd if="$DISK" bs=65536 count=$(($1 / 65536)) skip=$(($2 / 65536)) \
        iflag=direct 2>/dev/null | cmp -n "$1" - /dev/zero
}

# fill DIRECTORY MEGABYTES: real files of every size up to that sum.
fill() (
    set +x
    left=$(($2 * 1024))
    find /usr/sbin /usr/lib /etc /guest -type f | sort | while read -r path; do
        size=$(($(stat -c %s "$path") / 1024 + 1))
        [ "$size" -le "$left" ] || continue
        left=$((left - size))
        mkdir -p "$1/${path%/*}"
        cp "$path" "$1/$path"
    done
)

# checksums DIRECTORY
checksums() {
    (cd "$1" && find . -type f | sort | xargs sha256sum)
}

# write_synced: files of many sizes in /mnt until /tmp/stop is there or a write
# fails. Each line in /tmp/sums is written after the fsync of that file returned.
write_synced() {
    set +x
    synced=0
    while [ ! -e /tmp/stop ]; do
        head -c $((1000 + synced * 37 % 60000)) /dev/urandom >/tmp/next
        dd if=/tmp/next of="/mnt/$synced.new" bs=64k conv=fsync 2>/tmp/dd || return 1
        echo "$(sha256sum </tmp/next | cut -d' ' -f1)  $synced.new" >>/tmp/sums
        synced=$((synced + 1))
    done
}

# are_written N: whether so many lines are in /tmp/sums.
are_written() {
    [ "$(wc -l </tmp/sums)" -ge "$1" ]
}

drop_caches() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

# Leaves nothing of a scenario that failed half way.
clean_up() {
    for point in $(awk '$2 ~ "^/mnt" { print $2 }' /proc/mounts); do
        umount -l "$point"
    done
    nvme disconnect-all
    rm -rf /tmp/*
}

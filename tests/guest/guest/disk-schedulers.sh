# A hard disk behind an I/O scheduler of the target's: media that rotates, two
# processes and two hosts that share it, schedulers exchanged under load.
. /guest/lib.sh
[ "$TARGET" = drivelab ] || skip "needs a disk behind an I/O scheduler"
port=$(host serve disk hdd-7200 drive.capacity=8GiB queue.scheduler=cfq)
attach_to "$port" "$(subsystem_nqn "$port")"
first=$CTRL

# What a kernel makes of it is its own affair: up to 6.12 NVMe never rotates.
nvme admin-passthru "$CTRL" --opcode=6 --namespace-id=1 --cdw10=8 --data-len=4096 -r -b >/tmp/independent
at_least "bit RMEDIA of NSFEAT" $((0x$(od -An -tx1 -N1 /tmp/independent | tr -d ' ') & 0x10)) 16
case $(uname -r) in
[345].* | 6.[0-9].* | 6.1[0-2].*) ;;
*) equal "queue/rotational" "$(cat "/sys/block/${DISK#/dev/}/queue/rotational")" 1 ;;
esac
equal "scheduler" "$(host ctl disk queue.get sda scheduler --text)" \
    "noop deadline [cfq] as mq-deadline kyber bfq none"
equal "rotational" "$(host ctl disk queue.get rotational --text)" 1

disk_fio() {
    fio --filename="$DISK" --direct=1 --thread --eta=never --minimal "$@" >/tmp/fio || fail "fio: $(cat /tmp/fio)"
}

# Two processes, a queue of the host each: slices give both a good share.
disk_fio --ioengine=psync --rw=read --bs=64k --size=1G --time_based --runtime=3 \
    --name=near --cpus_allowed=0 --name=far --offset=4G --cpus_allowed=1
# Field 6 of each line: KiB that were read.
set -- $(cut -d';' -f6 /tmp/fio)
at_least "what the slower of two readers got, in percent of the other" $((100 * $1 / ($2 + 1))) 30
at_least "what the slower of two readers got, in percent of the other" $((100 * $2 / ($1 + 1))) 30

# A second host: a cgroup of its own, whose weight can be set.
second_nqn=nqn.2014-08.org.nvmexpress:uuid:22222222-2222-4222-8222-222222222222
exec 4<>/dev/nvme-fabrics
printf 'transport=tcp,traddr=%s,trsvcid=%s,nqn=%s,hostnqn=%s,hostid=22222222-2222-4222-8222-222222222222' \
    "$ADDRESS" "$port" "$NQN" "$second_nqn" >&4
read -r made <&4
exec 4<&-
second=/dev/nvme$(echo "$made" | sed -n 's/.*instance=\([0-9]*\).*/\1/p')
[ -e "$second" ] && [ "$second" != "$first" ] || fail "no second host: $made"
for policy in /sys/class/nvme-subsystem/nvme-subsys*/iopolicy; do
    echo round-robin >"$policy" # requests go by both hosts in turn
done
disk_fio --ioengine=libaio --iodepth=4 --rw=randread --bs=4k --size=1G --number_ios=60 --name=both
groups=$(host ctl disk queue.cgroup)
contains "cgroups" "$groups" "\"path\": \"$(cat /etc/nvme/hostnqn)\""
contains "cgroups" "$groups" "\"path\": \"$second_nqn\""
contains "a cgroup" "$(host ctl disk queue.cgroup "path=$second_nqn" weight=900 "io_max=riops=1000")" '"weight": 900'

# Schedulers exchanged while data is written and verified.
disk_fio --ioengine=libaio --iodepth=16 --rw=randwrite --bssplit=64k/50:128k/50 --size=24M --offset=2G \
    --verify=crc32c --verify_fatal=1 --verify_backlog=32 --randseed=5 --loops=2 --name=load &
load=$!
for scheduler in deadline bfq noop mq-deadline as kyber none cfq; do
    sleep 0.4
    host ctl disk queue.set sda scheduler "$scheduler"
done
wait "$load" || fail "fio: $(cat /tmp/fio)"
nvme disconnect -d "${second#/dev/}"
detach

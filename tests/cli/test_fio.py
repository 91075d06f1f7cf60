#!/usr/bin/env python3
"""The same job files in the real fio and in drivelab ask for the same. test_fio.py DRIVELAB [NAME...] prints TAP.

Both write an iolog; what is compared is every request in order, or, where fio's
random numbers decide, how many there are, where, and how large.
"""
import collections
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import LIMIT, Skip, check, main, run, write_job  # noqa: E402

CAPACITY = 64 << 20
DRIVE = ["nossd", "-o", "drive.capacity=64MiB", "-o", "nossd.read_latency=10us", "-o", "nossd.write_latency=10us"]


def requests(path):
    """(action, offset, bytes) of an iolog; where flushes are is of no meaning."""
    words = (line.split() for line in path.read_text().splitlines())
    return [(w[2], int(w[3]) if w[2] in ("read", "write", "trim") else 0, int(w[4])) for w in words
            if len(w) == 5 and w[2] in ("read", "write", "trim", "sync", "datasync")]


def both(folder, options, engine="psync"):
    """What fio asks of a file as large as the drive, and drivelab of the drive."""
    fio = shutil.which("fio")
    if not fio:
        raise Skip("no fio here")
    file, logs = pathlib.Path(folder, "drive"), [pathlib.Path(folder, name) for name in ("fio.log", "own.log")]
    for log in logs:
        log.unlink(missing_ok=True)  # fio goes on where a log ends
    with open(file, "wb") as f:
        f.truncate(CAPACITY)
    lines = options.replace(" ", "\n")
    job = write_job(folder, f"[j]\nfilename={file}\nioengine={engine}\nthread\nwrite_iolog={logs[0]}\n{lines}\n", "fio.fio")
    done = subprocess.run([fio, job], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, cwd=folder)
    check(done.returncode == 0, options, done.stdout, done.stderr)
    run("run", *DRIVE, "--job", write_job(folder, f"[j]\nwrite_iolog={logs[1]}\n{lines}\n", "own.fio"), code=0)
    return [requests(log) for log in logs]


SAME = """
rw=read bs=4k size=1m
rw=write bs=8k offset=10% size=5%
rw=read bs=4k offset=33% offset_align=64k size=128k
rw=read bs=1m size=33%
rw=write:8k bs=4k size=1m
rw=write:8k bs=4k size=96k loops=2
rw=read:-8k bs=4k size=256k offset=1m
rw=read:-8k bs=4k size=256k
rw=read bs=4k size=1m number_ios=17 loops=2
rw=read bs=64k size=1m io_size=2560k
rw=read bs=64k size=1m io_size=300k
rw=read bs=64k size=10% io_size=50%
rw=read bs=4k filesize=2m size=1m io_size=3m
rw=read bs=16k zonemode=strided zonesize=64k zonerange=256k zoneskip=128k size=4m io_size=1m
rw=write bs=16k zonemode=strided zonesize=64k zoneskip=64k size=2m
rw=write bs=1m zonemode=strided zonesize=2m zoneskip=3m size=40m
rw=write bs=4k size=256k fsync=10
rw=write bs=4k size=128k fdatasync=5 end_fsync=1
rw=write bs=4k size=256k verify=crc32c
rw=write bs=4k size=256k verify=crc32c verify_backlog=16
rw=read bs=4k size=64k offset_increment=1m offset=1m
rw=read bs=4k thinktime=200 thinktime_blocks=4 number_ios=100
rw=write bs=4k offset=25% size=10% filesize=32m
rw=write bs=4k,16k size=1m bs_is_seq_rand=1
rw=write bs=64k zonemode=zbd zonesize=1m zonecapacity=768k size=8m direct=1
rw=write bs=64k zonemode=zbd zonesize=1m zonecapacity=768k size=8m direct=1 loops=2
rw=write bs=64k zonemode=zbd zonesize=1m zonecapacity=768k size=8m direct=1 io_size=16m
rw=write bs=64k zonemode=zbd zonesize=1m size=8m direct=1 max_open_zones=4 job_max_open_zones=2
rw=write bs=64k zonemode=zbd zonesize=1m size=8m direct=1 io_size=32m zone_reset_threshold=0.5 zone_reset_frequency=1
rw=read bs=64k zonemode=zbd zonesize=1m size=8m direct=1 read_beyond_wp=1
rw=write bs=4k size=256k fsync=3 fdatasync=5
rw=write bs=4k size=256k fsync=4 fdatasync=2 end_fsync=1
rw=read bs=4k size=1Mi number_ios=0 rate_iops=0
rw=read bs=$pagesize size=1m
rw=read bs=4k size=$ncpus*65536
rw=write bs=4k size=64k verify=pattern verify_pattern=0xff%o"abcd"-21%o
rw=read kb_base=1000 bs=4096 size=8mib nrfiles=1 openfiles=1 create_only=0
"""


def test_sequences_are_fios(folder):
    for options in SAME.strip().splitlines():
        fio, own = both(folder, options)
        first = next((i for i, pair in enumerate(zip(fio, own)) if pair[0] != pair[1]), min(len(fio), len(own)))
        check(fio == own, options, f"{len(fio)} and {len(own)} requests; from", first, fio[first:first + 4], own[first:first + 4])
    for options in ("rw=trim bs=64k size=1m", "rw=trimwrite bs=64k size=1m", "rw=trim bs=1m zonemode=zbd zonesize=1m size=8m direct=1"):
        fio, own = both(folder, options, "null")
        check(fio == own, options, fio[:4], own[:4])


def test_random_maps_cover_what_fios_do(folder):
    for options in ("bs=4k size=4m", "bs=12k size=1m", "bs=4k size=4m random_generator=lfsr", "bs=4k size=256k offset=3m loops=2"):
        fio, own = both(folder, "rw=randread " + options)
        check(sorted(fio) == sorted(own), options, len(fio), len(own))
    for options in ("bs=64k zonesize=1m", "bs=64k zonesize=1m zonecapacity=768k", "bs=64k zonesize=1m verify=crc32c"):
        fio, own = both(folder, f"rw=randwrite zonemode=zbd size=8m direct=1 {options}")
        check(sorted(fio) == sorted(own), options, len(fio), len(own))
    fio, own = both(folder, "rw=randread bs=12k size=1m random_generator=lfsr norandommap")
    check(sorted(fio) == sorted(own), len(fio), len(own))
    fio, own = both(folder, "rw=randwrite bs=4k size=1m loops=3 number_ios=100")
    check(len(fio) == len(own) == 300 and len(set(fio)) == len(set(own)) == 256, len(set(fio)), len(set(own)))
    fio, own = both(folder, "rw=randread bs=12k size=1m norandommap")
    check(len(fio) == len(own), len(fio), len(own))
    fio, own = both(folder, "rw=randread bs=4k filesize=2m size=1m")
    check(len(fio) == len(own) == len(set(own)) and max(fio)[1] > 1 << 20 < max(own)[1], len(fio), len(own))


def shares(log, direction):
    sizes = collections.Counter(length for action, _, length in log if action == direction)
    return {size: 100 * n / sum(sizes.values()) for size, n in sizes.items()}


def test_sizes_have_fios_shares(folder):
    cases = {
        "rw=randread bssplit=4k/50:8k/30:64k/20 size=32m norandommap": ["read"],
        "rw=randrw bssplit=4k/10:64k/50:32k/40,8k/100 size=32m norandommap": ["read", "write"],
        "rw=randread bssplit=4k/50:8k/ size=8m norandommap": ["read"],
        "rw=write bssplit=4k/50:64k/50 size=48m": ["write"],
        "rw=randread bsrange=4k-16k size=8m": ["read"],
    }
    for options, directions in cases.items():
        fio, own = both(folder, options)
        check(abs(len(fio) - len(own)) < 0.08 * len(fio), options, len(fio), len(own))
        check(sum(r[2] for r in own) >= sum(r[2] for r in fio) - 65536, options)
        for direction in directions:
            wanted, have = shares(fio, direction), shares(own, direction)
            check(set(wanted) == set(have), options, wanted, have)
            for size, share in wanted.items():
                check(abs(share - have[size]) < 7, options, size, share, have[size])


def test_mixes_have_fios_shares(folder):
    for options in ("rw=randrw rwmixread=70 bs=4k size=8m", "rw=rw rwmixwrite=20 bs=4k size=8m"):
        fio, own = both(folder, options)
        reads = [sum(r[0] == "read" for r in log) / len(log) for log in (fio, own)]
        check(len(fio) == len(own) and abs(reads[0] - reads[1]) < 0.05, options, len(fio), len(own), reads)
    for options in ("rate_iops=100,", "rate_iops=,100"):
        fio, own = both(folder, f"rw=randrw bs=4k size=1m {options}", "null")
        reads = [sum(r[0] == "read" for r in log) for log in (fio, own)]
        check(abs(reads[0] - reads[1]) < 12, options, reads)
    fio, own = both(folder, "rw=randread percentage_random=40 bs=4k size=16m norandommap")
    follow = [sum(b[1] == a[1] + a[2] for a, b in zip(log, log[1:])) / len(log) for log in (fio, own)]
    check(abs(follow[0] - follow[1]) < 0.05, follow)


LOGS = "write_lat_log=l write_bw_log=b write_iops_log=i write_hist_log=h log_hist_msec=20"


def test_logs_of_results_are_fios(folder):
    """The same files, with the same columns, for each of several jobs."""
    for options in ("", "log_offset=1", "log_prio=1 prio=2 prioclass=1", "log_offset=1 log_prio=1", "log_avg_msec=50", "per_job_logs=0",
                    "log_avg_msec=50 log_offset=1 log_prio=1 prio=2 prioclass=1", "log_hist_coarseness=4"):
        found = []
        for name in ("fio", "own"):
            place = pathlib.Path(folder, name + str(len(options)))
            place.mkdir()
            text = f"rw=randrw size=1m runtime=300ms time_based rate_iops=1000 iodepth=2 thread ioengine=null {LOGS} {options}".replace(" ", "\n")
            job = write_job(place, f"[global]\n{text}\n[a]\nnumjobs=2\n[b]\n")
            if name == "fio":
                program = shutil.which("fio")
                if not program:
                    raise Skip("no fio here")
                subprocess.run([program, job], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=LIMIT, cwd=place)
            else:
                run("run", *DRIVE, "--job", job, cwd=place, code=0)
            found.append({log.name: {(len(line.split(", ")), line.split(", ")[-1] if "hist" not in log.name else "")
                                     for line in log.read_text().splitlines()} for log in place.glob("*.log")})
        check(found[0] == found[1], options, found)


if __name__ == "__main__":
    sys.exit(main(globals()))

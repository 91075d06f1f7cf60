#!/usr/bin/env python3
"""Same input, same seed: the same bytes from every build. test_builds.py DRIVELAB OTHER... prints TAP.

Others are programs of the same sources by another compiler, or with other
options; those that aren't there, or are older than the newest source, are left
out. By hand:

    CC=clang meson setup build-clang -Dbuildtype=debug && ninja -C build-clang drivelab
    tests/cli/test_builds.py build/drivelab build-clang/drivelab
"""
import hashlib
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = TOP / "examples/traces/sqlite-ext4.trace.gz"
LIMIT = 300

READERS = "[global]\nrw=read\nbs=64k\nruntime=2\n[a]\n[b]\noffset=50%\n[c]\nrw=randwrite\nbs=4k\nioengine=libaio\niodepth=4\nprio=7\n"
BUFFERED = "[a]\nrw=randwrite\nbuffered=1\nsize=64m\ndirty_memory=8m\nnumber_ios=2k\nfsync=50\n[b]\nrw=randread\nsize=1g\nnumber_ios=300\n"
SHAPES = "".join(f"[{name}]\nrw=randrw\nrwmixread=60\nbs=4k\niodepth=8\nio_size=8m\nrandom_distribution={name}\nstonewall\n"
                 for name in ("zipf:1.1", "pareto:0.3", "normal:15", "zoned:60/10:30/20:10/70"))
PACED = ("[p]\nrw=randrw\nbssplit=4k/60:8k/40,64k\nrate_iops=9000,4000\nrate_process=poisson\nnumber_ios=4k\niodepth=16\nthinktime=50\n"
         "thinktime_blocks=100\n[l]\nrw=randread\niodepth=64\nlatency_target=300us\nlatency_window=5ms\nlatency_percentile=95\nruntime=200ms\n")
FULL = "[w]\nrw=randwrite\nbs=4k\niodepth=32\nnorandommap\nio_size=48m\nwrite_lat_log=log\nlog_avg_msec=5\nwrite_bw_log\nwrite_hist_log\nlog_hist_msec=9\n"
HOT = FULL + "random_distribution=zoned:80/20:20/80\n"
ZONES = ("[w]\nrw=randwrite\nbs=64k\niodepth=4\nzonemode=zbd\nsize=8z\nio_size=64m\nmax_open_zones=4\n"
         "[r]\nstonewall\nrw=randread\nbs=4k\niodepth=16\nzonemode=zbd\nsize=8z\nnumber_ios=2k\n")
APPENDS = "[w]\nrw=write\nbs=16k\niodepth=8\nzonemode=zbd\nwrite_mode=zone_append\nsize=4z\nnumber_ios=1k\nverify=crc32c\n"
SMALL = ["-o", "drive.capacity=256MiB", "-o", "ssd.precondition=random"]
TRACE = ["--trace", SAMPLE, "--trace-requests", 4000]

RUNS = {
    **{f"hdd behind {name}": (["hdd-7200", "--scheduler", name], READERS)
       for name in ("cfq", "bfq", "as", "deadline", "mq-deadline", "kyber", "noop")},
    "hdd": (["ide-2004"], READERS),
    "hdd, buffered writes": (["hdd-7200", "--scheduler", "cfq"], BUFFERED),
    "trace on a hdd": (["hp-97560", *TRACE, "--trace-fit", "scale"], None),
    "trace on an ssd": (["tlc", *TRACE], None),
    "trace at a depth": (["qlc", "-o", "drive.capacity=1GiB", *TRACE, "--trace-pace", "depth:16", "--trace-fit", "scale"], None),
    "trace on mqsim": (["mqsim", *TRACE, "--trace-pace", "scaled:0.5"], None),
    "distributions": (["tlc"], SHAPES),
    "paces": (["tlc", *SMALL], PACED),
    "garbage collection": (["tlc", *SMALL], FULL),
    "streams": (["tlc", *SMALL, "-o", "ssd.streams=2", "-o", "ssd.gc_policy=dchoices"], HOT),
    "written to a steady state": (["femu-blackbox", "-o", "drive.capacity=64MiB", "-o", "nand.blocks=16", "--precondition", "steady"], FULL),
    "zones": (["zns-small"], ZONES),
    "zone appends": (["zns-small"], APPENDS),
    "shingled disk": (["smr-hm"], "[w]\nrw=write\nbs=256k\nzonemode=zbd\nsize=2z\nnumber_ios=400\n[r]\nrw=randread\nsize=2g\nnumber_ios=100\n"),
    "samsung-980pro": (["samsung-980pro"], "[r]\nrw=randread\niodepth=32\nsize=1g\nnumber_ios=20k\n"),
}


def results(program, args, job):
    """Hash of everything a run writes."""
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        if job:
            (here / "job.fio").write_text(job)
            args = [*args, "--job", "job.fio"]
        done = subprocess.run([program, "run", *map(str, args), "--seed", "7", "--reproducible", "--detail", "--json", "r.json", "--timeline",
                               "t.json", "--timeline-events", "20000"], cwd=here, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
        hashes = {"exit code": done.returncode, "text": hashlib.sha256(done.stdout).hexdigest(), "messages": done.stderr}
        for path in sorted(here.iterdir()):
            hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return hashes


def is_current(program):
    sources = max(path.stat().st_mtime for path in TOP.glob("src/**/*.[ch]"))
    return program.exists() and program.stat().st_mtime >= sources


def main(own, others):
    others = [other for other in others if other != own and is_current(other)]
    if not others:
        print("1..0 # SKIP there is no other build of these sources")
        return 0
    print(f"1..{len(RUNS)}")
    failed = 0
    for number, (name, (args, job)) in enumerate(RUNS.items(), 1):
        wanted = results(own, args, job)
        wrong = [(other, key) for other in others for found in [results(other, args, job)] for key in wanted.keys() | found.keys()
                 if wanted.get(key) != found.get(key)]
        if wanted["exit code"] not in (0, 1) or "r.json" not in wanted:
            wrong.append((own, wanted))
        for other, key in wrong:
            print(f"# {other}: {key}")
        print(f"{'not ' if wrong else ''}ok {number} - {name}", flush=True)
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), [pathlib.Path(path).resolve() for path in sys.argv[2:]]))

#!/usr/bin/env python3
"""What `drivelab run` measures and shows. test_results.py DRIVELAB [NAME...] prints TAP."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from test_cli import FAST, LIMIT, Skip, check, main, run, write_job  # noqa: E402

# ---- where the time went ----

BLOCK = "[a]\nrw=randrw\nbs=4k\niodepth=8\nsize=64m\nnumber_ios=600\nfsync=20\n[b]\nrw=randtrim\nnumber_ios=50\nsize=64m\n"
ZONES = ("[a]\nrw=write\nbs=128k\niodepth=4\nzonemode=zbd\nsize=1z\nfsync=100\nloops=2\n"
         "[b]\nstonewall\nrw=randread\nbs=4k\niodepth=4\nzonemode=zbd\nsize=2z\nnumber_ios=600\n")


def test_time_is_accounted_for_on_every_kind_of_drive(folder):
    """Each stage is of a request's time, together they are all of it; text shows the same as JSON."""
    cases = {
        "nossd": (BLOCK, FAST, {"read": {"firmware"}, "write": {"firmware"}, "flush": set(), "trim": set()}),
        "hdd-7200": (BLOCK, [], {"read": {"seek", "rotation", "transfer", "arm_wait"}, "write": {"link"},
                                 "flush": {"write_back"}, "trim": {"firmware"}}),
        "tlc": (BLOCK, [], {"read": {"link"}, "write": {"link"}, "flush": {"write_back"}, "trim": {"firmware"}}),
        "zns-small": (ZONES, [], {"read": {"array", "die_wait"}, "write": {"buffer_wait", "link"}, "flush": {"firmware"},
                                  "zone_reset": {"firmware"}}),
    }
    for drive, (job, options, wanted) in cases.items():
        args = ["run", drive, *options, "--job", write_job(folder, job), "--detail", "--reproducible"]
        stages = json.loads(run(*args, "--json", "-", code=0).stdout)["drivelab"]["detail"]["latency_by_stage"]
        check(set(stages) == set(wanted), drive, sorted(stages))
        for kind, names in wanted.items():
            for part in stages[kind].values():
                check("other" not in part["stages_ns"] and min(part["stages_ns"].values(), default=0) >= 0, drive, kind, part)
                check(abs(sum(part["stages_ns"].values()) - part["latency_ns"]) < 1, drive, kind, part)
            check(names <= set(stages[kind]["mean"]["stages_ns"]), drive, kind, stages[kind]["mean"])
        text = run(*args, code=0).stdout
        check("\nWhere the time went:" in text, text)
        for kind in wanted:
            check(re.search(rf"^  {kind} +[\d.]+ \w+ +[\d.]+ \w+$", text, re.M), kind, text)


# ---- text ----

def test_text_ends_with_groups_and_a_total(folder):
    job = write_job(folder, "[global]\nbs=4k\nnumber_ios=100\n[a]\nrw=read\n[b]\nrw=read\nbs=8k\n[c]\nstonewall\nrw=write\n")
    text = run("run", "nossd", *FAST, "--job", job, code=0).stdout
    first, second = re.findall(r"^Run status group (\d) \(all jobs\):\n((?: .*\n)+)", text, re.M)
    check(first[0] == "0" and second[0] == "1", text)
    check(re.fullmatch(r"   READ: bw=1.14GiB/s \(1.23GB/s\), 391MiB/s-781MiB/s \(410MB/s-819MB/s\), io=1.17MiB \(1.23MB\), run=1-1msec\n",
                       first[1]), first)
    check(re.match(r"  WRITE: bw=391MiB/s ", second[1]) and second[1].count("\n") == 1, second)
    check(re.search(r"^Total:\n +read: 200 I/Os, IOPS=100k, BW=614 MB/s, lat avg=10 us, .*\n +write: 100 I/Os, ", text, re.M), text)


# ---- fio's JSON ----

FIO = """[global]
ioengine=null
size=4m
bs=4k
[a]
rw=randrw
iodepth=4
[b]
stonewall
rw=write
numjobs=2
group_reporting
fsync=16
[c]
stonewall
rw=randread
latency_target=1ms
latency_window=100ms
runtime=500ms
time_based
rate_iops=5000
[d]
stonewall
rw=read
steadystate=iops:50%
ss_dur=2
time_based
runtime=3
rate_iops=1000
[e]
stonewall
rw=randtrim
"""


def keys_missing(wanted, have, at=""):
    """Keys of nested objects that are missing or have a value of another type."""
    if isinstance(wanted, dict):
        if not isinstance(have, dict):
            return [at]
        if at.endswith("/bins"):
            return [] if have and all(key.isdigit() and isinstance(n, int) for key, n in have.items()) else [at]
        return [missing for key, value in wanted.items() for missing in
                (keys_missing(value, have[key], f"{at}/{key}") if key in have else [f"{at}/{key}"])]
    if isinstance(wanted, list):
        if not isinstance(have, list) or len(have) != len(wanted):
            return [at]
        return [missing for i, pair in enumerate(zip(wanted, have)) for missing in keys_missing(*pair, f"{at}[{i}]")]
    return [] if type(wanted) is type(have) else [f"{at}: {wanted!r} is {have!r}"]


def test_json_has_all_that_the_real_fio_writes(folder):
    fio = shutil.which("fio")
    if not fio:
        raise Skip("no fio here")
    job = write_job(folder, FIO)
    for form, more in (("json", []), ("json+", ["--detail"])):
        real = subprocess.run([fio, "--output-format=" + form, job], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT, cwd=folder)
        check(real.returncode == 0, real.stderr)
        wanted = json.loads(real.stdout[real.stdout.index("{"):])
        have = json.loads(run("run", "nossd", *FAST, "--job", job, "--json", "-", *more, code=0).stdout)
        check(not keys_missing(wanted, have), form, keys_missing(wanted, have))
        check(have["global options"] == wanted["global options"], have["global options"])
        for one, other in zip(wanted["jobs"], have["jobs"]):
            check(one["job options"].items() <= other["job options"].items(), one["job options"], other["job options"])
            for key in ("latency_target", "latency_window", "latency_percentile", "groupid", "jobname"):
                check(one[key] == other[key], key, one[key], other[key])


def test_fios_own_script_reads_the_json(folder):
    script = shutil.which("fio_jsonplus_clat2csv")
    if not script:
        raise Skip("no fio_jsonplus_clat2csv here")
    path, csv = pathlib.Path(folder, "x.json"), pathlib.Path(folder, "x.csv")
    run("run", "nossd", *FAST, "--job", write_job(folder, FIO), "--detail", "--json", path, code=0)
    for more in ([], ["--validate"]):
        done = subprocess.run([script, path, csv, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        if "ModuleNotFoundError" in done.stderr:
            raise Skip(done.stderr.splitlines()[-1])
        check(done.returncode == 0 and "mismatch" not in done.stdout, done.stdout, done.stderr)
    last = pathlib.Path(folder, "x_job0.csv").read_text().splitlines()[-1].split(", ")
    check("1.0" in last, last)


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
"""What `drivelab run` measures and shows. test_results.py DRIVELAB [NAME...] prints TAP."""
import json
import re
import sys

sys.dont_write_bytecode = True
from test_cli import FAST, check, main, run, write_job  # noqa: E402

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


if __name__ == "__main__":
    sys.exit(main(globals()))

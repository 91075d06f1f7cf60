#!/usr/bin/env python3
"""`drivelab run`: jobs of every kind, and what they give. test_run.py DRIVELAB [NAME...] prints TAP."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import FAST, LIMIT, PROGRAM, Skip, check, drives, main, refused, run, work_for, write_job  # noqa: E402

MIX = "[mix]\nrw=randrw\nrwmixread=60\niodepth=8\nsize=8m\n"


def test_run_reports_in_text_and_json(folder):
    job, out = write_job(folder, MIX), pathlib.Path(folder, "out.json")
    text = run("run", "nossd", *FAST, "--job", job, "--json", out, code=0).stdout
    check(re.search(r"^mix: \(groupid=0, jobs=1\): err= 0$", text, re.M), text)
    check(re.search(r"^  read: IOPS=", text, re.M) and re.search(r"^  write: IOPS=", text, re.M), text)
    result = json.loads(out.read_text())
    one = result["jobs"][0]
    check(one["read"]["total_ios"] + one["write"]["total_ios"] == 2048 == result["drivelab"]["ios"])
    check(one["read"]["clat_ns"]["percentile"]["99.000000"] == 10000)
    check(result["drivelab"]["simulated_ns"] == 2048 // 8 * 10000)
    check(result["drivelab"]["drive"] == "nossd" and result["drivelab"]["seed"] == 1)
    only = run("run", "nossd", *FAST, "--job", job, "--json", "-", code=0)
    check(json.loads(only.stdout)["jobs"][0]["read"]["total_ios"] == one["read"]["total_ios"])
    check(only.stderr == "", only.stderr)


def test_run_is_reproducible_to_the_byte(folder):
    job = write_job(folder, MIX)
    names = [name for name in ("nossd", "tlc", "femu-blackbox") if name in drives()]
    for name in names:
        args = ["run", name, *(FAST if name == "nossd" else []), "--job", job, "--json", "-", "--reproducible"]
        first = run(*args, code=0).stdout
        check(first == run(*args, code=0).stdout, name, "differs from run to run")
        other = json.loads(run(*args, "--seed", 2, code=0).stdout)
        check(other["jobs"][0]["read"]["total_ios"] != json.loads(first)["jobs"][0]["read"]["total_ios"], name)
        check("wall" not in first and "timestamp" not in first)
        text = [a for a in args if a not in ("--json", "-")]
        check(run(*text, code=0).stdout == run(*text, code=0).stdout, name, "text differs from run to run")


def test_run_seeds_the_drive_too(folder):
    job = write_job(folder, MIX)
    args = ["run", "nossd", *FAST, "--job", job, "--json", "-", "--reproducible", "--seed", 5]
    check(json.loads(run(*args, code=0).stdout)["drivelab"]["options"]["drive"]["seed"] == 5)
    own = json.loads(run(*args, "-o", "drive.seed=9", code=0).stdout)["drivelab"]
    check(own["options"]["drive"]["seed"] == 9 and own["seed"] == 5, own["options"]["drive"])
    full = run("run", "nossd", "--job", job, *["-o", "drive.seed=1"] * 63, "-o", "drive.capacity=1MiB", code=2)
    check("beyond the drive's 1048576 bytes" in full.stderr, full.stderr)


def test_run_refuses_bad_jobs_by_line(folder):
    for text, pattern in [
            ("[a]\nrw=sideways\n", r"j\.fio:2: rw=sideways.*randread"),
            ("[a]\nrw=read\nverfy=crc32c\n", r'j\.fio:3: option "verfy" is not supported \(did you mean verify\?\); supported: name,'),
            ("[a]\nbs=4k\niodepth=0\n", r"j\.fio:3: iodepth=0: a number from 1"),
            ("[a]\nbs=1000\n", r"j\.fio:2: bs=1000.*512"),
            ("[a]\nrwmixread=101\n", r"j\.fio:2: rwmixread=101: .*0 to 100"),
            ("[a]\nnumjobs=0\n", r"j\.fio:2: numjobs=0"),
            ("[a]\nruntime=later\n", r"j\.fio:2: runtime=later"),
            ("[a]\ntime_based=maybe\n", r"j\.fio:2: time_based=maybe: 0 or 1"),
            ("[a]\ntime_based\n", r'job "a": time_based needs a runtime'),
            ("[a]\nsize=101%\n", r"j\.fio:2: size=101%"),
            ("[a]\nsize=99999999999999999999\n", r"j\.fio:2: size="),
            ("[a]\nsize=1g\n", r'j\.fio: job "a": .*1073741824 is beyond the drive\'s 67108864 bytes'),
            ("[a]\noffset=64m\n", r'job "a": offset 67108864 is beyond'),
            ("[a]\nsize=512\n", r'job "a": size 512 is smaller than one block'),
            ("[a]\nnumjobs=16384\n[b]\n", r"more than 16384 jobs"),
            ("rw=read\n", r"j\.fio:1: option before the first \[section\]"),
            ("[a\n", r"j\.fio:1: section header"),
            ("[]\n", r"j\.fio:1: section header"),
            ("[global]\nrw=read\n", r"no job section"),
            ("", r"no job section"),
            ("[a]\nrw=" + "x" * 9000 + "\n", r"j\.fio:2: line is longer")]:
        write_job(folder, text, "j.fio")
        refused(pattern, "run", "nossd", *FAST, "--job", "j.fio", cwd=folder)
    refused(r"none\.fio: No such file", "run", "nossd", "--job", "none.fio", cwd=folder)
    refused(r"is it a directory", "run", "nossd", "--job", folder)
    pathlib.Path(folder, "binary").write_bytes(bytes(range(256)) * 16)
    refused(r"binary:1", "run", "nossd", "--job", "binary", cwd=folder)


def test_run_takes_what_fio_users_write(folder):
    job = write_job(folder, "; fio\n[global]\nioengine=libaio\ndirect=1\nfilename=/dev/nvme0n1\nsize=1m\n"
                            "[a]\nrw=randread\n[b]\nrw=trim\nbs=64k\n")
    done = run("run", "nossd", *FAST, "--job", job, "--json", "-", code=0)
    check(re.fullmatch(r"drivelab: note: .*ioengine filename ?\n", done.stderr), done.stderr)
    jobs = json.loads(done.stdout)["jobs"]
    check([j["jobname"] for j in jobs] == ["a", "b"] and jobs[1]["trim"]["total_ios"] == 16)


EVERYTHING = """[global]
size=8m
group_reporting
[zipf]
rw=randrw
rwmixread=60
iodepth=8
random_distribution=zipf:1.1
bssplit=4k/60:8k/30:64k/10
numjobs=2
fsync=32
[pareto]
stonewall
rw=randwrite
random_distribution=pareto:0.2:0.5
rate_iops=20000
rate_process=poisson
iodepth=16
[normal]
rw=randread
random_distribution=normal:10
thinktime=50
loops=2
[lfsr]
stonewall
rw=randtrimwrite
offset=16m
random_generator=lfsr
verify=crc32c
[zones]
rw=randrw
zonemode=zbd
zonesize=1m
max_open_zones=3
percentage_random=70
"""


def test_run_with_all_kinds_of_jobs_is_reproducible(folder):
    job = write_job(folder, EVERYTHING)
    for name in ("nossd", "tlc", "zns-small"):
        if name not in drives():
            continue
        text = EVERYTHING if name != "zns-small" else "[a]\nrw=randwrite\nzonemode=zbd\nbs=64k\nio_size=16m\nsize=8z\n"
        write_job(folder, text)
        args = ["run", name, *(FAST if name == "nossd" else []), "--job", job, "--json", "-", "--reproducible"]
        first = run(*args, code=0)
        check(first.stdout == run(*args, code=0).stdout, name, "differs from run to run")
        check(all(j["error"] == 0 for j in json.loads(first.stdout)["jobs"]), name)


def test_run_reads_included_files(folder):
    write_job(folder, "bs=8k\ninclude sub/two.fio\n", "one.fio")
    pathlib.Path(folder, "sub").mkdir()
    write_job(folder, "iodepth=4\n", "sub/two.fio")
    job = write_job(folder, "[a]\nrw=read\nsize=1m\ninclude one.fio\n")
    options = json.loads(run("run", "nossd", *FAST, "--job", job, "--json", "-", code=0).stdout)["jobs"][0]["job options"]
    check(options["bs"] == "8k" and options["iodepth"] == "4", options)
    write_job(folder, "include job.fio\n", "sub/two.fio")
    write_job(folder, "\ninclude sub/two.fio\n", "one.fio")
    refused(r"sub/two\.fio:1: include job\.fio: it includes itself: job\.fio includes one\.fio includes sub/two\.fio "
            r"includes job\.fio$", "run", "nossd", "--job", "job.fio", cwd=folder)
    write_job(folder, "[b]\ninclude nowhere.fio\n", "one.fio")
    refused(r"one\.fio:2: nowhere\.fio: No such file", "run", "nossd", "--job", "one.fio", cwd=folder)


def test_run_overrides_options_of_jobs(folder):
    job = write_job(folder, "[a]\nrw=read\nsize=1m\niodepth=2\n[b]\nrw=read\nsize=1m\n")
    done = json.loads(run("run", "nossd", *FAST, "--job", job, "--set", "iodepth=7", "--set", "number_ios=10", "--json", "-",
                          code=0).stdout)
    for one in done["jobs"]:
        check(one["job options"]["iodepth"] == "7" and one["read"]["total_ios"] == 10, one["job options"])
    refused(r"--set: iodepth=0: a number from 1 to 65536", "run", "nossd", "--job", job, "--set", "iodepth=0")
    refused(r'--set: option "iodeth" is not supported \(did you mean iodepth\?\)', "run", "nossd", "--job", job, "--set",
            "iodeth=4")


def test_run_notes_what_only_a_scheduler_sees(folder):
    job = write_job(folder, "[a]\nrw=read\nsize=64k\nprio=3\ncgroup_weight=100\n")
    done = run("run", "nossd", *FAST, "--job", job, code=0)
    check(re.fullmatch(r"drivelab: note: .*without an I/O scheduler of no effect: prio cgroup_weight ?\n", done.stderr),
          done.stderr)


def test_run_compares_schedulers_that_fit_the_drive(folder):
    job = write_job(folder, "[a]\nrw=randread\nnumber_ios=20\n")
    done = run("run", "smr-hm", "--scheduler", "all", "--job", job, code=0)
    check(re.fullmatch(r"drivelab: note: smr-hm: left out, as they may reorder the writes of a zone: noop deadline cfq as "
                       r"kyber bfq\n", done.stderr), done.stderr)
    check([line.split()[0] for line in done.stdout.splitlines()[1:]] == ["mq-deadline", "none"], done.stdout)
    done = run("run", "--compare", "smr-hm,hdd-7200", "--scheduler", "all", "--job", job, "--json", "-", code=0)
    check(done.stderr.count("\n") == 1, done.stderr)
    points = [(p["drive"], p["options"]["queue.scheduler"]) for p in json.loads(done.stdout)]
    check(points[:3] == [("smr-hm", "mq-deadline"), ("smr-hm", "none"), ("hdd-7200", "noop")] and len(points) == 10, points)
    refused(r"for zoned drives there are: mq-deadline none", "run", "smr-hm", "--scheduler", "cfq", "--job", job)


def test_run_says_what_is_wrong_with_a_queue_or_a_disk(folder):
    """Bad input is named, with what is allowed; a clamped value is said and used."""
    job = write_job(folder, "[a]\nrw=randread\nnumber_ios=20\n")

    def disk(pattern, *options):
        refused(pattern, "run", "hdd-7200", *[w for o in options for w in ("-o", o)], "--job", job)

    def queue(pattern, scheduler):
        refused(pattern, "run", "hdd-7200", "--scheduler", scheduler, "--job", job)

    disk(r'"0-49:300:10:10" starts at cylinder 0, but the zone before ends at 100: zones must be sorted',
         "hdd.zones=50-100:200:10:10,0-49:300:10:10")
    disk(r"the curve decreases from 2000000 ns at 1 cylinders to 1000000 ns at 10", "hdd.seek_points=1:2ms,10:1ms,100:3ms")
    disk(r"none negative", "hdd.seek_points=", "hdd.seek_formula=1,-1,100,3,0.1")
    queue(r'unknown scheduler "elevator"; there are: noop deadline cfq as mq-deadline kyber bfq none', "elevator")
    queue(r'cfq has no tunable "slice"; there are: quantum', "cfq,slice=1")
    queue(r"-1; allowed are 0 to", "kyber,read_lat_nsec=-1")
    done = run("run", "hdd-7200", "--scheduler", "cfq,slice_idle=-1,quantum=0", "--job", job, code=0)
    check("slice_idle of cfq: -1 is outside 0 to 4294967295; 0 is set; quantum of cfq: 0 is outside 1" in done.stderr, done.stderr)
    refused(r"--scheduler all: a served drive has one scheduler at a time", "serve", "hdd-7200", "--scheduler", "all")
    for weight, version, pattern in ((0, 1, "from 10 to 1000, with queue.cgroup_version=2 from 1 to 10000"),
                                     (5, 1, 'weight of cgroup "g": 5; allowed are 10 to 1000'), (5, 2, None), (1001, 2, None),
                                     (10001, 2, "from 1 to 10000")):
        args = ("run", "nossd", *FAST, "--scheduler", "bfq", "-o", f"queue.cgroup_version={version}", "--job",
                write_job(folder, f"[a]\nrw=read\nsize=64k\ncgroup=g\ncgroup_weight={weight}\n"))
        refused(pattern, *args) if pattern else run(*args, code=0)


def test_run_many_processes_and_cgroups(folder):
    groups = "".join(f"[p{n}]\ncgroup=g{n}\ncgroup_weight={10 + n}\n" for n in range(60))
    job = write_job(folder, "[global]\nrw=randread\nnumber_ios=2\nnumjobs=20\n" + groups)
    done = json.loads(run("run", "nossd", *FAST, "--scheduler", "cfq", "--job", job, "--json", "-", code=0).stdout)
    check(len(done["jobs"]) == 1200 and all(j["read"]["total_ios"] == 2 for j in done["jobs"]))
    check(len(done["drivelab"]["scheduler"]["cgroups"]) == 61)


def test_run_limits_cgroups_and_writeback(folder):
    job = write_job(folder, "[global]\nrw=randread\nbs=4k\nruntime=5\niodepth=4\n[a]\ncgroup=a\ncgroup_io_max=rbps=1M\n"
                    "[b]\ncgroup=b\ncgroup_io_max=riops=100 rbps=max\n")
    done = json.loads(run("run", "nossd", *FAST, "--scheduler", "none", "--job", job, "--json", "-", code=0).stdout)
    a, b = (j["read"] for j in done["jobs"])
    check(a["bw_bytes"] <= 1.05 * (1 << 20) and 95 <= b["iops"] <= 105, a["bw_bytes"], b["iops"])
    limits = {g["path"]: g.get("limits") for g in done["drivelab"]["scheduler"]["cgroups"]}
    check(limits[""] is None and limits["b"]["read_held"] > 100 and limits["b"]["read_waiting"] == 0, limits)
    refused(r'job a: io.max: "iops=5"; allowed are rbps=', "run", "nossd", *FAST, "--scheduler", "cfq", "--job",
            write_job(folder, "[a]\nrw=read\nsize=64k\ncgroup_io_max=iops=5\n"))
    job = write_job(folder, "[global]\nruntime=8\n[w]\nrw=write\nbs=64k\nbuffered=1\nsize=8g\n[r]\nrw=randread\noffset=100g\n")
    iops = [json.loads(run("run", "hdd-7200", "-o", "hdd.write_cache=no", "--scheduler", "mq-deadline", "-o",
                           f"queue.wbt_lat_usec={lat}", "--job", job, "--json", "-", code=0).stdout)["jobs"][1]["read"]["iops"]
            for lat in (0, -1)]
    check(iops[1] > 4 * iops[0], "reads beside writeback:", iops)


def beside_buffered_writes(job, scheduler):
    """Bytes a direct reader got, and the statistics of the queue."""
    done = json.loads(run("run", "ide-2004", "--job", job, *(["--scheduler", scheduler] if scheduler else []), "--json", "-",
                          code=0).stdout)
    return done["jobs"][0]["read"]["io_bytes"], done["drivelab"].get("scheduler")


def test_run_buffered_writes_are_async(folder):
    reader = "[global]\ntime_based\nruntime=6\nsize=1g\n[reader]\nrw=read\nbs=128k\n"
    writer = "[writer]\nrw=write\nbs=64k\noffset=20g\nbuffered=1\ndirty_memory=256m\ncgroup=w\n"
    alone, _ = beside_buffered_writes(write_job(folder, reader, "alone.fio"), "cfq")
    job = write_job(folder, reader + writer)
    cfq, queue = beside_buffered_writes(job, "cfq")
    root = queue["statistics"]["groups"]["/"]["io_serviced"]
    check(root["Async"] > 20 and root["Async"] == root["Write"] and root["Sync"] == root["Read"], root)
    process = {p["name"]: p for p in queue["processes"]}
    check(process["writer"]["write"]["ios"] == 0 and process["writeback"]["write"]["ios"] == root["Write"], process)
    check(process["writeback"]["cgroup"] == "", process)  # version 1 doesn't know whose data it is
    check(cfq > 0.5 * alone, cfq, alone)
    anticipatory, _ = beside_buffered_writes(job, "as")
    check(anticipatory > 0.5 * alone, anticipatory, alone)
    deadline, _ = beside_buffered_writes(job, "deadline")
    check(deadline < 0.2 * alone, deadline, alone)
    # Without buffered=1 they are the writer's own, and sync; without a scheduler they go to the drive in the background.
    _, queue = beside_buffered_writes(write_job(folder, reader + writer.replace("buffered=1", "direct=1"), "direct.fio"),
                                      "cfq")
    check(queue["statistics"]["groups"]["/w"]["io_serviced"]["Async"] == 0, queue["statistics"]["groups"])
    beside_buffered_writes(job, None)
    job = write_job(folder, "[a]\nrw=randwrite\nbuffered=1\nsize=8m\ndirty_memory=1m\nnumber_ios=1k\n", "cache.fio")
    done = json.loads(run("run", "hdd-7200", "--job", job, "--json", "-", code=0).stdout)
    cache = done["drivelab"]["page_cache"]
    check(cache["written_bytes"] + cache["dirty_bytes"] == 4 << 20 and cache["throttled"] > 0 and cache["throttled_ns"] > 0, cache)
    check(0 < cache["writes"] < 1024 and cache["most_bytes"] <= 1 << 20 and cache["read_hits"] == 0, cache)
    check("\nPage cache: written_bytes" in run("run", "hdd-7200", "--job", job, code=0).stdout)


def test_run_buffered_refuses_payload(folder):
    job = write_job(folder, "[a]\nrw=write\nbuffered=1\nverify=crc32c\n")
    refused(r'line 3: job "a": buffered=1: the page cache keeps no payload for verify; allowed with it: buffered=0',
            "run", "nossd", "--job", job)


def test_run_verifies_payload(folder):
    job = write_job(folder, "[a]\nrw=randwrite\nsize=4m\nverify=crc32c\niodepth=8\n")
    for name in ("nossd", "tlc"):
        if name in drives():
            one = json.loads(run("run", name, "--job", job, "--json", "-", code=0).stdout)["jobs"][0]
            check(one["drivelab_verified"] == 1024 == one["read"]["total_ios"], name, one)
    job = write_job(folder, "[a]\nrw=read\nsize=4m\nverify=crc32c\n")
    done = run("run", "nossd", "--job", job, code=1)
    check("no header in the block at 0" in done.stdout, done.stdout)


def test_run_logs_and_replays(folder):
    job = write_job(folder, "[a]\nrw=randrw\nsize=1m\nthinktime=100\nwrite_iolog=a.log\n")
    run("run", "nossd", *FAST, "--job", job, cwd=folder, code=0)
    log = pathlib.Path(folder, "a.log").read_text()
    check(log.startswith("fio version 3 iolog\n0 drive add\n0 drive open\n0 drive "), log[:200])
    check(len(re.findall(r"^\d+ drive (?:read|write) \d+ 4096$", log, re.M)) == 256)
    write_job(folder, "[a]\nread_iolog=a.log\n", "replay.fio")
    done = json.loads(run("run", "nossd", *FAST, "--job", "replay.fio", "--json", "-", cwd=folder, code=0).stdout)
    check(done["drivelab"]["ios"] == 256 and done["drivelab"]["simulated_ns"] > 255 * 100000)
    pathlib.Path(folder, "a.log").write_text(log.replace("drive read", "drive raed", 1))
    refused(r"a\.log:\d+: .*raed", "run", "nossd", *FAST, "--job", "replay.fio", cwd=folder)
    write_job(folder, "[a]\nread_iolog=none.log\n", "replay.fio")
    refused(r"none\.log: No such file", "run", "nossd", "--job", "replay.fio", cwd=folder)
    write_job(folder, "[a]\nrw=read\nwrite_iolog=no/where\n", "bad.fio")
    refused(r"write_iolog=.*no/where", "run", "nossd", "--job", "bad.fio", cwd=folder)


def test_run_preconditions_to_steady_state(folder):
    if "femu-blackbox" not in drives():
        raise Skip("there is no drive femu-blackbox")
    job = write_job(folder, "[a]\nrw=randwrite\niodepth=32\nsize=100%\nnumber_ios=20k\nnorandommap\n")
    args = ["run", "femu-blackbox", "-o", "drive.capacity=256MiB", "-o", "nand.blocks=16", "--precondition", "steady", "--job",
            job, "--json", "-", "--reproducible"]
    first = run(*args, code=0).stdout
    found = json.loads(first)["drivelab"]["precondition"]
    check(found["steady"] and 5 <= found["rounds"] <= 25 and len(found["round_iops"]) == found["rounds"], found)
    check(found["excursion_percent"] <= 20 and found["slope_percent"] <= 10, found)
    check(json.loads(first)["drivelab"]["ios"] == 20 << 10)
    check(first == run(*args, code=0).stdout)
    done = run("run", "nossd", "--job", job, "--precondition", "twice", code=2)
    check("--precondition twice: none or steady" in done.stderr, done.stderr)


def test_run_interrupted_prints_what_it_has(folder):
    job = write_job(folder, "[a]\nrw=randread\ntime_based\nruntime=30d\n")
    process = subprocess.Popen([PROGRAM, "run", "nossd", *FAST, "--job", job, "--json", "-"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    work_for(process, 0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    check(process.returncode == 1 and err.startswith("drivelab: interrupted: "), process.returncode, err)
    check(json.loads(out)["jobs"][0]["read"]["total_ios"] > 1000)


def test_run_shows_progress_on_a_terminal(folder):
    job = write_job(folder, "[a]\nrw=randread\ntime_based\nruntime=30d\n")
    ours, theirs = os.openpty()
    process = subprocess.Popen([PROGRAM, "run", "nossd", *FAST, "--job", job], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"wall time" not in seen:
        seen += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    process.wait(LIMIT)
    os.close(ours)
    check(re.search(rb"\rrunning: .* simulated, .* I/Os, .* of wall time", seen), seen)


def test_job_options_are_documented(_):
    text = run("run", "--job-options", code=0).stdout
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "job-files.md").read_text()
    check(page.endswith("## Options\n\n" + text), "docs/job-files.md is not what drivelab run --job-options prints")


def test_run_that_fails_ends_with_1(folder):
    job = write_job(folder, "[a]\nrw=randread\nruntime=1\ntime_based\n")
    done = run("run", "nossd", "--job", job, "-o", "nossd.read_latency=0", code=1)
    check("err= 5" in done.stdout and "took no time" in done.stdout, done.stdout)


def test_run_says_when_output_cannot_be_written(folder):
    job = write_job(folder, MIX)
    done = run("run", "nossd", *FAST, "--job", job, "--json", "/nonexistent/x", code=2)
    check("--json /nonexistent/x: No such file" in done.stderr, done.stderr)
    if os.path.exists("/dev/full"):
        done = run("run", "nossd", *FAST, "--job", job, "--json", "/dev/full", code=1)
        check("--json /dev/full: " in done.stderr, done.stderr)


def test_run_knows_at_once_where_it_cannot_write(folder):
    forever = write_job(folder, "[a]\nrw=randread\nruntime=100h\ntime_based\nsize=1m\n")
    for path, why in (("/nonexistent/x", "No such file"), (folder, "Is a directory"), ("", "No such file")):
        done = run("run", "nossd", *FAST, "--job", forever, "--json", path, code=2)
        check("--json %s: %s" % (path, why) in done.stderr, done.stderr)


def test_run_replaces_results_by_whole_ones_only(folder):
    place = pathlib.Path(folder, "results")
    place.mkdir()
    out, link = place / "out.json", place / "link.json"
    out.write_text("precious")
    out.chmod(0o640)
    link.symlink_to(out)
    run("run", "nossd", *FAST, "--job", write_job(folder, "[a]\nrw=nonsense\n"), "--json", out, code=2)
    check(out.read_text() == "precious", out.read_text())
    run("run", "nossd", *FAST, "--job", write_job(folder, MIX), "--json", link, code=0)
    check(link.is_symlink() and "jobs" in json.loads(out.read_text()))
    check(out.stat().st_mode & 0o777 == 0o640, oct(out.stat().st_mode))
    check(sorted(p.name for p in place.iterdir()) == ["link.json", "out.json"], list(place.iterdir()))
    run("run", "nossd", *FAST, "--job", write_job(folder, MIX), "--json", "/dev/null", code=0)
    check(pathlib.Path("/dev/null").is_char_device())


if __name__ == "__main__":
    sys.exit(main(globals()))

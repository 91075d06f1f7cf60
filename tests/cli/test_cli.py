#!/usr/bin/env python3
"""The program from outside: exit codes, messages, results. test_cli.py DRIVELAB [NAME...] prints TAP.

Exit codes: 0 success, 1 the run found an error, 2 bad usage or input; what is
wrong is said in one line on standard error.
"""
import hashlib
import html.parser
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
LIMIT = 120  # seconds; generous, as sanitizers and busy machines slow everything down

IMAGE_STOP_AT = 4096
IMAGE_CLEAN = 0x4E41454C
IMAGE_PAYLOAD_AT = 1 << 20
FAST = ["-o", "nossd.read_latency=10us", "-o", "nossd.write_latency=10us", "-o", "drive.capacity=64MiB"]


class Skip(Exception):
    pass


def check(condition, *why):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in why))


def run(*args, code=None, cwd=None):
    done = subprocess.run([PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=LIMIT, cwd=cwd)
    if code is not None:
        check(done.returncode == code, "drivelab", *args, "-> exit code", done.returncode, "instead of", code, done.stdout,
              done.stderr)
    return done


def refused(pattern, *args, cwd=None):
    """Exit code 2, nothing on standard output, and one line that matches."""
    done = run(*args, cwd=cwd)
    what = f"drivelab {' '.join(map(str, args))}: exit code {done.returncode}, stderr {done.stderr!r}"
    check(done.returncode == 2, what)
    check(done.stdout == "", what, "stdout", done.stdout)
    check(re.fullmatch(r"drivelab: [^\n]+\n", done.stderr), "not one line:", what)
    check(re.search(pattern, done.stderr), f"no /{pattern}/:", what)


def write_job(folder, text, name="job.fio"):
    path = pathlib.Path(folder, name)
    path.write_text(text)
    return path


def work_for(process, seconds):
    """Wait until a process and its children have computed that long, so that they are under way on the busiest machine."""
    deadline, ticks = time.monotonic() + LIMIT, -1
    while process.poll() is None and ticks < seconds * os.sysconf("SC_CLK_TCK"):
        check(time.monotonic() < deadline, "it does not work:", process.args)
        time.sleep(0.05)
        ticks = 0
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            if process.pid in (int(path.parent.name), int(fields[1])):
                ticks += int(fields[11]) + int(fields[12])


class Server:
    """drivelab serve on a free port, as a context."""

    def __init__(self, *args, listen="tcp://127.0.0.1:0"):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([PROGRAM, "serve", *map(str, args), "--sleep", "--listen", listen],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        deadline = time.monotonic() + LIMIT
        while not (found := re.search(r"attach with: .* -n (\S+)\n", self.text())):
            check(self.process.poll() is None, "serve ended:", self.text())
            check(time.monotonic() < deadline, "serve does not listen:", self.text())
            time.sleep(0.01)
        self.nqn = found[1]
        self.addresses = re.findall(r"listening on (\S+)", self.text())
        self.address = self.addresses[0]

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(LIMIT)

    def perf(self, *args, code=0, address=None):
        return run("perf", address or self.address, "--nqn", self.nqn, "--time", "100ms", *args, code=code)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


def drives():
    """Names of the built-in drives."""
    lines = run("drives", code=0).stdout.splitlines()
    return [line.split()[0] for line in lines[1:] if line and not line.startswith("drivelab ")]


# ---- usage ----

def test_help_explains_every_command(_):
    overview = run("help", code=0).stdout
    commands = re.findall(r"^  drivelab (\w+) ", overview, re.M)
    check({"serve", "run", "drives", "demo", "perf", "ctl", "help"} <= set(commands), overview)
    check(run(code=0).stdout == overview == run("--help", code=0).stdout)
    for command in commands:
        text = run(command, "--help", code=0).stdout
        check(text.startswith(f"drivelab {command} "), text)
        check(text == run("help", command, code=0).stdout, command)
    check(re.fullmatch(r"drivelab \d+\.\d+\.\d+\n", run("--version", code=0).stdout))


def test_unknown_commands_and_options_are_refused(_):
    refused(r'"bogus".*drivelab help', "bogus")
    refused(r"did you mean serve\?", "serv")
    refused(r'"bogus"', "help", "bogus")
    refused(r'"--lisen" \(did you mean --listen\?\)', "serve", "nossd", "--lisen", "x")
    refused(r'"--jsno" \(did you mean --json\?\)', "run", "nossd", "--jsno=x")
    refused(r'"-x"', "serve", "nossd", "-x")
    refused(r"--spin takes no value", "serve", "nossd", "--spin=1")
    for command, option in [("serve", "--listen"), ("run", "--job"), ("perf", "--depth"), ("demo", "--seconds"),
                            ("drives", "-o")]:
        refused(f"{option} needs a value", command, option)
    refused("one drive is to be named", "serve")
    refused("one drive is to be named", "run", "nossd", "tlc", "--job", "x")
    refused("at most one drive", "drives", "nossd", "nossd")
    refused("--job FILE or --trace FILE is missing", "run", "nossd")


def test_unknown_drives_are_refused(folder):
    for command in (["serve"], ["run", "--job", write_job(folder, "[a]\nrw=read\n")], ["drives"], ["demo"]):
        refused(r'"nosd" \(did you mean nossd\?\); built in are .*nossd.*INI file', *command, "nosd")
    refused(r"none\.ini: No such file", "drives", pathlib.Path(folder, "none.ini"))


def test_bad_options_of_drives_are_refused(_):
    for option, pattern in [
            ("nossd.read_latncy=5us", r"nossd\.read_latncy: unknown option; did you mean nossd\.read_latency\?"),
            ("nosd.read_latency=5us", r"nosd"),
            ("nossd.read_latency=11s", r"nossd\.read_latency: 11s is out of range \(0\.\.10s\)"),
            ("nossd.read_latency=-1", r"nossd\.read_latency"),
            ("nossd.read_latency=fast", r'nossd\.read_latency: "fast"'),
            ("drive.capacity=1GiB5", r'drive\.capacity: "1GiB5"'),
            ("drive.capacity=1000000", r"drive\.capacity: 1000000 .*1MiB"),
            ("drive.capacity=1048577", r"drive\.capacity.*1048577.*4096"),
            ("drive.kind=floppy", r'drive\.kind: "floppy".*nossd'),
            ("drive.seed=x", r'drive\.seed: "x"'),
            ("loop.wait=doze", r'loop\.wait: "doze" is not one of: spin, sleep'),
            ("nossd.read_latency", r"section\.key=value"),
            ("nonsense", r"section\.key=value")]:
        refused(pattern, "drives", "nossd", "-o", option)
        refused(pattern, "serve", "nossd", "-o", option)
    refused(r"more than 64 options", "drives", "nossd", *["-o", "drive.seed=1"] * 65)
    run("drives", "nossd", *["-o", "drive.seed=1"] * 64, code=0)


def test_bad_profiles_are_refused_by_line(folder):
    for text, pattern in [("[drive]\nkind = nossd\ncapacty = 1GiB\n", r"x\.ini:3: drive\.capacty.*drive\.capacity"),
                          ("[drive]\nkind = nossd\ncapacity = 1QiB\n", r"x\.ini:3: drive\.capacity"),
                          ("[nossd]\nread_latency = 1us\nnonsense\n", r"x\.ini:3")]:
        path = pathlib.Path(folder, "x.ini")
        path.write_text(text)
        refused(pattern, "drives", path)


def test_over_provisioning_sets_the_blocks(folder):
    for percent, blocks in ((None, 112), (7, 92), (25, 107), (100, 171)):
        option = ["-o", f"ssd.op_percent={percent}"] if percent else []
        shown = json.loads(run("drives", "tlc", *option, "--json", code=0).stdout)
        check(shown["nand"]["blocks"] == blocks, shown["nand"])
    shown = json.loads(run("drives", "tlc", "-o", "drive.capacity=64GiB", "--json", code=0).stdout)
    check(shown["nand"]["blocks"] == 448, shown["nand"])
    job = write_job(folder, "[w]\nrw=randwrite\nbs=4k\nnorandommap=1\niodepth=32\nio_size=256m\n")
    runs = json.loads(run("run", "tlc", "-o", "drive.capacity=256MiB", "-o", "nand.channels=2", "-o", "nand.luns=1", "-o",
                          "nand.pages=48", "-o", "ssd.precondition=random", "-o", "ssd.op_percent=12.5,25,50", "--job", job,
                          "--json", "-", code=0).stdout)
    waf = [r["result"]["drivelab"]["write_amplification"] for r in runs]
    check(waf[0] > 1.3 * waf[1] > 1.3 * 1.3 * waf[2] > 1.3 * 1.3, waf)


def test_impossible_geometry_is_refused(_):
    if "tlc" not in drives():
        raise Skip("no drive with flash")
    refused(r"drive\.capacity = 109951162777600 bytes does not fit: nand\.channels=.*largest capacity is \d+ bytes", "serve",
            "mqsim", "-o", "drive.capacity=100TiB")
    refused(r"channels x luns x planes x blocks = \d+ blocks .* at most \d+ blocks", "serve", "tlc", "-o",
            "drive.capacity=100TiB")
    refused(r"nand\.blocks = 0: drive\.capacity = \d+ bytes with ssd\.op_percent = 31 .* more than 1048576 blocks", "serve",
            "tlc", "-o", "drive.capacity=500TiB")
    refused(r"nand\.blocks = 0: 4 to 1048576 allowed", "serve", "zns", "-o", "nand.blocks=0")
    refused(r"drive\.capacity = \d+ bytes does not fit", "serve", "tlc", "-o", "nand.blocks=4")
    refused(r"nand\.channels: 0 is out of range \(1\.\.64\)", "serve", "tlc", "-o", "nand.channels=0")
    refused(r'ssd\.plane_order = "CCC": allowed are', "serve", "tlc", "-o", "ssd.plane_order=CCC")
    refused(r"gc_stop_percent = 0\.1", "serve", "tlc", "-o", "ssd.gc_stop_percent=0.1")


def test_bad_arguments_of_commands_are_refused(folder):
    for time_ in ("fast", "scaled:0", "scaled:", "scaled:1e9", "scaled:nan", "virtual"):
        refused(rf"--time {time_}: allowed are wall and scaled:N", "serve", "nossd", "--time", time_)
    refused(r'log: "loud"', "serve", "nossd", "--log", "loud")
    refused(r'drive\.seed: "x"', "serve", "nossd", "--seed", "x")
    job = write_job(folder, "[a]\nrw=read\n")
    for seed in ("-1", "x", "18446744073709551616", ""):
        refused(r"--seed .*: a number", "run", "nossd", "--job", job, "--seed", seed)
    for option, value, pattern in [("--depth", "0", "1 to 4095"), ("--depth", "4096", "1 to 4095"),
                                   ("--mix", "101", "0 to 100"), ("--bs", "17MiB", "512 to 16MiB"),
                                   ("--rw", "wipe", "randread"), ("--time", "soon", "500ms"),
                                   ("--timeout", "-1s", "0: wait forever"),
                                   ("--region", "all", "512MiB"), ("--nsid", "0", "from 1")]:
        refused(f"{option} {value}: .*{pattern}", "perf", "tcp://127.0.0.1:0", "--nqn", "x", option, value)
    refused("one target is to be named", "perf", "--nqn", "x")
    refused("--nqn", "perf", "tcp://127.0.0.1:0")
    refused("--seconds 0: ", "demo", "--seconds", "0")
    refused("--region 1000: ", "demo", "--region", "1000")


def test_bad_addresses_are_refused(_):
    for address, pattern in [("udp://127.0.0.1:1", "unknown transport.*tcp://"), ("127.0.0.1:4420", "no transport"),
                             ("tcp://127.0.0.1:99999", "99999"), ("tcp://203.0.113.1:4420", "203.0.113.1"), ("inproc://x", "from outside")]:
        refused(pattern, "serve", "nossd", "--listen", address)
    refused("at most 8 addresses", "serve", "nossd", *["--listen", "tcp://127.0.0.1:0"] * 9)
    for address, pattern in [("udp://127.0.0.1:1", "tcp://HOST:PORT"), ("tcp://127.0.0.1", "HOST:PORT"),
                             ("tcp://[::1]:", r"\[::1\]:")]:
        refused(pattern, "perf", address, "--nqn", "x")
    with socket.socket() as deaf:  # bound, so nobody else's; not listening
        deaf.bind(("127.0.0.1", 0))
        refused("refused", "perf", f"tcp://127.0.0.1:{deaf.getsockname()[1]}", "--nqn", "x")


def test_port_in_use_is_refused(_):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(f"127.0.0.1:{port}.*in use", "serve", "nossd", "--listen", f"tcp://127.0.0.1:{port}")
        refused(f"127.0.0.1:{port}.*in use", "demo", "nossd", "--listen", f"tcp://127.0.0.1:{port}")


# ---- drives ----

def test_drives_lists_every_profile(_):
    check("nossd" in drives())
    check(len(set(drives())) == len(drives()), "listed twice:", drives())
    for line in run("drives", code=0).stdout.splitlines():
        check(len(line) <= 100, "wider than 100 columns:", line)
    for name in drives():
        text = run("drives", name, code=0).stdout
        check("[drive]" in text and "capacity" in text, name)
        options = json.loads(run("drives", name, "--json", code=0).stdout)
        check(options["drive"]["capacity"] is not None, name)


def test_drives_shows_what_was_changed(_):
    before = json.loads(run("drives", "nossd", "--json", code=0).stdout)
    after = json.loads(run("drives", "nossd", "--json", "-o", "nossd.read_latency=7us", code=0).stdout)
    check(before["nossd"].pop("read_latency") != after["nossd"].pop("read_latency"))
    check(before == after)


def test_man_page_is_well_formed(_):
    page = run("help", "--man", code=0).stdout
    for wanted in (".TH DRIVELAB 1", ".SH NAME", ".SH SYNOPSIS", ".SH COMMANDS", "nossd.read_latency", ".SH EXIT STATUS"):
        check(wanted in page, wanted, "is missing")
    linters = [["groff", "-man", "-Tutf8", "-ww", "-z"], ["mandoc", "-Tlint", "-Werror"]]
    found = [linter for linter in linters if shutil.which(linter[0])]
    if not found:
        raise Skip("neither groff nor mandoc is installed")
    for linter in found:
        done = subprocess.run(linter, input=page, capture_output=True, text=True, timeout=LIMIT)
        check(done.returncode == 0 and not done.stderr, linter[0], done.stdout, done.stderr)


# ---- run ----

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


# ---- serve ----

def stop_word(image):
    with open(image, "rb") as f:
        f.seek(IMAGE_STOP_AT)
        return struct.unpack("<I", f.read(4))[0]


def payload_hash(image, length):
    with open(image, "rb") as f:
        f.seek(IMAGE_PAYLOAD_AT)
        data = f.read(length)
    check(any(data), "the image holds nothing")
    return hashlib.sha256(data).hexdigest()


def test_serve_ends_cleanly_on_signals(folder):
    image = pathlib.Path(folder, "disk.img")
    for how in (signal.SIGTERM, signal.SIGINT):
        with Server("nossd", *FAST, "--image", image) as server:
            check(stop_word(image) != IMAGE_CLEAN)
            check(server.end(how) == 0, server.text())
            check(server.process.stdout.read() == b"")
        check(stop_word(image) == IMAGE_CLEAN, "the image is not clean")


def test_serve_ends_cleanly_under_load(folder):
    image = pathlib.Path(folder, "disk.img")
    with Server("nossd", *FAST, "--image", image) as server:
        load = subprocess.Popen([PROGRAM, "perf", server.address, "--nqn", server.nqn, "--rw", "randrw", "--depth", "64",
                                 "--time", "60s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        work_for(load, 0.3)
        check(server.end() == 0, server.text())
        out, err = load.communicate(timeout=LIMIT)
        check(load.returncode == 1 and "PROBLEM: connection lost" in out, load.returncode, out, err)
    check(stop_word(image) == IMAGE_CLEAN, "the image is not clean")


def test_serve_ends_with_ios_held_back(folder):
    control = pathlib.Path(folder, "control")
    with Server("nossd", *FAST, "--scheduler", "none", "--control", control) as server:
        load = subprocess.Popen([PROGRAM, "perf", server.address, "--nqn", server.nqn, "--hostnqn", "nqn.2014-08.org:h0",
                                 "--rw", "randrw", "--time", "60s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        work_for(load, 0.3)
        run("ctl", control, "queue.cgroup", "path=nqn.2014-08.org:h0", "io_max=rbps=1 wbps=1", code=0)
        time.sleep(0.2)
        check(server.end() == 0, server.text())
        load.communicate(timeout=LIMIT)


def test_serve_starts_again_after_kill(folder):
    image = pathlib.Path(folder, "disk.img")
    names = ["nossd"] + [name for name in ("tlc",) if name in drives()]
    for name in names:
        image.unlink(missing_ok=True)
        args = [name, *(FAST if name == "nossd" else []), "--image", image]
        with Server(*args) as server:
            server.perf("--rw", "randrw", "--verify", "--region", "8MiB")
            server.end(signal.SIGKILL)
        before = payload_hash(image, 8 << 20)
        check(stop_word(image) != IMAGE_CLEAN)
        with Server(*args) as server:
            server.perf("--rw", "read", "--region", "8MiB")
            check(payload_hash(image, 8 << 20) == before, name, "lost data")
            check(server.end() == 0, server.text())
        check(stop_word(image) == IMAGE_CLEAN)


def test_images_that_do_not_fit_are_refused(folder):
    image, other = pathlib.Path(folder, "disk.img"), pathlib.Path(folder, "other.img")
    with Server("nossd", *FAST, "--image", image) as server:
        refused(r"disk\.img.*(use|lock)", "serve", "nossd", *FAST, "--image", image)
        check(server.end() == 0)
    refused(r"disk\.img.*67108864.*134217728", "serve", "nossd", "-o", "drive.capacity=128MiB", "--image", image)
    if "tlc" in drives():
        refused(r"disk\.img", "serve", "tlc", "--image", image)

    def spoiled(pattern, change):
        shutil.copyfile(image, other)
        with open(other, "r+b") as f:
            change(f)
        refused(pattern, "serve", "nossd", *FAST, "--image", other)

    def put(at, data):
        def change(f):
            f.seek(at)
            f.write(data)
        return change

    spoiled(r"other\.img: .*truncated.*\d+ bytes", lambda f: f.truncate(32 << 20))
    spoiled(r"other\.img: ", lambda f: f.truncate(100))
    spoiled(r"other\.img: .*version 2.*up to 1", put(8, struct.pack("<I", 2)))
    spoiled(r"other\.img: ", put(0, b"QFI\xfb"))
    spoiled(r"other\.img: ", put(20, b"\x01"))
    refused(r"cannot create", "serve", "nossd", "--image", pathlib.Path(folder, "none", "disk.img"))
    refused(r"Is a directory", "serve", "nossd", "--image", folder)


def test_serve_records_what_run_replays(folder):
    trace, out = pathlib.Path(folder, "r.trace"), pathlib.Path(folder, "r.json")
    with Server("nossd", "-o", "drive.capacity=64MiB", "--record", str(trace)) as server:
        server.perf("--rw", "randrw")
        check(server.end() == 0, "ends well")
    lines = trace.read_text().splitlines()
    check(lines[0] == "# drivelab trace 1", lines[0])
    asked = [line.split(",") for line in lines[1:]]
    check({"R", "W"} <= {op for _, op, _, _ in asked}, "reads and writes")
    run("run", "nossd", "-o", "drive.capacity=64MiB", "--trace", str(trace), "--json", str(out), "--reproducible")
    result = json.loads(out.read_text())
    check(result["drivelab"]["ios"] == len(asked), result["drivelab"]["ios"], len(asked))
    check(result["drivelab"]["trace"]["moved"] == 0, "addresses fit")
    last = int(asked[-1][0]) - int(asked[0][0])
    check(last <= result["drivelab"]["simulated_ns"] < last + 10**8, "recorded times")
    refused("already", "serve", "nossd", "--record", str(trace), "--listen", "tcp://127.0.0.1:0")


def test_run_replays_the_sample_trace(folder):
    out = pathlib.Path(folder, "r.json")
    sample = pathlib.Path(__file__).parents[2] / "examples/traces/sqlite-ext4.trace.gz"
    run("run", "tlc", "--trace", str(sample), "--json", str(out), "--reproducible", code=0)
    first, result = out.read_bytes(), json.loads(out.read_text())
    job = result["jobs"][0]
    check((job["read"]["total_ios"], job["write"]["total_ios"], job["trim"]["total_ios"], job["sync"]["total_ios"])
          == (905, 1152, 257, 59), result)
    run("run", "tlc", "--trace", str(sample), "--json", str(out), "--reproducible", code=0)
    check(out.read_bytes() == first, "the same to the byte")


def test_run_refuses_bad_traces_by_line(folder):
    trace = pathlib.Path(folder, "t")
    trace.write_text("# drivelab trace 1\n1,R,0,512\n2,Q,0,512\n")
    refused(r"t:3: found \"2,Q,0,512\"", "run", "nossd", "--trace", str(trace))
    run("run", "nossd", "--trace", str(trace), "--trace-bad-lines", "1", code=0)
    refused("recorded, scaled:N", "run", "nossd", "--trace", str(trace), "--trace-pace", "fast")
    refused("wrap, scale and refuse", "run", "nossd", "--trace", str(trace), "--trace-fit", "no")
    refused("mqsim", "run", "nossd", "--trace", str(trace), "--trace-format", "x")
    refused("--job or --trace", "run", "nossd", "--trace", str(trace), "--job", "x")


def test_serve_on_several_addresses(_):
    args = [PROGRAM, "serve", "nossd"]
    with Server("nossd", *FAST, "--listen", "tcp://127.0.0.1:0") as server:
        deadline = time.monotonic() + LIMIT
        while len(server.addresses) < 2 and time.monotonic() < deadline:
            server.addresses = re.findall(r"listening on (\S+)", server.text())
        check(len(set(server.addresses)) == 2, server.text(), args)
        for address in server.addresses:
            server.perf(address=address)


def test_serve_on_ipv6(_):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as why:
        raise Skip(f"no IPv6 loopback: {why}") from why
    with Server("nossd", *FAST, listen="tcp://[::1]:0") as server:
        check(re.fullmatch(r"tcp://\[::1\]:\d+", server.address), server.address)
        check(" -a ::1 -s " in server.text(), server.text())
        server.perf("--verify", "--region", "4MiB")
        check(server.end() == 0)


def test_serve_in_scaled_time(_):
    with Server("nossd", "-o", "drive.capacity=64MiB", "-o", "nossd.read_latency=1ms", "--time", "scaled:10") as server:
        out = server.perf("--depth", 1, "--time", "500ms").stdout
        iops = float(re.search(r"randread +read +(\S+)", out)[1])
        check(iops <= 100, "a modelled millisecond must take ten:", out)


# ---- the control socket ----

class Controlled(Server):
    """A served drive with a control socket."""

    def __init__(self, folder, *args, name="s"):
        self.path = pathlib.Path(folder, name)
        super().__init__(*args, "--control", self.path)

    def ctl(self, method, *, code=0, **params):
        """The result of a method; or, expected to fail, what stands on standard error."""
        done = run("ctl", self.path, method, *[f"{k}={v}" for k, v in params.items()], code=code)
        return json.loads(done.stdout) if code == 0 else done.stderr

    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def start_perf(self, *args):
        return subprocess.Popen([PROGRAM, "perf", self.address, "--nqn", self.nqn, *map(str, args)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def completed(self):
        """Commands that all I/O queues have completed so far."""
        return sum(queue["completed"] for ctrl in self.ctl("controller.list")["controllers"] for queue in ctrl["queues"]
                   if queue["qid"])

    def wait_for(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            check(time.monotonic() < deadline, "in vain:", what, self.text())
            time.sleep(0.02)


class Host:
    """Raw commands of 512-byte blocks on one I/O queue; see tests/wire/pdu.py."""

    def __init__(self, server):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "wire"))
        import pdu
        self.pdu = pdu
        self.admin, self.io = pdu.Connection(server.port(), timeout=LIMIT), pdu.Connection(server.port(), timeout=LIMIT)
        self.admin.init()
        self.admin.connect(server.nqn)
        self.admin.enable()
        self.io.init()
        self.io.connect(server.nqn, qid=1, cntlid=self.admin.cntlid)

    def write(self, lba, data):
        self.io.send(self.io.write_in_capsule(lba, data))
        return self.io.recv().status

    def flush(self):
        return self.io.complete(self.pdu.sqe(0, self.io.cid(), 1)).status

    def read(self, lba, blocks):
        return self.io.read_data(lba, blocks)

    def status_of_read(self, lba, blocks=8):
        self.io.send(self.io.read(lba, blocks))
        return self.io.recv().status & 0x7FF

    def closed(self):
        return self.io.closed() and self.admin.closed()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.io.close()
        self.admin.close()


SMALL_SSD = ["tlc", "-o", "drive.capacity=256MiB", "-o", "nand.blocks=32", "-o", "nvme.lba_bytes=512"]


def test_ctl_shows_and_explains(folder):
    with Controlled(folder, "nossd", *FAST) as server:
        info = server.ctl("drive.info")
        check(info["capacity"] == 64 << 20 and info["kind"] == "nossd" and info["nqn"] == server.nqn, info)
        text = run("ctl", server.path, "help", code=0).stdout
        for method in ("drive.info", "options.set", "fault.power_cut", "history.get", "target.stop"):
            check(re.search(rf"^  {re.escape(method)}$", text, re.M), method, "is missing in", text)
        check("fault.media" not in run("ctl", server.path, "help", "zone.list", code=0).stdout)
        check(run("ctl", server.path, code=0).stdout == text, "without a method: help")
        server.perf("--rw", "randrw", "--depth", 4)
        reads = server.ctl("stats.get", section="drive")["drive"]["latency_ns"]["read"]
        check(reads["count"] > 0 and reads["p50"] >= 10000, reads)
        check(server.ctl("history.get", count=5)["commands"], "no history")
        lines = run("ctl", server.path, "--text", "stats.get", code=0).stdout
        check(re.search(r"^drive\.latency_ns\.read\.p50 +\d+$", lines, re.M), lines)
        check("in flight:" in run("ctl", server.path, "--text", "history.get", code=0).stdout)
        check(stat.S_IMODE(server.path.stat().st_mode) == 0o600)
        check(server.ctl("target.stop") == {"stopping": True} and server.process.wait(LIMIT) == 0, server.text())
        check(not server.path.exists(), "the socket is still there")


def test_ctl_is_used_wrongly(folder):
    refused(r"the path of a control socket is missing", "ctl")
    refused(r"none: there is no such socket; serve makes one with --control", "ctl", pathlib.Path(folder, "none"), "drive.info")
    refused(r"at most 107 bytes", "ctl", "x" * 200)
    refused(r"--timeout soon: a time", "ctl", "--timeout", "soon", "x")
    refused(r"did you mean --text", "ctl", "--txt", "x")
    with Controlled(folder, "nossd", *FAST) as server:
        refused(r'no method is called "drive.inof" \(did you mean drive.info\?\)', "ctl", server.path, "drive.inof")
        refused(r"name=value", "ctl", server.path, "zone.get", "5")
        refused(r"zone is given twice", "ctl", server.path, "zone.get", "zone=5", "zone=6")
        refused(r'errors.list has no parameter "cuont" \(did you mean count\?\)', "ctl", server.path, "errors.list", "cuont=5")
        refused(r"count: many is not possible; a number \(1\.\.256\) is wanted", "ctl", server.path, "errors.list", "count=many")
        refused(r"did you mean fault.media", "ctl", server.path, "help", "fault.meda")
        check("no zones" in server.ctl("zone.list", code=1))
        check("has no flash" in server.ctl("fault.media", op="read", code=1))
    refused(r"s: nobody listens; the drive that made this socket is gone", "ctl", server.path, "drive.info")
    silent = pathlib.Path(folder, "silent")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(silent))
        listener.listen()
        done = run("ctl", silent, "drive.info", "--timeout", "200ms", code=1)
        check("no answer in time" in done.stderr, done.stderr)


def test_control_socket_of_another_is_refused(folder):
    with Controlled(folder, "nossd", *FAST) as server:
        refused(r"s: another process listens on this socket", "serve", "nossd", *FAST, "--listen", "tcp://127.0.0.1:0",
                "--control", server.path)
        server.ctl("drive.info")
        server.end(signal.SIGKILL)
    check(server.path.exists(), "a killed process cannot have removed it")
    with Controlled(folder, "nossd", *FAST) as server:  # takes the dead one's place
        server.ctl("drive.info")
        check(server.end() == 0 and not server.path.exists())
    server.path.write_text("precious")
    refused(r"s: exists and is not a socket", "serve", "nossd", *FAST, "--listen", "tcp://127.0.0.1:0", "--control", server.path)
    check(server.path.read_text() == "precious")


def test_control_socket_speaks_json_rpc(folder):
    with Controlled(folder, "nossd", *FAST) as server, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.path))
        client.settimeout(LIMIT)
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"drive.info"}{"jsonrpc":"2.0","method":"drive.pause"}\n'
                       b'[{"jsonrpc":"2.0","id":2,"method":"drive.info"},{"jsonrpc":"2.0","id":"x","method":"no"}]\nnonsense\n')
        lines = client.makefile("r")
        one, batch, wrong = (json.loads(lines.readline()) for _ in range(3))
        check(one["id"] == 1 and not one["result"]["paused"], one)
        check(batch[0]["result"]["paused"] and batch[1]["error"]["code"] == -32601 and batch[1]["id"] == "x", batch)
        check(wrong["error"]["code"] == -32700 and wrong["id"] is None, wrong)
        before = resident(server.process.pid)
        client.sendall(b'{"jsonrpc":"2.0","id":3,"method":"' + b"x" * (50 << 20) + b'"}')
        client.sendall(b'{"jsonrpc":"2.0","id":4,"method":"drive.resume"}')
        check(json.loads(lines.readline())["error"]["data"]["limit"] == 65536)
        check(json.loads(lines.readline())["id"] == 4)
        check(resident(server.process.pid) < before + (24 << 20), "50 MB of a name were kept")


def resident(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ctl_sets_live_options(folder):
    with Controlled(folder, "nossd", "-o", "drive.capacity=64MiB") as server:
        check(server.ctl("options.set", name="nossd.read_latency", value="20ms")["value"] == "20ms")
        out = server.perf("--depth", 1, "--time", "300ms").stdout
        check(float(re.search(r"randread +read +(\S+)", out)[1]) <= 50, out)
        check("fixed" in server.ctl("options.set", name="drive.capacity", value="1GiB", code=1))
        check("11s is out of range" in server.ctl("options.set", name="nossd.read_latency", value="11s", code=2))
        check(server.ctl("options.get", name="nossd.read_latency")["value"] == "20ms")
        live = [o["name"] for o in server.ctl("options.list", live="yes")["options"]]
        check("nossd.read_latency" in live and "drive.capacity" not in live, live)


def test_ctl_reads_and_writes_files_of_the_queue(folder):
    """As cat and echo do, with the device or without it; --text shows the file's own words."""
    with Controlled(folder, "hdd-7200", "--scheduler", "cfq") as server:
        def text(*words):
            return run("ctl", server.path, *words, "--text", code=0)
        check(text("queue.get", "sda", "scheduler").stdout == "noop deadline [cfq] as mq-deadline kyber bfq none\n")
        check(text("queue.set", "iosched/slice_idle", "3").stdout == "3\n")
        clamped = text("queue.set", "sda", "iosched/slice_idle", "-12")
        check(clamped.stdout == "0\n" and clamped.stderr == "drivelab: note: slice_idle of cfq: -12 is outside 0 to "
              "4294967295; 0 is set\n", clamped)
        refused("nr_requests: -1; allowed are 4 to 100000", "ctl", server.path, "queue.set", "sda", "nr_requests", "-1")
        refused("read_ahead_kb is not modelled", "ctl", server.path, "queue.get", "read_ahead_kb")
        lines = text("queue.list").stdout.splitlines()
        check(max(map(len, lines)) <= 130 and any(line.startswith("iosched/slice_idle") for line in lines), lines)
        check(re.search(r"^nr_requests +128$", text("queue.get").stdout, re.M))
        server.perf("--rw", "randrw", "--depth", 4)
        check(int(text("queue.get", "stat").stdout.split()[0]) > 0)


def test_ctl_pause_holds_and_resume_goes_on(folder):
    with Controlled(folder, "nossd", *FAST) as server:
        load = server.start_perf("--rw", "randrw", "--depth", 8, "--time", "2s", "--timeout", "60s", "--verify", "--region", "4MiB")
        server.wait_for(lambda: server.completed() > 500, "load")
        check(server.ctl("drive.pause")["paused"])
        server.wait_for(lambda: server.ctl("drive.info")["held"] == 8, "all commands held")
        at = server.completed()
        time.sleep(0.3)
        check(server.completed() == at, "commands completed during a pause")
        flying = server.ctl("history.get")["in_flight"]
        check(sum("held" in c["stage"] for c in flying) == 8, flying)
        check(server.ctl("drive.resume") == {"paused": False, "held": 8})
        out, err = load.communicate(timeout=LIMIT)
        check(load.returncode == 0 and "PROBLEM" not in out, out, err)


def test_ctl_lost_completion_is_the_hosts_timeout(folder):
    with Controlled(folder, "nossd", *FAST) as server:
        server.ctl("fault.lose_completion", opcode="0x2", nth=20)
        load = server.start_perf("--rw", "randread", "--depth", 1, "--time", "60s", "--timeout", "1s")
        out, err = load.communicate(timeout=LIMIT)
        check(load.returncode == 1 and "no answer for" in out, load.returncode, out, err)
        check("the completion of Read" in server.text(), server.text())
        check(server.ctl("fault.list")["faults"] == [])
        check(server.ctl("stats.get", section="nvme")["nvme"]["lost_completions"] == 1)
        server.perf("--rw", "randrw")  # others are served as before


def test_ctl_fails_reads_of_the_flash(folder):
    with Controlled(folder, *SMALL_SSD) as server, Host(server) as host:
        check(host.write(0, b"x" * 4096) == 0 and host.flush() == 0)
        server.ctl("fault.media", op="read", count=2)
        check([host.status_of_read(0) for _ in range(2)] == [0x281, 0x281])
        check(host.read(0, 8) == b"x" * 4096)
        errors = server.ctl("errors.list")["errors"]
        check(len(errors) == 2 and "uncorrectable page" in errors[0]["reason"] and errors[0]["status"] == "0x281", errors)
        text = run("ctl", server.path, "errors.list", "--text", code=0).stdout
        check("Unrecovered Read Error (0x281) of Read" in text, text)


def test_ctl_delays_a_die(folder):
    with Controlled(folder, *SMALL_SSD) as server, Host(server) as host:
        check(host.write(0, b"x" * 4096) == 0 and host.flush() == 0)
        server.ctl("stats.restart")
        host.read(0, 8)
        usual = server.ctl("stats.get", section="drive")["drive"]["latency_ns"]["read"]["max"]
        dies = server.ctl("drive.info")["flash"]["dies"]
        for delay in ("2s", "20s"):  # a busy machine may take longer to say it to all dies
            for die in range(dies):
                server.ctl("fault.delay_die", die=die, time=delay)
            host.read(0, 8)
            late = server.ctl("stats.get", section="drive")["drive"]["latency_ns"]["read"]["max"]
            if late > usual + 10_000_000:
                break
        check(late > usual + 10_000_000, usual, late)


def test_ctl_power_cut_keeps_what_it_must(folder):
    """Flash that stands still keeps later writes in the cache: a volatile one loses all of them, a protected one none."""
    for cache, kept in (("yes", b"a"), ("no", b"b")):
        with Controlled(folder, *SMALL_SSD, "-o", f"ssd.volatile_cache={cache}", "-o", "ssd.write_buffer=8MiB") as server:
            with Host(server) as host:
                for lba in range(0, 512, 8):
                    check(host.write(lba, b"a" * 4096) == 0)
                check(host.flush() == 0)
                for die in range(server.ctl("drive.info")["flash"]["dies"]):
                    server.ctl("fault.delay_die", die=die, time="600s")
                for lba in range(0, 512, 8):
                    check(host.write(lba, b"b" * 4096) == 0)
                host.io.send(host.io.write_in_capsule(1024, b"c" * 4096))  # perhaps not acknowledged
                server.ctl("fault.power_cut")
                try:
                    host.io.recv()
                except host.pdu.Closed:
                    pass
                check(host.closed(), "the connections outlived the power")
            check(server.ctl("fault.list")["delayed_dies"] == [], "dies are delayed still")
            with Host(server) as host:
                for lba in range(0, 512, 8):
                    check(host.read(lba, 8) == kept * 4096, "volatile:", cache, "block", lba)
                check(host.read(1024, 8) in (b"c" * 4096, bytes(4096)))


def test_ctl_power_cut_under_load(folder):
    with Controlled(folder, *SMALL_SSD) as server:
        for _ in range(3):
            load = server.start_perf("--rw", "randrw", "--depth", 32, "--time", "60s")
            server.wait_for(lambda: server.ctl("controller.list")["controllers"] and server.completed() > 200, "load")
            check(server.ctl("fault.power_cut")["now_ns"] > 0)
            out, err = load.communicate(timeout=LIMIT)
            check(load.returncode == 1 and "PROBLEM: connection lost" in out, load.returncode, out, err)
            server.wait_for(lambda: not server.ctl("controller.list")["controllers"], "the controller goes")
        server.perf("--rw", "randrw", "--verify", "--region", "8MiB")
        check(server.end() == 0, server.text())


def test_ctl_shows_and_fails_zones(folder):
    if "femu-zns" not in drives():
        raise Skip("no zoned drive")
    with Controlled(folder, "femu-zns") as server:
        table = server.ctl("zone.list", count=3)
        check(table["zones"] == 32 and table["next"] == 3 and table["zone_blocks"] == 0x40000, table)
        check([z["start"] for z in table["list"]] == [0, 0x40000, 0x80000])
        check(server.ctl("fault.zone", zone=1, state="read_only")["state"] == "Read Only")
        server.ctl("fault.zone", zone=2, state="offline")
        check([z["zone"] for z in server.ctl("zone.list", state="offline")["list"]] == [2])
        text = run("ctl", server.path, "zone.list", "count=3", "--text", code=0).stdout
        check(re.search(r"^ +1 +Read Only +0x40000 +- ", text, re.M) and "more: from=3" in text, text)
        check("no zone 32; valid are 0 to 31" in server.ctl("zone.get", zone=32, code=2))


# ---- perf and demo ----

def test_perf_verifies_every_kind(_):
    with Server("nossd", *FAST) as server:
        for kind in ("read", "write", "rw", "randread", "randwrite", "randrw"):
            out = server.perf("--rw", kind, "--verify", "--region", "4MiB", "--depth", 7).stdout
            check(re.search(rf"^  {kind} ", out, re.M), out)
            check("PROBLEM" not in out, out)
        server.perf("--verify", "--region", "4MiB", "--bs", "64KiB", "--header-digest", "--data-digest", "--rw", "randrw")
        server.perf("--time", "0", "--region", "1MiB", "--rw", "write", "--bs", "512KiB", "--depth", 2)


def test_perf_refuses_what_the_target_cannot(_):
    with Server("nossd", *FAST) as server:
        refused(r"Connect: Connect Invalid Parameters \(status 0x", "perf", server.address, "--nqn", "nqn.2014-08.org.example:nobody")
        refused(r"namespace 7.*status 0x", "perf", server.address, "--nqn", server.nqn, "--nsid", 7)
        refused(r"multiple of the block size", "perf", server.address, "--nqn", server.nqn, "--bs", "5000")
        refused(r"region of 134217728 bytes", "perf", server.address, "--nqn", server.nqn, "--region", "128MiB")
        server.perf()
    with Server("nossd", *FAST, "-o", "nvme.lba_bytes=512") as server:
        refused(r"multiple of 4096", "perf", server.address, "--nqn", server.nqn, "--bs", "512", "--verify")
        server.perf("--bs", "512", "--rw", "randrw")


def test_perf_of_what_is_no_target(_):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        process = subprocess.Popen([PROGRAM, "perf", f"tcp://127.0.0.1:{port}", "--nqn", "x"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        peer, _ = silent.accept()
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n" + b"\r\n" * 100)
        out, err = process.communicate(timeout=LIMIT)
        peer.close()
    check(process.returncode == 2 and out == "", process.returncode, out, err)
    check(re.fullmatch(r"drivelab: tcp://127.0.0.1:\d+: .*ICResp.*\n", err), err)


def test_perf_gives_up_a_target_that_stalls(_):
    with Server("nossd", *FAST) as server:
        load = subprocess.Popen([PROGRAM, "perf", server.address, "--nqn", server.nqn, "--time", "100s", "--timeout", "1s"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            work_for(load, 0.3)
            server.process.send_signal(signal.SIGSTOP)
            out, err = load.communicate(timeout=LIMIT)
        finally:
            server.process.send_signal(signal.SIGCONT)
            load.kill()
        check(load.returncode == 1, load.returncode, out, err)
        check("PROBLEM: no answer for 1 s, with 32 commands in flight" in out, out, err)
        server.perf()


def test_demo_finds_nothing_wrong(_):
    out = run("demo", "nossd", "--seconds", 1, "--region", "32MiB", "--listen", "tcp://127.0.0.1:0", "-o",
              "loop.wait=sleep", code=0).stdout
    data = re.search(r"data: (\d+) blocks of 4 KiB compared, (\d+) wrong; (\d+) commands failed", out)
    check(data and int(data[1]) >= 8192 and data[2] == data[3] == "0", out)
    check("lateness:" in out and "nvme connect -t tcp" in out and "10.0.2.2" in out, out)


def test_serve_watches_for_slow_commands(_):
    with Server("nossd", "-o", "drive.capacity=64MiB", "-o", "nossd.read_latency=3s", "-o", "nvme.watchdog=500ms") as server:
        server.perf("--depth", 2, "--time", "1s")
        log = server.text()
    late = re.findall(r"watchdog: tcp \S+ ctrl 1 qid 1 cid \d+: Read \(opcode 02h\) is \S+ \w+ old: in the drive: a read of "
                      r"4096 bytes at byte \d+, there for \S+ \w+, due in ", log)
    check(len(late) >= 2, log)
    check("commands are overdue; the last " in log and re.search(r"history: \d+\.\d+ ctrl 1 qid 0 .*: Connect", log), log)
    check(re.search(r"in flight: .* Read nsid 1 slba \S+, 1 blocks, to the drive \+0 ns, in the drive for ", log), log)


# ---- explain ----

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "explain"


def explain(*args, stdin=None, code=0):
    done = subprocess.run([PROGRAM, "explain", *args], input=stdin if stdin is not None else b"", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=LIMIT)
    check(done.returncode == code, "explain", *args, "-> exit code", done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


def test_explain_says_what_it_said(_):
    """DRIVELAB_GOLDEN=1 writes the kept outputs anew."""
    cases = {
        "zone-full": ["0x41b9"], "invalid-field": ["4002"], "ambiguous": ["281"], "code-alone": ["b9"],
        "retried": ["--opcode", "read", "0x2281"], "connect": ["--opcode", "connect", "0x4182"], "either": ["0x6182"],
        "path": ["(03/02)"], "raw": ["--raw", "0x8373"], "entry": ["00000000 00000000 00010005 83720001"],
        "admin": ["--admin", "sct 0x1 / sc 0x9 DNR"], "vendor": ["0x7a2"], "open-channel": ["0x42ff"],
        "spdk": ["ZONE IS FULL (01/b9) qid:1 cid:3 cdw0:0 sqhd:0005 p:0 m:1 dnr:1"],
        "dmesg": [str(GOLDEN / "dmesg.log")], "json": ["--json", "0x41b9", "0x6182"],
    }
    for name, args in cases.items():
        out = explain(*args).replace(str(GOLDEN), "golden")
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("DRIVELAB_GOLDEN"):
            path.write_text(out)
        check(out == path.read_text(), f"{path} differs:\n{out}")


def test_explain_takes_every_form(folder):
    for args in (["0x41b9"], ["41b9"], ["16825"], ["0x8373"], ["--raw", "8373"], ["sct", "0x1", "/", "sc", "0xb9", "DNR"],
                 ["SCT 1h, SC B9h DNR"], ["--raw", "00000000", "00000000", "00010005", "83730001"]):
        out = explain(*args)
        check(out.startswith("0x41b9: Zone Is Full\n"), args, out)
        check("does not retry" in out and "EIO" in out and "(sct 0x1 / sc 0xb9) DNR" in out, out)
    check("Connect Invalid Parameters (of fabrics" in explain("--fabrics", "182"))
    check("Attempted Write" in explain("--opcode", "write", "182"))
    check("not usual for Zone Append" in explain("--opcode", "zone-append", "0x1bc"))
    log = pathlib.Path(folder, "dmesg")
    log.write_bytes(b"\0\xff\n" + 3 * b"nvme0n1: I/O Cmd(0x1) @ LBA 1, 8 blocks, I/O Error (sct 0x1 / sc 0xbc) DNR \n")
    for out in (explain(str(log)), explain("-", stdin=log.read_bytes()), explain(stdin=log.read_bytes())):
        check(out.startswith("line 2, and 2 alike: ") and "\n0x41bc: Zone Invalid Write\n" in out, out)
    found = json.loads(explain("--json", str(log)))
    check(len(found) == 1 and found[0]["count"] == 3 and found[0]["linux"]["errno"] == "EIO", found)


def test_explain_refuses(folder):
    refused(r"no status: 0x41b9.*--raw.*possible", "explain", "hello")
    refused(r"no raw status", "explain", "--raw", "zzz")
    refused(r"no command is called", "explain", "--opcode", "frobnicate", "1")
    refused(r"--opcode needs a value", "explain", "--opcode")
    refused(r"is a directory", "explain", folder)
    for args, stdin in ((["-"], b"all is well\n"), ([], b""), (["all is well"], b""), (["--json", "all is well"], b"")):
        check(explain(*args, stdin=stdin, code=1) in ("", "[]\n"))


# ---- timeline ----

SMALL = [arg for option in ("drive.capacity=64MiB", "nand.channels=2", "nand.luns=2", "nand.blocks=12", "nand.pages=64",
                            "ssd.write_buffer=1MiB", "ssd.precondition=random") for arg in ("-o", option)]
MIXED = "[mix]\nrw=randrw\nrwmixread=50\nbs=4k\niodepth=24\nnumber_ios=6000\nnorandommap\n"


def timeline_lanes(path):
    """Names of the lanes -> sorted events as (from, to, name) in nanoseconds."""
    trace = json.loads(path.read_text())
    names, lanes = {}, {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            begin = round(event["ts"] * 1000)
            lanes.setdefault((event["pid"], event["tid"]), []).append(
                (begin, begin + round(event["dur"] * 1000), event["name"]))
        elif event["name"] == "thread_name":
            names[event["pid"], event["tid"]] = event["args"]["name"]
    check(set(names) == set(lanes), "lanes without name or events:", set(names) ^ set(lanes))
    return {names[lane]: sorted(events) for lane, events in lanes.items()}, trace["otherData"]


def test_timeline_has_a_lane_for_all_and_none_does_two_things_at_once(folder):
    job, path = write_job(folder, MIXED), pathlib.Path(folder, "t.json")
    report = json.loads(run("run", "tlc", *SMALL, "--job", job, "--timeline", path, "--json", "-", code=0).stdout)
    lanes, other = timeline_lanes(path)
    for name, events in lanes.items():
        for one, two in zip(events, events[1:]):
            check(one[1] <= two[0], "overlap on", name, one, two)
    config = report["drivelab"]["options"]["nand"]
    kinds = {kind: [name for name in lanes if name.startswith(kind)] for kind in ("channel", "die", "reads", "writes")}
    check(len(kinds["channel"]) == config["channels"] and len(kinds["die"]) == config["channels"] * config["luns"], kinds)
    requests = sum(len(lanes[name]) for name in kinds["reads"] + kinds["writes"])
    check(requests == 6000 and len(kinds["reads"]) + len(kinds["writes"]) <= 48, requests, kinds)
    check(other["complete"] and any(e[2] == "gc program" for d in kinds["die"] for e in lanes[d]), other)
    again = pathlib.Path(folder, "again.json")
    run("run", "tlc", *SMALL, "--job", job, "--timeline", again, code=0)
    check(path.read_bytes() == again.read_bytes())


def test_timeline_is_bounded(folder):
    job, path = write_job(folder, MIXED), pathlib.Path(folder, "t.json")
    args = ["run", "tlc", *SMALL, "--job", job, "--timeline", path]
    done = run(*args, "--timeline-events", 500, code=0)
    lanes, other = timeline_lanes(path)
    check(sum(map(len, lanes.values())) == other["events"] == 500 and not other["complete"], other)
    check("500 events are the limit" in done.stderr, done.stderr)
    check(not run(*args, "--timeline-window", "1ms:2ms", code=0).stderr)
    lanes, other = timeline_lanes(path)
    times = [event for events in lanes.values() for event in events]
    check(times and all(begin < 2000000 and end > 1000000 for begin, end, _ in times), other)
    for bad in ("1ms", "2ms:1ms", "x:1ms", "1ms:x", ":0"):
        refused("START:END", *args, "--timeline-window", bad)
    for bad in ("0", "-1", "x", "1e9", "20000001"):
        refused("a number from 1 to", *args, "--timeline-events", bad)
    path.write_text("whole")
    refused("No such file", "run", "tlc", "--job", pathlib.Path(folder, "none.fio"), "--timeline", path)
    check(path.read_text() == "whole")


# ---- details, and the page ----

def test_details_add_up_and_change_nothing(folder):
    job = write_job(folder, MIXED)
    args = ["run", "tlc", *SMALL, "--job", job, "--reproducible", "--json", "-"]
    report = json.loads(run(*args, "--detail", code=0).stdout)
    detail = report["drivelab"].pop("detail")
    for job_report in report["jobs"]:
        for latency in [job_report["sync"]["lat_ns"], *(job_report[d][k] for d in ("read", "write", "trim")
                                                        for k in ("slat_ns", "clat_ns", "lat_ns"))]:
            check(sum(latency.pop("bins", {}).values()) == latency["N"], latency)
    check(report == json.loads(run(*args, code=0).stdout))
    check(run(*args, "--detail").stdout == run(*args, "--detail").stdout)
    for direction in ("read", "write"):
        for part in detail["latency_by_stage"][direction].values():
            check(abs(sum(part["stages_ns"].values()) - part["latency_ns"]) < 1, direction, part)
            check("other" not in part["stages_ns"], part)
        mean, slowest = (detail["latency_by_stage"][direction][k] for k in ("mean", "slowest"))
        total = report["drivelab"]["total"][direction]
        check(mean["requests"] == total["ios"] and abs(mean["latency_ns"] - total["lat_ns"]["mean"]) < 0.1, mean, total)
        check(slowest["requests"] >= total["ios"] / 1000 and slowest["latency_ns"] >= slowest["from_latency_ns"] > mean["latency_ns"])
    series, elapsed, measured = detail["series"], detail["elapsed_ns"], report["drivelab"]["measured"]
    window = series["window_ns"]
    check(len(series["queue_depth"]) == -(-elapsed // window) <= 256, window, elapsed)
    seconds = [(min(elapsed, (i + 1) * window) - i * window) / 1e9 for i in range(len(series["queue_depth"]))]
    for direction in ("read", "write"):
        ios = sum(iops * s for iops, s in zip(series[direction]["iops"], seconds))
        check(abs(ios - report["drivelab"]["total"][direction]["ios"]) < 0.5, direction, ios)
    for cause, values in series["programmed_bytes"].items():
        exact = measured["program"]["bytes"][cause]
        check(exact <= sum(values) <= exact + 8 * 16384, cause, exact, sum(values))
    for die, shares in zip(detail["dies"], detail["die_utilisation"]):
        mean = sum(share * s for share, s in zip(shares, seconds)) / sum(seconds)
        check(0 < die["utilisation"] <= 1 and abs(mean - die["utilisation"]) < 0.002, die, mean)
    busy = sum(e["to_ns"] - e["from_ns"] for e in detail["gc_episodes"]["first"])
    check(0 < detail["gc_episodes"]["count"] and busy == detail["gc_episodes"]["total_ns"] <= elapsed, detail["gc_episodes"])


class Page(html.parser.HTMLParser):
    """What a page opens and closes, what it refers to, and the text of its elements by id."""
    VOID = {"meta", "link", "br", "img", "input", "hr"}

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.texts, self.policy = [], [], {}, ""
        self.feed(text)
        self.close()
        check(not self.open, "not closed:", self.open)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.references += [value for name, value in attrs.items() if name in ("src", "href", "srcset", "action", "data")]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag not in self.VOID:
            self.open.append((tag, attrs.get("id", tag)))

    def handle_endtag(self, tag):
        check(self.open and self.open.pop()[0] == tag, "closed, but not open:", tag)

    def handle_data(self, text):
        if self.open:
            self.texts[self.open[-1][1]] = self.texts.get(self.open[-1][1], "") + text


def test_page_has_everything_in_it(folder):
    job, path = write_job(folder, MIXED.replace("[mix]", "[</script><b>&\"x]")), pathlib.Path(folder, "page.html")
    args = ["run", "tlc", *SMALL, "--job", job, "--reproducible"]
    report = json.loads(run(*args, "--html", path, "--json", "-", code=0).stdout)
    page = Page(path.read_text())
    data = json.loads(page.texts["data"])
    curves = data.pop("curves")
    check(data == report and data["jobs"][0]["jobname"].startswith("</script>") and "detail" in data["drivelab"], data.keys())
    for direction, points in curves.items():
        check(points == sorted(points) and len(points) <= 1000, points)
        check(points[-1] == [report["jobs"][0][direction]["lat_ns"]["max"], report["jobs"][0][direction]["total_ios"]])
    check(page.references == [] and "default-src 'none'" in page.policy, page.references, page.policy)
    check(not re.search(r"url\(|@import|https?:|\bfetch\(|XMLHttpRequest|\beval\(", page.texts["script"] + page.texts["style"]))


def test_page_draws_its_charts_in_a_browser(folder):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        raise Skip("no Chromium here")
    jobs = {"tlc": MIXED, "nossd": MIXED, "zns": "[z]\nrw=write\nbs=64k\nzonemode=zbd\nsize=8z\nnumber_ios=200\n"}
    for drive, text in jobs.items():
        path = pathlib.Path(folder, drive + ".html")
        options = SMALL if drive == "tlc" else FAST if drive == "nossd" else []
        run("run", drive, *options, "--job", write_job(folder, text.replace("[mix]", "[<b>mix]")), "--html", path, code=0)
        done = subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
                               "--virtual-time-budget=2000", "--enable-logging=stderr", "--dump-dom", path.as_uri()],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        if not done.stdout:
            raise Skip("the browser does not start here")
        drawn = done.stdout
        check("CONSOLE" not in done.stderr, drive, [line for line in done.stderr.splitlines() if "CONSOLE" in line])
        charts = drawn.count('<svg height=')
        check(charts >= {"tlc": 12, "nossd": 6, "zns": 9}[drive], drive, charts)
        check("NaN" not in drawn.split('id="data"')[0] and "undefined" not in drawn.split('id="data"')[0], drive)
        check("Where the time went" in drawn.split('id="data"')[0], drive)
        check("<b>mix" not in drawn.split('id="data"')[0], drive)


# ---- several runs ----

LISTS = ["-o", "nand.luns=1,2", "-o", "nand.read_time=40us;60us;30us,40us,50us"]
FEW = [arg for option in ("drive.capacity=64MiB", "nand.channels=2", "nand.blocks=24", "nand.pages=64",
                          "ssd.write_buffer=1MiB", "ssd.precondition=random") for arg in ("-o", option)]


def test_lists_of_values_run_all_combinations(folder):
    job, one, three = (write_job(folder, MIXED), *(pathlib.Path(folder, name) for name in ("1.json", "3.json")))
    args = ["run", "tlc", *FEW, *LISTS, "--job", job, "--reproducible"]
    table = run(*args, "--json", one, code=0).stdout
    check(table == run(*args, "--json", three, "--jobs", 3, code=0).stdout and one.read_bytes() == three.read_bytes())
    points = json.loads(one.read_text())
    check([point["options"] for point in points] ==
          [{"nand.luns": luns, "nand.read_time": time} for luns in "12" for time in ("40us", "60us", "30us,40us,50us")])
    lines = table.splitlines()
    check(lines[0].split() == ["nand.luns", "nand.read_time", "IOPS", "bandwidth", "mean", "p50", "p99", "p99.9", "WAF"])
    check(len(lines) == 1 + 2 * 6 and [line.split()[2] for line in lines[1:]] == 6 * ["read", "write"], table)
    alone = json.loads(run("run", "tlc", *FEW, "-o", "nand.luns=2", "-o", "nand.read_time=60us",
                           "--job", job, "--reproducible", "--json", "-", code=0).stdout)
    check(points[4]["result"] == alone)
    total, read = alone["drivelab"]["total"], alone["jobs"][0]["read"]
    check(total["read"]["ios"] == read["total_ios"] and total["read"]["lat_ns"]["mean"] == read["lat_ns"]["mean"], total)


def test_lists_are_checked_before_anything_runs(folder):
    job, path = write_job(folder, MIXED), pathlib.Path(folder, "x.json")
    path.write_text("whole")
    args = ["run", "tlc", "--job", job, "--json", path]
    refused(r"tlc, nand.luns=4, nand.planes=0: .*nand.planes", *args, "-o", "nand.luns=4,8", "-o", "nand.planes=2,0")
    refused(r"empty value", *args, "-o", "nand.luns=1,,2")
    refused(r"two lists", *args, "-o", "nand.luns=1,2", "-o", "nand.luns=1,2")
    refused(r"more than 1024", *args, *(f"-onand.{k}=" + ",".join(map(str, range(1, 12))) for k in ("luns", "pages", "blocks")))
    refused(r"unknown option", *args, "-o", "nand.lun=1,2")
    refused(r"several", *args, "-o", "nand.luns=1,2", "--timeline", "-")
    refused(r"--timeline.*none/t-1.json", *args, "-o", "nand.luns=1,2", "--timeline", pathlib.Path(folder, "none", "t.json"))
    refused(r"--html.*none", *args, "-o", "nand.luns=1,2", "--html", pathlib.Path(folder, "none", "t.html"))
    refused(r"from 1 to 256", *args, "--jobs", "0")
    refused(r"write_iolog.*several", "run", "tlc", "-o", "nand.luns=1,2", "--job",
            write_job(folder, "[a]\nrw=read\nwrite_iolog=x\n", "log.fio"))
    refused(r"None.*job|none\.fio", "run", "tlc", "-o", "nand.luns=1,2", "--job", pathlib.Path(folder, "none.fio"))
    check(path.read_text() == "whole")


def test_points_that_fail_are_named(folder):
    job = write_job(folder, "[a]\nrw=read\nsize=100MiB\nnumber_ios=10\n")
    done = run("run", "nossd", "-o", "drive.capacity=64MiB,1GiB", "-o", "nossd.read_latency=9us", "--job", job, code=1)
    check(re.search(r"nossd, drive\.capacity=64MiB: .*size", done.stderr), done.stderr)
    check(re.search(r"^ *1GiB .*MB/s|^ *1GiB .*GB/s", done.stdout, re.M), done.stdout)


def test_spare_flash_beyond_what_was_asked_is_said(folder):
    job = write_job(folder, "[a]\nrw=read\nsize=1m\n")
    small = run("run", "tlc", "-o", "drive.capacity=1GiB", "-o", "ssd.op_percent=7,25", "--job", job, code=0).stderr
    check(small.count("note: ssd.op_percent=7: it is a least value; 9 blocks a plane are ") == 1 and "smaller values change nothing" in small, small)
    check("op_percent" not in run("run", "tlc", "-o", "drive.capacity=1GiB", "--job", job, code=0).stderr)
    check("op_percent" not in run("run", "tlc", "-o", "ssd.op_percent=25", "--job", job, code=0).stderr)


def test_drives_side_by_side(folder):
    job = write_job(folder, "[a]\nrw=randread\nbs=4k\nnumber_ios=2000\n")
    args = ["run", "--job", job, "--jobs", 2, "-o", "ssd.precondition=sequential"]
    out = run(*args, "--compare", "tlc,qlc", code=0).stdout.splitlines()
    check(out[0].split() == ["tlc", "qlc"] and out[1].startswith("read IOPS "), out)
    check(all(re.search(r" x[\d.]+$", line) for line in out[1:]), out)
    check(float(next(line for line in out if line.startswith("read mean")).split("x")[1]) > 1, out)
    refused(r"two drives at least", *args, "--compare", "tlc")
    refused(r"without a name", *args, "--compare", "tlc,,qlc")
    refused(r'"tcl" \(did you mean', *args, "--compare", "tlc,tcl")
    refused(r"either a drive or --compare", *args, "tlc", "--compare", "tlc,qlc")
    both = run(*args, "--compare", "tlc,qlc", "-o", "drive.capacity=1GiB", "-o", "nand.luns=1,2", code=0).stdout.splitlines()
    check([line.split()[:2] for line in both] == [["drive", "nand.luns"], *([d, n] for d in ("tlc", "qlc") for n in "12")])


def test_several_runs_show_what_they_have_when_interrupted(folder):
    job = write_job(folder, "[a]\nrw=randread\nbs=4k\nruntime=1000000\ntime_based\niodepth=8\n")
    process = subprocess.Popen([PROGRAM, "run", "nossd", "-o", "nossd.read_latency=10us,20us,30us", "--jobs", "2", "--job", job],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    work_for(process, 0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    check(process.returncode == 1 and "3 of 3 points were not run to their end" in err, process.returncode, err)
    check(len(out.splitlines()) <= 3 and all("(interrupted)" in line for line in out.splitlines()[1:]), out)


def main(names):
    wanted = sys.argv[2:]
    tests = [(name[5:], f) for name, f in names.items() if name.startswith("test_") and (not wanted or name[5:] in wanted)]
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        verdict = f"ok {number} - {name}"
        with tempfile.TemporaryDirectory(prefix="drivelab-cli-") as folder:
            try:
                test(folder)
            except Skip as why:
                verdict += f" # SKIP {why}"
            except Exception:  # whatever it is, the other tests go on
                failed += 1
                verdict = "not " + verdict
                print("\n".join("# " + line for line in traceback.format_exc().splitlines()))
        print(verdict, flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(globals()))

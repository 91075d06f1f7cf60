#!/usr/bin/env python3
"""What is refused, and what is listed and explained. test_usage.py DRIVELAB [NAME...] prints TAP."""
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import LIMIT, Skip, check, drives, main, refused, run, write_job  # noqa: E402


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
        check(max(map(len, text.splitlines())) <= 100, name, "has lines wider than 100 columns")
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


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
"""Several runs at once: lists of values, drives side by side. test_points.py DRIVELAB [NAME...] prints TAP."""
import json
import pathlib
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import FEW, LIMIT, MIXED, PROGRAM, check, main, refused, run, work_for, write_job  # noqa: E402

LISTS = ["-o", "nand.luns=1,2", "-o", "nand.read_time=40us;60us;30us,40us,50us"]


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


if __name__ == "__main__":
    sys.exit(main(globals()))

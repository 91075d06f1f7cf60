#!/usr/bin/env python3
"""The files that `drivelab run` reads and writes. test_files.py DRIVELAB [NAME...] prints TAP."""
import bz2
import gzip
import json
import lzma
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import FAST, LIMIT, PROGRAM, Skip, check, main, refused, run, work_for, write_job  # noqa: E402

JOB = "[a]\nrw=randwrite\nsize=4m\n"
MSR = ["128166372003061629,hm,1,Read,8192,32768,413", "128166372003071629,hm,1,Write,2822144,4096,1000",
       "128166372003081629,hm,1,Read,0,4096,1000"]


def replay(folder, text, *args, code=0):
    """Replay these bytes and return the result."""
    path = pathlib.Path(folder, "t.csv")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return json.loads(run("run", "nossd", "--trace", path, "--json", "-", *args, code=code).stdout)


# ---- results ----


def test_results_never_replace_each_other_or_what_is_read(folder):
    """Files are told by what they are: whatever path or link names them."""
    here = pathlib.Path(folder)
    log = write_job(folder, JOB + "write_lat_log=x\n", "log.fio")
    plain = write_job(folder, JOB, "plain.fio")
    write_job(folder, "include plain.fio\n", "outer.fio")
    pathlib.Path(folder, "t.csv").write_text("\n".join(MSR))
    pathlib.Path(folder, "own.ini").write_text("[drive]\nkind = nossd\n")
    os.symlink("plain.fio", here / "link")
    os.link(plain, here / "hard")
    os.symlink("nothing", here / "dangling")
    before = {p.name: p.read_bytes() for p in here.iterdir() if p.exists()}
    for pattern, *args in (
            (r'--json \(x_lat\.1\.log\) and write_lat_log of job "a" \(x_lat\.1\.log\) are the same file', "--job", log, "--json", "x_lat.1.log"),
            (r"--html \(\./x_slat\.1\.log\) and write_lat_log", "--job", log, "--html", "./x_slat.1.log"),
            (r"--json \(r\) and --html \(\./r\) are the same", "--job", plain, "--json", "r", "--html", "./r"),
            (r"--html \(r\) and --timeline", "--job", plain, "--timeline", "r", "--html", "r"),
            (r"--json \(-\) and --html \(-\)", "--job", plain, "--json", "-", "--html", "-"),
            *((rf"--{option} \({name}\) and --job \(.*plain.fio\) are the same file; a result must not replace it", "--job", plain, f"--{option}", name)
              for option in ("json", "html", "timeline") for name in ("plain.fio", "link", "hard")),
            (r"--json \(plain.fio\) and include", "--job", "outer.fio", "--json", "plain.fio"),
            (r"--json \(t.csv\) and --trace", "--trace", "t.csv", "--json", "t.csv"),
            (r"--json \(own.ini\) and the drive", "--job", plain, "--json", "own.ini"),
            (r"a link to a file that does not exist", "--job", plain, "--json", "dangling"),
            (r"--timeline \(q-1.json\) and --json|--json \(q-1.json\) and --timeline", "--job", plain, "-o",
             "nossd.read_latency=10us,20us", "--timeline", "q.json", "--json", "q-1.json"),
            (r"--json b: there is one already, a", "--job", plain, "--json", "a", "--json", "b"),
            (r"--trace b: there is one already", "--trace", "t.csv", "--trace", "b")):
        refused(pattern, "run", "./own.ini", *args, cwd=folder)
    for pattern, text in ((r'write_iolog of job "a" \(bad.fio\) and --job', "write_iolog=bad.fio"),
                          (r'write_iolog of job "a" \(l\) and read_iolog of job "a"', "write_iolog=l\nread_iolog=l"),
                          (r"write_iops_log of job .* and write_iolog|write_iolog of job .* and write_iops_log",
                           "write_iolog=x_iops.log\nwrite_iops_log=x\nper_job_logs=0"),
                          (r'write_iolog of job "a" \(l\) and write_iolog of job "b" \(\./l\)', "write_iolog=l\n[b]\nrw=read\nwrite_iolog=./l")):
        refused(pattern, "run", "nossd", "--job", write_job(folder, JOB + text + "\n", "bad.fio"), cwd=folder)
    (here / "bad.fio").unlink()
    check(before == {p.name: p.read_bytes() for p in here.iterdir() if p.exists()}, list(here.iterdir()))
    run("run", "nossd", "--job", plain, "--json", "/dev/null", "--html", "/dev/null", code=0)
    with open(here / "text", "w") as out:
        done = subprocess.run([PROGRAM, "run", "nossd", "--job", plain, "--json", here / "text"], stdout=out,
                              stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    check(done.returncode == 2 and "and the standard output (-) are the same file" in done.stderr, done)


def test_parts_replace_no_parts(folder):
    """FILE, FILE.partial, FILE.partial2; a killed run leaves nothing."""
    job = write_job(folder, "[a]\nrw=randread\nruntime=1000000\ntime_based\nwrite_iolog=log\n")
    for number, signals in enumerate(((signal.SIGINT,), (signal.SIGINT,), (signal.SIGTERM,), (signal.SIGKILL,))):
        process = subprocess.Popen([PROGRAM, "run", "nossd", *FAST, "--job", job, "--json", "r.json"], cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        work_for(process, 0.5)
        process.send_signal(signals[0])
        out, err = process.communicate(timeout=LIMIT)
        check(process.returncode == (-9 if signals[0] == signal.SIGKILL else 1), number, process.returncode, err)
        check(number == 3 or "Interrupted: these are the results of the part" in out, out)
    files = sorted(p.name for p in pathlib.Path(folder).iterdir())
    check(files == ["job.fio", "log", "log.partial", "log.partial2", "r.json", "r.json.partial", "r.json.partial2"], files)
    for name in files[-3:]:
        check(json.loads(pathlib.Path(folder, name).read_text())["drivelab"]["interrupted"] is True)
    whole = run("run", "nossd", "--job", write_job(folder, JOB), "--json", "r.json", code=0, cwd=folder)
    check("interrupted" not in json.loads(pathlib.Path(folder, "r.json").read_text())["drivelab"], whole.stdout)


def test_a_full_disk_loses_no_old_results(folder):
    """What could not be written is said of each file; what was there stays, and the text is shown."""
    job = write_job(folder, JOB + "write_iolog=log\nwrite_lat_log=x\n")
    for name in ("r.json", "r.html", "log"):
        pathlib.Path(folder, name).write_text("whole")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run([PROGRAM, "run", "nossd", *FAST, "--job", job, "--json", "r.json", "--html", "r.html", "--timeline", "t"],
                          cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT, preexec_fn=limit)
    check(done.returncode == 1 and "a: (groupid=0" in done.stdout, done)
    for name in ("--json .*r.json", "--html .*r.html", "--timeline t", "write_(iolog|lat_log)="):
        check(any(re.search(name, line) for line in done.stderr.splitlines()), name, done.stderr)
    check({p.name: p.read_text() for p in pathlib.Path(folder).iterdir() if p.name != "job.fio"} ==
          {"r.json": "whole", "r.html": "whole", "log": "whole"}, list(pathlib.Path(folder).iterdir()))
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for args, name in ((("--json", "/dev/full"), "--json /dev/full"), (("--html", "/dev/full"), "--html /dev/full")):
        done = run("run", "nossd", "--job", write_job(folder, JOB), *args, code=1)
        check(name in done.stderr, done.stderr)
    with open("/dev/full", "w") as full:
        for args in ((), ("--json", "-")):
            done = subprocess.run([PROGRAM, "run", "nossd", "--job", write_job(folder, JOB), *args], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=LIMIT)
            check(done.returncode == 1 and "the standard output" in done.stderr, done)


def test_job_files_may_come_from_the_standard_input(folder):
    for args in ([], ["-o", "nossd.read_latency=10us,20us"]):
        done = subprocess.run([PROGRAM, "run", "nossd", *args, "--job", "-"], input=JOB, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        check(done.returncode == 0 and len(done.stdout.splitlines()) >= 3, done)
    done = subprocess.run([PROGRAM, "run", "nossd", "--job", "-"], input="[a]\nno=1\n", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    check(done.returncode == 2 and done.stderr.startswith('drivelab: standard input:2: option "no"'), done)


def test_results_on_the_standard_output_stand_alone(folder):
    job = write_job(folder, JOB)
    check(run("run", "nossd", "--job", job, "--html", "-", code=0).stdout.startswith("<!DOCTYPE html>"))
    json.loads(run("run", "nossd", "--job", job, "--timeline", "-", code=0).stdout)


# ---- traces ----


def test_traces_are_told_whatever_wrote_them(folder):
    """Ends of lines, a byte order mark, headings in any order, compression."""
    plain = "\n".join(MSR) + "\n"
    heads = "Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n"
    swapped = "Timestamp,Type,Size,Offset,Hostname,ResponseTime,Disk Number\n" + "".join(
        "{0},{3},{5},{4},{1},{6},{2}\n".format(*line.split(",")) for line in MSR)
    want = replay(folder, plain)["drivelab"]["total"]
    for text in (plain.replace("\n", "\r\n"), "\ufeff" + plain, heads + plain, "\ufeff" + heads.replace("\n", "\r\n") + plain,
                 swapped, plain.rstrip("\n"), gzip.compress(plain.encode()), gzip.compress(("\ufeff" + swapped).encode())):
        got = replay(folder, text)["drivelab"]["total"]
        check(got == want, text, got, want)
    for text, where in (("timestamp,device_id,opcode,offset,length\n1500,3,W,4096,8192\n", ("write", 8192)),
                        ("VolumeID,IOType,Size,Offset,Timestamp\n7,0,8,16,1500\n", ("read", 4096)),
                        ("LUN,Size,Offset,IOType,Response,Timestamp\n0,512,1024,R,0.1,1.5\n", ("read", 512))):
        check(replay(folder, text)["drivelab"]["total"][where[0]]["bytes"] == where[1], text)
    other = "ts,host,disk,op,off,sz,rt\n" + plain
    check(replay(folder, other, "--trace-format", "msr")["drivelab"]["total"] == want)


def test_unreadable_traces_are_refused_by_line(folder):
    long = "\n".join(f"{128166372003061629 + i},hm,1,Read,{i * 4096},4096,{i * 7919 % 1000}" for i in range(20000)) + "\n"
    packed = gzip.compress(long.encode())
    first = MSR[0] + "\n"
    cases = [
        (r"t\.csv:\d+: the gzip data are damaged after \d+ bytes: the file ends too early", packed[:len(packed) // 2]),
        (r"t\.csv:20001: the gzip data are damaged", packed + b"junk"),
        (r"is compressed by xz; allowed are", lzma.compress(first.encode())),
        (r"is compressed by bzip2; allowed are", bz2.compress(first.encode())),
        (r"is text in UTF-16; allowed are", first.encode("utf-16")),
        (r"t\.csv: is empty; a trace has at least one request", b""),
        (r"t\.csv: nothing but blanks", b"\n \n"),
        (r"t\.csv: no request in it", b"Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n"),
        (r'begins with "\?\?\[31mX"; name the format', b"\xe9\x1b[31mX\nabc"),
        (r't\.csv:2: found "\d+,hm,1,Read,4096,413"; a line of format msr is: TIMESTAMP', first.encode() + b"128166372003061630,hm,1,Read,4096,413\n"),
        (r't\.csv:2: found ".*,-4096,413"', first.encode() + b"128166372003061630,hm,1,Read,0,-4096,413\n"),
        (r't\.csv:2: found ".*18446744073709551616', first.encode() + b"128166372003061630,hm,1,Read,18446744073709551616,4096,413\n"),
        (r't\.csv:2: found "99999999999999999999', first.encode() + b"99999999999999999999,hm,1,Read,0,4096,413\n"),
        (r't\.csv:2: found "128166372003061630,h\?\?m,', first.encode() + b"128166372003061630,h\x1b\x07m,1,Rea,0,4096,413\n"),
    ]
    for pattern, text in cases:
        pathlib.Path(folder, "t.csv").write_bytes(text)
        refused(pattern, "run", "nossd", "--trace", "t.csv", cwd=folder)
    pathlib.Path(folder, "t.csv").write_text("ts,host,disk,size,off,sz,rt\n" + first)
    refused(r't\.csv:1: found "ts,host', "run", "nossd", "--trace", "t.csv", "--trace-format", "msr", cwd=folder)
    refused(r"Is a directory", "run", "nossd", "--trace", folder)
    pathlib.Path(folder, "t.csv").write_text(first + "128166372003061630,hm,1,Read,9223372036854775807,4096,413\n")
    refused(r"t\.csv:2: request 2, 4096 bytes at byte 9223372036854775807, ends beyond the drive, which has \d+; allowed are",
            "run", "nossd", "--trace", "t.csv", "--trace-fit", "refuse", cwd=folder)
    os.mkfifo(f"{folder}/fifo")
    writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=os.open(f"{folder}/fifo", os.O_RDWR))
    writer.communicate(first.encode())
    refused(r"fifo: its addresses can't be scaled: that needs to read it twice", "run", "nossd", "--trace", "fifo",
            "--trace-fit", "scale", cwd=folder)
    notes = run("run", "nossd", "--trace", write_job(folder, first + "128166372003061630,hm,1,Read,0,0,4\n", "z.csv"), code=0).stderr
    check("1 requests of 0 bytes were left out" in notes, notes)


if __name__ == "__main__":
    sys.exit(main(globals()))

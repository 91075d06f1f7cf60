#!/usr/bin/env python3
"""`drivelab serve`, `perf` and `demo`. test_serve.py DRIVELAB [NAME...] prints TAP."""
import hashlib
import json
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from cli_bed import FAST, LIMIT, PROGRAM, Server, Skip, check, drives, main, refused, run, work_for  # noqa: E402

IMAGE_STOP_AT = 4096
IMAGE_CLEAN = 0x4E41454C
IMAGE_PAYLOAD_AT = 1 << 20


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


if __name__ == "__main__":
    sys.exit(main(globals()))

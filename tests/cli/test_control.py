#!/usr/bin/env python3
"""The control socket of a served drive, and `drivelab ctl`. test_control.py DRIVELAB [NAME...] prints TAP."""
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from cli_bed import FAST, LIMIT, PROGRAM, Server, Skip, check, drives, main, refused, run  # noqa: E402


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


if __name__ == "__main__":
    sys.exit(main(globals()))

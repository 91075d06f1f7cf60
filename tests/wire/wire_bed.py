"""What good and malformed NVMe/TCP exchanges with a real target process share.

sys.argv is PATH-TO-wire_target [NAME-PART]; main() prints TAP. Each test has
connections of its own. A bystander is connected all the time and must read what
it wrote after every test: others' errors are none of its business.
"""
import json
import os
import subprocess
import sys
import time
import traceback

from pdu import *  # noqa: F403

TARGET = sys.argv[1]
TESTS = []
BLOCK = bytes(4096)


class Target:
    """A running wire_target."""

    def __init__(self, *options, address=None):
        args = [TARGET, "-s"]
        for o in options:
            args += ["-o", o]
        self.process = subprocess.Popen(args + ([address] if address else []), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.info = json.loads(line) if line else None
        if self.info:
            self.port, self.nqn = self.info["port"], self.info["nqn"]

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stats(self):
        return self.ask("stats")

    def come_to(self, **wanted):
        """Wait until statistics have these values."""
        deadline = time.monotonic() + 60
        while any((stats := self.stats())[name] != value for name, value in wanted.items()):
            assert time.monotonic() < deadline, (wanted, stats)
            time.sleep(0.02)

    def check(self):
        answer = self.ask("check")
        assert answer["check"] == 0, answer

    def rss(self):
        with open("/proc/%d/statm" % self.process.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(30)
        assert code == 0, "the target ended with %d" % code

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.stdin.close()
            self.process.wait(30)
        else:
            self.stop()

    # hosts

    def raw(self, **kw):
        return Connection(self.port, **kw)

    def ready(self, rcvbuf=0, **kw):
        """A connection after ICReq."""
        c = Connection(self.port, rcvbuf=rcvbuf)
        c.init(**kw)
        return c

    def admin(self, rcvbuf=0, **kw):
        c = self.ready(**kw)
        c.connect(self.nqn)
        c.enable()
        return c

    def io(self, entries=32, no_flow_control=False, rcvbuf=0, **kw):
        """An I/O queue; its admin queue hangs on it."""
        admin = self.admin()
        c = self.ready(rcvbuf=rcvbuf, **kw)
        c.connect(self.nqn, qid=1, cntlid=admin.cntlid, entries=entries, no_flow_control=no_flow_control)
        c.admin = admin
        return c


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def expect_term(c, fes, fei=None, header=None):
    """The connection ends with a C2HTermReq of this kind, and then closes."""
    while True:
        pdu = c.recv()
        if pdu.kind == C2H_TERM:
            break
    assert pdu.hlen == 24 and pdu.plen <= 152, pdu
    assert pdu.fes == fes, "FES %d, want %d" % (pdu.fes, fes)
    if fei is not None:
        assert pdu.fei == fei, "FEI %d, want %d" % (pdu.fei, fei)
    if header is not None:
        assert pdu.raw[24:] == header, "offending header %s, want %s" % (pdu.raw[24:].hex(), header.hex())
    assert c.closed(), "more after the TermReq"


def expect_status(c, code):
    resp = c.recv()
    assert resp.kind == RESP, resp
    assert resp.code == code, "status %#x, want %#x" % (resp.code, code)
    return resp


def write_of(c, **kw):
    return c.write_in_capsule(0, BLOCK, **kw)


def alive(c):
    """The queue still works."""
    block = os.urandom(512)
    c.send(c.write_in_capsule(7, block))
    expect_status(c, 0)
    assert c.read_data(7, 1) == block


def main():
    tests = [x for x in TESTS if len(sys.argv) < 3 or sys.argv[2] in x[0]]
    print("1..%d" % (len(tests) + 1), flush=True)
    failed = 0
    with Target() as t:
        bystander = t.io()
        mark = os.urandom(4096)
        bystander.send(bystander.write_in_capsule(100000, mark))
        expect_status(bystander, 0)
        for number, (name, run) in enumerate(tests, 1):
            start = time.monotonic()
            try:
                run(t)
                assert bystander.read_data(100000, 8) == mark, "the bystander's data changed"
                t.check()
                print("ok %d - %s # %d ms" % (number, name, 1000 * (time.monotonic() - start)), flush=True)
            except Exception:  # noqa: BLE001 - any failure is a failed test
                failed += 1
                print("not ok %d - %s" % (number, name), flush=True)
                for line in traceback.format_exc().splitlines():
                    print("# " + line, flush=True)
                if t.process.poll() is not None:
                    print("Bail out! the target is gone")
                    return 1
        for _ in range(50):
            stats = t.stats()
            fine = stats["write_buffer_bytes"] == 0 and stats["connections"] == 2 and stats["timed_out"] == 0
            if fine:
                break
            time.sleep(0.1)
        print("%s %d - all buffers came back, all connections ended" % ("ok" if fine else "not ok", len(tests) + 1),
              flush=True)
        print("# %s" % json.dumps(stats))
    return 1 if failed or not fine else 0

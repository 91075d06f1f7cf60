#!/usr/bin/env python3
"""Good and malformed NVMe/TCP exchanges against a real target process.

usage: test_wire.py PATH-TO-wire_target [NAME-PART]    prints TAP

Each test has connections of its own. A bystander is connected all the time and
must read what it wrote after every test: others' errors are none of its business.
"""

import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pdu import *  # noqa: E402,F403

TARGET = sys.argv[1]
TESTS = []


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


def alive(c):
    """The queue still works."""
    block = os.urandom(512)
    c.send(c.write_in_capsule(7, block))
    expect_status(c, 0)
    assert c.read_data(7, 1) == block


# ---- initialisation ----


@test
def icreq_is_answered(t):
    with t.raw() as c:
        resp = c.init()
        assert (resp.hlen, resp.plen, resp.flags, resp.pdo) == (128, 128, 0, 0)
        assert resp.raw[8:10] == b"\0\0" and resp.raw[10] == 0 and c.maxh2c >= 4096


@test
def digests_are_negotiated_one_by_one(t):
    for want in range(4):
        with t.raw() as c:
            assert c.init(dgst=want).raw[11] == want


@test
def digests_can_be_refused(t):
    with Target("tcp.header_digest=no", "tcp.data_digest=no") as u, u.raw() as c:
        assert c.init(dgst=3).raw[11] == 0


@test
def icreq_with_unknown_format_version(t):
    with t.raw() as c:
        c.send(ic_req(pfv=1))
        expect_term(c, FES_UNSUPPORTED, 8, ic_req(pfv=1))


@test
def icreq_with_hpda_out_of_range(t):
    with t.raw() as c:
        c.send(ic_req(hpda=32))
        expect_term(c, FES_HEADER, 10)


@test
def icreq_with_wrong_header_length(t):
    with t.raw() as c:
        c.send(ic_req(hlen=120))
        expect_term(c, FES_HEADER, 2)


@test
def icreq_with_wrong_pdu_length(t):
    for plen in (0, 8, 127, 129, 0xFFFFFFFF):
        with t.raw() as c:
            c.send(ic_req(plen=plen))
            expect_term(c, FES_HEADER, 4)


@test
def icreq_twice(t):
    with t.ready() as c:
        c.send(ic_req())
        expect_term(c, FES_SEQUENCE, 0)


@test
def command_before_icreq(t):
    with t.raw() as c:
        c.send(c.cmd(sqe(ADMIN_KEEP_ALIVE, 1)))
        expect_term(c, FES_SEQUENCE, 0)


@test
def icreq_and_capsule_in_one_segment(t):
    with t.raw() as c:
        c.send(ic_req() + c.connect_capsule(t.nqn))
        assert c.recv().kind == IC_RESP
        expect_status(c, 0)


@test
def icreq_followed_by_rubbish_in_one_segment(t):
    with t.raw() as c:
        c.send(ic_req() + b"\xaa" * 100)
        assert c.recv().kind == IC_RESP
        expect_term(c, FES_HEADER, 0)


# ---- Connect and sequence ----


@test
def command_before_connect(t):
    with t.ready() as c:
        c.send(c.cmd(sqe(ADMIN_IDENTIFY, 9, 0, (1,), (0, 4096, TRANSPORT))))
        resp = c.recv()
        assert resp.kind == RESP and resp.status != 0 and resp.cid == 9, resp


@test
def many_commands_before_connect(t):
    with t.ready() as c:
        c.send(b"".join(c.cmd(sqe(ADMIN_KEEP_ALIVE, i)) for i in range(64)))
        while True:  # each is refused, or the connection ends; nothing else
            pdu = c.recv()
            if pdu.kind == C2H_TERM or pdu.cid == 63:
                break
            assert pdu.kind == RESP and pdu.status != 0


@test
def connect_twice(t):
    with t.ready() as c:
        c.connect(t.nqn)
        c.send(c.connect_capsule(t.nqn))
        resp = c.recv()
        assert resp.kind == RESP and resp.status != 0, resp


@test
def connect_to_unknown_subsystem(t):
    with t.ready() as c:
        c.send(c.connect_capsule("nqn.2000-01.no.such:thing"))
        assert expect_status(c, 0x182)


@test
def connect_of_queue_to_unknown_controller(t):
    with t.ready() as c:
        c.send(c.connect_capsule(t.nqn, qid=1, cntlid=0x7777))
        assert expect_status(c, 0x182)


@test
def connect_with_its_data_cut_short(t):
    with t.ready() as c:
        whole = c.connect_capsule(t.nqn)
        c.send(whole[:4] + struct.pack("<I", 72 + 100) + whole[8:172])
        assert c.recv().code == 0x00F


@test
def connect_by_r2t(t):
    with t.ready() as c:
        entry, data = c.connect_capsule(t.nqn)[8:72], c.connect_capsule(t.nqn)[72:]
        entry = entry[:24] + struct.pack("<QI3xB", 0, 1024, TRANSPORT) + entry[40:]
        c.send(c.cmd(entry))
        r2t = c.recv()
        assert r2t.kind == R2T and r2t.offset == 0 and r2t.length == 1024, r2t
        c.send(c.h2c(r2t.cid, r2t.ttag, 0, data))
        expect_status(c, 0)


@test
def connect_in_time_or_never(t):
    with Target("tcp.connect_timeout=300ms") as u:
        idle, half, fine = u.raw(), u.raw(), u.admin()
        half.init()
        assert idle.closed() and half.closed()
        assert fine.complete(sqe(ADMIN_KEEP_ALIVE, 1)).status == 0
        assert u.stats()["timed_out"] == 2


@test
def disconnect_command_is_answered(t):
    with t.io() as c:
        entry = struct.pack("<BBHB35xH22x", FABRICS, 0x40, 5, 8, 0)
        resp = c.complete(entry)
        assert resp.kind == RESP


@test
def disconnect_command_frees_the_queue_identifier_at_once(t):
    entry = struct.pack("<BBHB59x", FABRICS, 0, 9, 8)
    with t.io() as old:
        resp = old.complete(entry)
        assert resp.status == 0, resp
        with t.ready() as new:
            new.connect(t.nqn, qid=1, cntlid=old.admin.cntlid)
            alive(new)
            old.send(old.read(0, 1))
            expect_status(old, 0x00C)
            t.check()
            old.admin.close()
            assert old.closed() and new.closed(), "they outlive their controller"


@test
def keep_alive_expires(t):
    with t.ready() as c:
        c.connect(t.nqn, kato=300)
        c.enable()
        start = time.monotonic()
        assert c.closed()
        assert time.monotonic() - start > 0.2


# ---- data ----


@test
def read_with_completion(t):
    with t.io() as c:
        c.send(c.read(0, 8, cid=77))
        data, resp = c.recv(), c.recv()
        assert data.kind == C2H_DATA and data.flags == LAST and data.cid == 77 and data.offset == 0
        assert data.hlen == 24 and data.pdo == 24 and len(data.data) == 4096
        assert resp.kind == RESP and resp.cid == 77 and resp.status == 0 and resp.plen == 24


@test
def read_with_success_flag_only_without_flow_control(t):
    with t.io(no_flow_control=True) as c:
        c.send(c.read(0, 8, cid=78) + c.cmd(sqe(IO_FLUSH, 79, 1)))
        data, resp = c.recv(), c.recv()
        assert data.flags == LAST | SUCCESS and data.cid == 78
        assert resp.kind == RESP and resp.cid == 79


@test
def success_flag_can_be_forced_and_forbidden(t):
    for option, wants in (("always", True), ("no", False)):
        with Target("tcp.c2h_success=" + option) as u, u.io(no_flow_control=not wants) as c:
            c.send(c.read(0, 1))
            assert bool(c.recv().flags & SUCCESS) == wants


@test
def failed_read_has_no_data(t):
    with t.io(no_flow_control=True) as c:
        c.send(c.read(1 << 30, 1))
        expect_status(c, 0x080)
        alive(c)


@test
def data_is_aligned_as_the_host_asks(t):
    for hpda in (0, 1, 7, 31):
        for dgst in (0, 3):
            with t.io(hpda=hpda, dgst=dgst) as c:
                alive(c)


@test
def data_is_asked_for_as_the_target_is_told(t):
    for cpda in (0, 3, 31):
        with Target("tcp.cpda=%d" % cpda) as u, u.io(dgst=3) as c:
            alive(c)
            block = os.urandom(4096)
            c.send(c.write_by_r2t(0, 4096))
            r2t = c.recv()
            c.send(c.h2c(r2t.cid, r2t.ttag, 0, block))
            expect_status(c, 0)
            assert c.read_data(0, 8) == block


@test
def write_in_capsule_and_read_back(t):
    for dgst in range(4):
        with t.io(dgst=dgst) as c:
            for n in (512, 4096, 8192, 16384):
                block = os.urandom(n)
                c.send(c.write_in_capsule(16, block))
                expect_status(c, 0)
                assert c.read_data(16, n // 512) == block


@test
def write_by_r2t_in_pieces(t):
    rng = random.Random(1)
    for dgst in (0, 3):
        with t.io(dgst=dgst) as c:
            block = os.urandom(131072)
            c.send(c.write_by_r2t(100, len(block)))
            r2t = c.recv()
            assert r2t.kind == R2T and r2t.offset == 0 and r2t.length == len(block), r2t
            at = 0
            while at < len(block):
                n = min(rng.choice((4, 512, 4096, 5000, 65536)), len(block) - at)
                c.send(c.h2c(r2t.cid, r2t.ttag, at, block[at:at + n], last=at + n == len(block)))
                at += n
            expect_status(c, 0)
            assert c.read_data(100, 256) == block


@test
def many_writes_by_r2t_interleaved(t):
    with Target("tcp.write_memory=256KiB") as u, u.io() as c:
        blocks, waiting, done = {}, {}, 0
        for cid in range(16):
            blocks[cid] = os.urandom(65536)
            c.send(c.write_by_r2t(cid * 128, 65536, cid=cid))
        granted = 0
        while done < 16:
            pdu = c.recv()
            if pdu.kind == RESP:
                assert pdu.status == 0
                done += 1
                continue
            waiting[pdu.cid] = pdu.ttag
            granted += 1
            if len(waiting) < min(4, 16 - (granted - len(waiting))):
                continue  # the memory is for four at a time
            for half in (0, 32768):
                for cid, ttag in waiting.items():
                    c.send(c.h2c(cid, ttag, half, blocks[cid][half:half + 32768], last=half > 0))
            waiting = {}
        for cid in range(16):
            assert c.read_data(cid * 128, 128) == blocks[cid]
        assert u.stats()["write_buffer_bytes"] == 0


@test
def data_in_capsules_counts_against_the_memory(_):
    with Target("tcp.write_memory=64KiB", "nossd.write_latency=20ms") as u, u.io(entries=64) as c:
        blocks = [os.urandom(16384) for _ in range(60)]
        for i, block in enumerate(blocks):
            c.send(c.write_in_capsule(i * 32, block))
        most = 0
        for i in range(60):
            most = max(most, u.stats()["write_buffer_bytes"])
            expect_status(c, 0)
        assert 0 < most <= 65536, "%d bytes at once" % most
        for i, block in enumerate(blocks):
            assert c.read_data(i * 32, 32) == block
        assert u.stats()["write_buffer_bytes"] == 0 and u.stats()["pauses"] > 0


@test
def capsules_do_not_wait_for_data_behind_them(_):
    with Target("tcp.write_memory=64KiB") as u, u.io() as c:
        block = os.urandom(32768)
        for lba in (64, 128):  # takes all the memory
            c.send(c.write_by_r2t(lba, 32768))
        grants = [c.recv(), c.recv()]
        assert [g.kind for g in grants] == [R2T, R2T]
        for i in range(8):
            c.send(c.write_in_capsule(1024 + i, block[:512]))
        for g in grants:
            c.send(c.h2c(g.cid, g.ttag, 0, block))
        for i in range(10):
            expect_status(c, 0)
        assert c.read_data(64, 64) == block and u.stats()["write_buffer_bytes"] == 0


@test
def more_sgl_than_data_is_fine(t):
    """Linux describes a whole page for one range of a deallocation."""
    with t.io() as c:
        ranges = struct.pack("<IIQ", 0, 8, 64).ljust(4096, b"\0")
        c.send(c.cmd(sqe(0x09, 3, 1, (0, 4), (0, 4096, IN_CAPSULE)), ranges))
        expect_status(c, 0)


# ---- a command's own errors: the queue lives on ----


def bad_sgl(name, make, code):
    def run(t):
        with t.io() as c:
            c.send(make(c))
            expect_status(c, code)
            alive(c)
    TESTS.append((name, run))


DATA = bytes(4096)


def write_sgl(sgl, data=DATA):
    return lambda c: c.cmd(sqe(IO_WRITE, c.cid(), 1, (0, 0, 7), sgl), data)


bad_sgl("in-capsule offset beyond the data", write_sgl((4100, 4096, IN_CAPSULE)), 0x016)
bad_sgl("in-capsule offset that wraps", write_sgl((0xFFFFFFFFFFFFFFF0, 4096, IN_CAPSULE)), 0x016)
bad_sgl("in-capsule SGL longer than the capsule", write_sgl((0, 8192, IN_CAPSULE)), 0x00F)
bad_sgl("in-capsule SGL of 4 GiB", write_sgl((16, 0xFFFFFFFF, IN_CAPSULE)), 0x00F)
bad_sgl("in-capsule SGL shorter than the write", write_sgl((0, 512, IN_CAPSULE)), 0x00F)
bad_sgl("in-capsule SGL without data", write_sgl((0, 4096, IN_CAPSULE), b""), 0x00F)
bad_sgl("transport SGL shorter than the write", write_sgl((0, 512, TRANSPORT), b""), 0x00F)
bad_sgl("keyed SGL", write_sgl((0, 4096, 0x40), b""), 0x011)
bad_sgl("address SGL", write_sgl((0x1000, 4096, 0x00), b""), 0x011)
bad_sgl("segment SGL", write_sgl((0, 4096, 0x20), b""), 0x011)
bad_sgl("read into a capsule", lambda c: c.cmd(sqe(IO_READ, 1, 1, (0, 0, 7), (0, 4096, IN_CAPSULE))), 0x011)
bad_sgl("transport SGL shorter than the read",
        lambda c: c.cmd(sqe(IO_READ, 1, 1, (0, 0, 7), (0, 512, TRANSPORT))), 0x00F)


@test
def in_capsule_data_at_an_offset(t):
    with t.io() as c:
        block = os.urandom(512)
        c.send(c.cmd(sqe(IO_WRITE, 1, 1, (3, 0, 0), (64, 512, IN_CAPSULE)), bytes(64) + block))
        expect_status(c, 0)
        assert c.read_data(3, 1) == block


@test
def data_digest_error_in_a_capsule_fails_only_the_command(t):
    with t.io(dgst=2) as c:
        alive(c)
        c.send(c.write_in_capsule(7, b"\xee" * 512, bad_ddgst=True))
        resp = expect_status(c, 0x022)
        assert not resp.status & 0x4000, "DNR: the host should try again"
        assert c.read_data(7, 1) != b"\xee" * 512
        alive(c)


@test
def data_digest_error_in_h2cdata_fails_only_the_command(t):
    with t.io(dgst=2) as c:
        c.send(c.write_by_r2t(0, 8192))
        r2t = c.recv()
        c.send(c.h2c(r2t.cid, r2t.ttag, 0, bytes(4096), last=False, bad_ddgst=True))
        c.send(c.h2c(r2t.cid, r2t.ttag, 4096, bytes(4096)))
        expect_status(c, 0x022)
        alive(c)


@test
def command_identifier_in_use(t):
    with Target("nossd.read_latency=300ms") as u, u.io() as c:
        c.send(c.read(0, 1, cid=5) + c.read(0, 1, cid=5) + c.read(0, 1, cid=6))
        answers = []
        while len(answers) < 3:
            pdu = c.recv()
            if pdu.kind == RESP:
                answers.append((pdu.cid, pdu.code))
        assert sorted(answers) == [(5, 0), (5, 3), (6, 0)], answers
        u.check()
        c.send(c.read(0, 1, cid=5))
        assert c.recv().kind == C2H_DATA and c.recv().status == 0


@test
def command_identifier_reused_at_once(t):
    with t.io() as c:
        for _ in range(200):
            c.send(c.read(0, 1, cid=0xFFFF))
            assert c.recv().kind == C2H_DATA and expect_status(c, 0).cid == 0xFFFF


# ---- errors of the connection ----


def fatal(name, make, fes, fei=None, **negotiate):
    """make(c) gives the bytes; FEI None: not looked at."""
    def run(t):
        with t.io(**negotiate) as c:
            c.send(make(c))
            expect_term(c, fes, fei)
    TESTS.append((name, run))


def write_of(c, **kw):
    return c.write_in_capsule(0, bytes(4096), **kw)


FLUSH = sqe(IO_FLUSH, 1, 1)
for _kind in (IC_RESP, C2H_TERM, RESP, C2H_DATA, R2T, 8, 10, 0x55, 0xFF):
    fatal("PDU of type %#04x from a host" % _kind, lambda c, k=_kind: header(k, 0, 24, 0, 24) + bytes(16), FES_HEADER, 0)
for _hlen in (0, 8, 24, 71, 73, 128, 255):
    fatal("capsule with header length %d" % _hlen, lambda c, h=_hlen: c.cmd(FLUSH, hlen=h), FES_HEADER, 2)
for _plen in (0, 7, 8, 71):
    fatal("capsule with PDU length %d" % _plen, lambda c, p=_plen: c.cmd(FLUSH, plen=p), FES_HEADER, 4)
for _pdo in (1, 8, 71, 73, 74):
    fatal("capsule with data at %d" % _pdo, lambda c, p=_pdo: write_of(c, pdo=p), FES_HEADER, 3)
fatal("capsule with data but no offset", lambda c: write_of(c, pdo=0), FES_HEADER, 3)
fatal("capsule with its data behind the PDU", lambda c: c.cmd(FLUSH, bytes(16), pdo=252), FES_HEADER, 3)
fatal("capsule with no room for the data digest", lambda c: c.wrap(CMD, FLUSH, b"ab", pdo=72, plen=74), FES_HEADER, 4,
      dgst=2)
fatal("capsule with too much data", lambda c: c.write_in_capsule(0, bytes(16384 + 512)), FES_LIMIT)
fatal("capsule of 4 GiB", lambda c: c.cmd(FLUSH, plen=0xFFFFFFFF, pdo=72), FES_LIMIT)
fatal("capsule with a header digest nobody agreed on", lambda c: c.cmd(FLUSH, flags=HDGST), FES_HEADER, 1)
fatal("capsule with a data digest nobody agreed on", lambda c: write_of(c, flags=DDGST), FES_HEADER, 1)
fatal("capsule without the header digest agreed on",
      lambda c: header(CMD, 0, 72, 0, 76) + FLUSH + bytes(4), FES_HEADER, 1, dgst=1)
fatal("capsule without the data digest agreed on",
      lambda c: header(CMD, 0, 72, 72, 72 + 512 + 4) + FLUSH + bytes(516), FES_HEADER, 1, dgst=2)
fatal("H2CData that nobody asked for", lambda c: c.h2c(1, 1, 0, bytes(512)), FES_HEADER, 10)
fatal("H2CData with a tag out of range", lambda c: c.h2c(1, 0xFFFF, 0, bytes(512)), FES_HEADER, 10)
fatal("H2CData of 4 GiB", lambda c: c.h2c(1, 1, 0, bytes(512), plen=0xFFFFFFFF), FES_LIMIT)
fatal("H2CData without data", lambda c: c.h2c(1, 1, 0, b""), FES_HEADER)
fatal("H2CData with header length 72", lambda c: c.h2c(1, 1, 0, bytes(64), hlen=72), FES_HEADER, 2)
fatal("H2CTermReq too long", lambda c: header(H2C_TERM, 0, 24, 0, 153) + bytes(145), FES_HEADER, 4)
fatal("H2CTermReq with a wrong header length", lambda c: header(H2C_TERM, 0, 16, 0, 24) + bytes(16), FES_HEADER, 2)


@test
def header_digest_error_is_fatal(t):
    with t.io(dgst=1) as c:
        pdu = c.cmd(FLUSH, bad_hdgst=True)
        c.send(pdu)
        expect_term(c, FES_DIGEST, struct.unpack("<I", pdu[72:76])[0], pdu[:72])


@test
def header_digest_error_in_h2cdata_is_fatal(t):
    with t.io(dgst=1) as c:
        c.send(c.write_by_r2t(0, 4096))
        r2t = c.recv()
        c.send(c.h2c(r2t.cid, r2t.ttag, 0, bytes(4096), bad_hdgst=True))
        expect_term(c, FES_DIGEST)


@test
def term_req_shows_the_offending_header(t):
    with t.io() as c:
        pdu = c.h2c(0x1234, 0x77, 8, bytes(16))
        c.send(pdu)
        expect_term(c, FES_HEADER, 10, pdu[:24])


def wrong_transfer(name, make, fes, fei=None):
    """After a good R2T for 8 KiB, make(c, r2t) gives what the host sends."""
    def run(t):
        with t.io() as c:
            c.send(c.write_by_r2t(0, 8192, cid=9))
            r2t = c.recv()
            assert r2t.kind == R2T and r2t.cid == 9
            c.send(make(c, r2t.ttag))
            expect_term(c, fes, fei)
    TESTS.append((name, run))


HALF = bytes(4096)
wrong_transfer("H2CData for another command", lambda c, tag: c.h2c(8, tag, 0, HALF, last=False), FES_HEADER, 8)
wrong_transfer("H2CData with another tag", lambda c, tag: c.h2c(9, tag + 1, 0, HALF, last=False), FES_HEADER, 10)
wrong_transfer("H2CData that starts late", lambda c, tag: c.h2c(9, tag, 512, HALF, last=False), FES_RANGE)
wrong_transfer("H2CData twice", lambda c, tag: c.h2c(9, tag, 0, HALF, last=False) * 2, FES_RANGE)
wrong_transfer("H2CData beyond the request", lambda c, tag: c.h2c(9, tag, 0, HALF * 3), FES_RANGE)
wrong_transfer("H2CData with an offset that wraps", lambda c, tag: c.h2c(9, tag, 0xFFFFF000, HALF), FES_RANGE)
wrong_transfer("H2CData with another data length",
               lambda c, tag: c.h2c(9, tag, 0, HALF, datal=512, last=False), FES_HEADER, 16)
wrong_transfer("H2CData with LAST too early", lambda c, tag: c.h2c(9, tag, 0, HALF, last=True), FES_HEADER, 1)
wrong_transfer("H2CData without LAST", lambda c, tag: c.h2c(9, tag, 0, HALF * 2, last=False), FES_HEADER, 1)
wrong_transfer("H2CData after the last", lambda c, tag: c.h2c(9, tag, 0, HALF * 2) * 2, FES_HEADER, 10)
wrong_transfer("H2CData with data inside its header",
               lambda c, tag: c.h2c(9, tag, 0, HALF, pdo=20, last=False), FES_HEADER, 3)


@test
def data_is_asked_for_by_the_largest_pdu(_):
    with Target("tcp.max_h2c_data=4096") as u:
        for dgst in (0, 3):
            with u.io(dgst=dgst) as c:
                blocks = {lba: os.urandom(13 * 1024) for lba in (0, 100, 200)}
                for lba in blocks:
                    c.send(c.write_by_r2t(lba, 13 * 1024, cid=lba + 1))
                done, at = 0, dict.fromkeys(blocks, 0)
                while done < 3:
                    pdu = c.recv()
                    if pdu.kind == RESP:
                        assert pdu.status == 0 and at[pdu.cid - 1] == 13 * 1024
                        done += 1
                        continue
                    lba = pdu.cid - 1
                    assert pdu.offset == at[lba] and pdu.length == min(4096, 13 * 1024 - at[lba]), pdu
                    half, end = pdu.offset + 1024, pdu.offset + pdu.length
                    if pdu.length > 1024:
                        c.send(c.h2c(pdu.cid, pdu.ttag, pdu.offset, blocks[lba][pdu.offset:half], last=False))
                    else:
                        half = pdu.offset
                    c.send(c.h2c(pdu.cid, pdu.ttag, half, blocks[lba][half:end]))
                    at[lba] = end
                for lba in blocks:
                    assert c.read_data(lba, 26) == blocks[lba]


@test
def h2cdata_larger_than_maxh2cdata(t):
    with Target("tcp.max_h2c_data=4096") as u, u.io() as c:
        assert c.maxh2c == 4096
        c.send(c.write_by_r2t(0, 8192))
        r2t = c.recv()
        c.send(c.h2c(r2t.cid, r2t.ttag, 0, bytes(8192)))
        expect_term(c, FES_LIMIT)


@test
def h2c_term_req_ends_the_connection(t):
    with t.io() as c:
        c.send(header(H2C_TERM, 0, 24, 0, 48) + struct.pack("<HI10x", 1, 4) + bytes(24))
        assert c.closed()


@test
def event_requests_given_up_free_their_places(t):
    with t.admin() as c:
        for _ in range(100):
            c.send(c.cmd(sqe(0x0C, 7)))
            c.send(c.cmd(struct.pack("<BBHB35xB3xIQ8x", 0x7F, 0x40, 7, 4, 0, 0x14, 0)))
            assert expect_status(c, 0).cid == 7


@test
def more_commands_than_entries(t):
    with Target("nossd.read_latency=500ms") as u, u.io(entries=4) as c:
        c.send(b"".join(c.read(0, 1) for _ in range(5)))
        expect_term(c, FES_SEQUENCE)


# ---- behaviour ----


@test
def slow_loris(t):
    """Every PDU byte by byte."""
    with t.raw() as c:
        def drip(data):
            for i in range(len(data)):
                c.send(data[i:i + 1])
        drip(ic_req(dgst=3))
        assert c.recv().kind == IC_RESP
        c.hdgst = c.ddgst = True
        drip(c.connect_capsule(t.nqn))
        expect_status(c, 0)
        c.enable()
        drip(c.cmd(sqe(ADMIN_IDENTIFY, 1, 0, (1,), (0, 4096, TRANSPORT))))
        assert c.recv().length == 4096 and c.recv().status == 0


@test
def pdus_cut_at_every_byte(t):
    with t.io(dgst=3) as c:
        block = os.urandom(512)
        write = c.write_in_capsule(0, block)
        stream = write + c.read(0, 1)
        for cut in range(1, len(stream), 7):
            c.send(stream[:cut])
            time.sleep(0.0002)
            c.send(stream[cut:])
            expect_status(c, 0)
            assert c.recv().data == block and c.recv().status == 0


@test
def writes_by_r2t_cut_at_random(t):
    rng = random.Random(2)
    with t.io(dgst=3) as c:
        for _ in range(60):
            block = os.urandom(16384)
            c.send(c.write_by_r2t(0, len(block)))
            r2t = c.recv()
            stream = (c.h2c(r2t.cid, r2t.ttag, 0, block[:8192], last=False)
                      + c.h2c(r2t.cid, r2t.ttag, 8192, block[8192:]) + c.read(0, 32))
            at = 0
            while at < len(stream):
                n = rng.choice((1, 23, 500, 4000, 9000))
                c.send(stream[at:at + n])
                at += n
            expect_status(c, 0)
            assert c.recv().data == block and c.recv().status == 0


@test
def abrupt_close_with_commands_in_flight(t):
    with Target("nossd.read_latency=200ms", "nossd.write_latency=200ms") as u:
        for abort in (False, True):
            c = u.io(entries=128)
            for i in range(20):
                c.send(c.read(i * 256, 256))
            for i in range(4):
                c.send(c.write_in_capsule(i, bytes(4096)))
                c.send(c.write_by_r2t(0, 65536))
            c.send(c.write_in_capsule(0, bytes(4096))[:1000])
            if abort:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        u.come_to(write_buffer_bytes=0)
        u.check()
        with u.io() as c:
            alive(c)
        u.come_to(write_buffer_bytes=0)


@test
def power_cut_with_commands_in_flight(_):
    with Target("nossd.read_latency=300ms", "nossd.write_latency=300ms", "tcp.write_memory=96KiB") as t:
        c, bystander = t.io(entries=64), t.raw()
        for i in range(8):
            c.send(c.read(i * 8, 8))
            c.send(c.write_in_capsule(i * 8, DATA))
        for i in range(8):
            c.send(c.write_by_r2t(4096 + i * 64, 32768))  # the first are asked for, the others wait for memory
        first, second = c.recv(), c.recv()
        assert first.kind == second.kind == R2T
        c.send(c.h2c(first.cid, first.ttag, 0, os.urandom(32768)))
        c.send(c.h2c(second.cid, second.ttag, 0, os.urandom(1000), last=False))
        time.sleep(0.1)
        t.ask("power")
        assert c.closed() and c.admin.closed()
        bystander.init()  # the process and its port live on
        bystander.connect(t.nqn)
        t.check()
        stats = t.stats()
        assert stats["connections"] == 1 and stats["write_buffer_bytes"] == 0, stats
        with t.io() as again:
            alive(again)


@test
def target_stops_with_commands_in_flight(t):
    with Target("nossd.read_latency=300ms") as u:
        c = u.io(entries=64)
        c.send(b"".join(c.read(0, 8) for _ in range(32)) + c.write_by_r2t(0, 4096))
        c.recv()


@test
def admin_queue_takes_its_io_queue_with_it(t):
    with t.io() as c:
        c.admin.close()
        assert c.closed()


@test
def host_that_stops_reading(t):
    """Hundreds of megabytes are asked for and not taken; the target's memory stays where it was."""
    with Target("nvme.queue_entries=1024") as u, u.io() as other:
        for lba in range(0, 131072, 256):
            c = other
            c.send(c.read(lba, 256))  # touch the whole store, so that only buffers could grow
            c.recv(), c.recv()
        hosts = [u.io(entries=1024, rcvbuf=65536) for _ in range(4)]
        before = u.rss()
        for c in hosts:
            c.send(b"".join(c.read((i % 512) * 256, 256) for i in range(1000)))
        time.sleep(0.3)
        alive(other)
        grown = u.rss() - before
        assert grown < 24 << 20, "grew by %d KiB" % (grown >> 10)
        for c in hosts[:2]:
            for _ in range(1000):
                assert c.recv().length == 131072 and c.recv().status == 0
        for c in hosts:
            c.close()
        alive(other)


@test
def data_does_not_tear_while_the_host_is_slow(t):
    """A block is overwritten while reads of it wait for the host: each answer is one version, whole."""
    with Target("tcp.send_buffer=32KiB") as u, u.io(entries=128) as writer, u.io(entries=128, rcvbuf=16384) as reader:
        size = 65536
        for n in range(1, 60):
            reader.send(reader.read(2048, size // 512))
            writer.send(writer.write_by_r2t(2048, size))
            r2t = writer.recv()
            writer.send(writer.h2c(r2t.cid, r2t.ttag, 0, bytes([n]) * size))
            expect_status(writer, 0)
        for n in range(1, 60):
            data = reader.recv().data
            assert reader.recv().status == 0
            assert data == data[:1] * size, "two versions in one answer"
        assert u.stats()["cut_sends"] >= 10


@test
def connections_over_the_limit_are_refused(t):
    with Target("tcp.max_connections=4") as u:
        a = u.io()
        more = [u.raw() for _ in range(6)]
        u.come_to(connections=4, refused=4)
        alive(a)
        for c in more:
            c.close()
        u.come_to(connections=2)
        with u.ready() as c:
            assert c.maxh2c


@test
def connections_come_and_go(t):
    for i in range(200):
        c = t.raw()
        if i % 3 == 1:
            c.send(ic_req()[:i])
        elif i % 3 == 2:
            c.init()
        c.close()


@test
def close_right_behind_the_last_byte(t):
    """Data and the end of the stream in one segment are both seen."""
    before = t.stats()
    for i in range(50):
        c = t.ready()
        c.send(c.connect_capsule(t.nqn)[:500 if i % 2 else None])
        c.close()
    t.come_to(connections=before["connections"])


@test
def random_bytes(t):
    rng = random.Random(3)
    for i in range(60):
        with t.ready() as c:
            try:
                c.send(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 400))))
                c.sock.shutdown(socket.SHUT_WR)
                while True:
                    c.recv()
            except (Closed, AssertionError, OSError):
                pass


@test
def mutated_pdus(t):
    rng = random.Random(4)
    for i in range(150):
        with t.io(dgst=rng.choice((0, 0, 3))) as c:
            stream = bytearray(c.read(0, 8) + write_of(c) + c.write_by_r2t(0, 8192) + c.h2c(3, 4, 0, HALF * 2))
            for _ in range(rng.randrange(1, 4)):
                stream[rng.randrange(80) if rng.random() < 0.7 else rng.randrange(len(stream))] = rng.randrange(256)
            c.sock.settimeout(2)
            try:
                c.send(stream)
                c.sock.shutdown(socket.SHUT_WR)
                while True:
                    c.recv()
            except (Closed, AssertionError, OSError):
                pass


@test
def discovery_tells_how_to_connect(t):
    with t.ready() as c:
        c.connect("nqn.2014-08.org.nvmexpress.discovery")
        c.enable()
        c.send(c.cmd(sqe(0x02, 1, 0xFFFFFFFF, (0x70 | 511 << 16,), (0, 2048, TRANSPORT))))
        log = c.recv().data
        assert c.recv().status == 0
        assert struct.unpack_from("<Q", log, 8)[0] == 1
        entry = log[1024:]
        assert entry[0:3] == bytes((3, 1, 2)) and entry[32:64].rstrip() == b"%d" % t.port
        assert entry[512:768].rstrip() == b"127.0.0.1" and entry[256:512].rstrip(b"\0") == t.nqn.encode()


@test
def ipv6(t):
    with Target(address="[::1]:0") as u:
        with Connection(u.port, host="::1") as c:
            c.init()
            c.connect(u.nqn)


@test
def port_in_use_is_said_clearly(t):
    r = subprocess.run([TARGET, "127.0.0.1:%d" % t.port], stdin=subprocess.PIPE, capture_output=True, text=True,
                       timeout=20)
    assert r.returncode != 0 and str(t.port) in r.stderr and "in use" in r.stderr, r.stderr
    assert r.stderr.count("\n") == 1, r.stderr


@test
def bad_addresses_are_said_clearly(t):
    for address in ("127.0.0.1:99999", "[::1", "127.0.0.1:x", "::1:4420"):
        r = subprocess.run([TARGET, address], stdin=subprocess.PIPE, capture_output=True, text=True, timeout=20)
        assert r.returncode != 0 and r.stderr.count("\n") == 1 and address in r.stderr, r.stderr


# ---- zones ----

# 16 zones of 8192 blocks, 6144 of which can be written; ZASL is 256 blocks.
ZONED = ("drive.kind=zns", "drive.capacity=64MiB", "zns.zone_size=4MiB", "zns.zone_capacity=3MiB",
         "zns.append_limit=128KiB", "zns.dies_per_zone=2", "nand.channels=2", "nand.luns=1", "nand.planes=1",
         "nand.pages=96", "nand.blocks=24", "nand.page_bytes=16384", "nand.factory_bad_percent=0", "zns.zrwa_zones=0")
ZONE = 8192


def append(c, zone, data, nlb=None, length=None):
    """A Zone Append with its data in the capsule; nlb as it goes into the command."""
    nlb = len(data) // 512 - 1 if nlb is None else nlb
    entry = sqe(ZONE_APPEND, c.cid(), 1, (zone * ZONE, 0, nlb), (0, length or len(data), IN_CAPSULE))
    return c.complete(entry, data)


def report(c, lba, nbytes, cdw13=0):
    """Zone Management Receive; (count, [(state, start, write pointer)])."""
    c.send(c.cmd(sqe(ZONE_RECEIVE, c.cid(), 1, (lba, 0, nbytes // 4 - 1, cdw13), (0, nbytes, TRANSPORT))))
    data = c.recv()
    assert data.kind == C2H_DATA and len(data.data) == nbytes, data
    if not data.flags & SUCCESS:
        expect_status(c, 0)
    zones = [struct.unpack_from("<xB14xQQ", data.data, at) for at in range(64, nbytes - 63, 64)]
    return struct.unpack_from("<Q", data.data)[0], [(state >> 4, start, wp) for state, start, wp in zones]


@test
def zone_appends_tell_where_they_went(_):
    for dgst in (0, 3):
        with Target(*ZONED) as u, u.io(dgst=dgst) as c:
            blocks = [os.urandom(4096) for _ in range(4)]
            for i, block in enumerate(blocks):
                resp = append(c, 5, block)
                assert resp.status == 0 and resp.result64 == 5 * ZONE + i * 8, (resp, hex(resp.status))
            assert c.read_data(5 * ZONE, 32) == b"".join(blocks)
            big = os.urandom(131072)
            c.send(c.cmd(sqe(ZONE_APPEND, c.cid(), 1, (6 * ZONE, 0, 255), (0, len(big), TRANSPORT))))
            r2t = c.recv()
            assert r2t.kind == R2T and r2t.length == len(big), r2t
            c.send(c.h2c(r2t.cid, r2t.ttag, 0, big))
            assert expect_status(c, 0).result64 == 6 * ZONE
            assert c.read_data(6 * ZONE, 256) == big


@test
def zone_appends_that_are_refused(_):
    with Target(*ZONED) as u, u.io() as c:
        block = os.urandom(4096)
        assert append(c, 5, block, nlb=8).code == 0x00F    # 1-based: more than the SGL holds
        c.send(c.cmd(sqe(ZONE_APPEND, c.cid(), 1, (5 * ZONE, 0, 256), (0, 257 * 512, TRANSPORT))))
        resp = expect_status(c, 0x002)                     # above ZASL: no data is asked for
        assert resp.status & 0x4000 and resp.status & 0x2000, hex(resp.status)
        c.send(c.cmd(sqe(ZONE_APPEND, c.cid(), 1, (5 * ZONE + 8, 0, 7), (0, 4096, TRANSPORT))))
        expect_status(c, 0x002)                            # not the start of a zone
        c.send(c.write_in_capsule(5 * ZONE + 8, block))
        expect_status(c, 0x1BC)
        c.send(c.cmd(sqe(ZONE_SEND, c.cid(), 1, (5 * ZONE, 0, 0, 2), (0, 0, TRANSPORT))))
        expect_status(c, 0)
        assert append(c, 5, block).code == 0x1B9
        assert append(c, 16, block).code == 0x080


@test
def zone_reports_over_the_wire(_):
    with Target(*ZONED) as u, u.io() as c:
        count, zones = report(c, 0, 65536)
        assert count == 16 and [z[1] for z in zones[:16]] == [i * ZONE for i in range(16)], (count, zones)
        assert all(state == 1 for state, _, _ in zones[:16]) and zones[16] == (0, 0, 0)
        assert append(c, 3, os.urandom(8192)).status == 0
        count, zones = report(c, 3 * ZONE + 100, 64 + 2 * 64, 1 << 16)
        assert count == 2 and zones == [(2, 3 * ZONE, 3 * ZONE + 16), (1, 4 * ZONE, 4 * ZONE)], zones
        count, _ = report(c, 0, 64, 1 << 8)
        assert count == 15, count
        c.send(c.cmd(sqe(ZONE_RECEIVE, c.cid(), 1, (16 * ZONE, 0, 15), (0, 64, TRANSPORT))))
        expect_status(c, 0x080)


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


if __name__ == "__main__":
    sys.exit(main())

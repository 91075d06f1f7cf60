#!/usr/bin/env python3
"""Connections: what they agree on, Connect, and the order of things. See wire_bed.py."""
import struct
import sys
import time

sys.dont_write_bytecode = True
from wire_bed import *  # noqa: E402,F403

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


if __name__ == "__main__":
    sys.exit(main())

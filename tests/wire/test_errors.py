#!/usr/bin/env python3
"""Errors of commands, which leave the queue alive, and of connections, which end them. See wire_bed.py."""
import os
import struct
import sys

sys.dont_write_bytecode = True
from wire_bed import *  # noqa: E402,F403

# ---- a command's own errors: the queue lives on ----


def bad_sgl(name, make, code):
    def run(t):
        with t.io() as c:
            c.send(make(c))
            expect_status(c, code)
            alive(c)
    TESTS.append((name, run))


def write_sgl(sgl, data=BLOCK):
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


wrong_transfer("H2CData for another command", lambda c, tag: c.h2c(8, tag, 0, BLOCK, last=False), FES_HEADER, 8)
wrong_transfer("H2CData with another tag", lambda c, tag: c.h2c(9, tag + 1, 0, BLOCK, last=False), FES_HEADER, 10)
wrong_transfer("H2CData that starts late", lambda c, tag: c.h2c(9, tag, 512, BLOCK, last=False), FES_RANGE)
wrong_transfer("H2CData twice", lambda c, tag: c.h2c(9, tag, 0, BLOCK, last=False) * 2, FES_RANGE)
wrong_transfer("H2CData beyond the request", lambda c, tag: c.h2c(9, tag, 0, BLOCK * 3), FES_RANGE)
wrong_transfer("H2CData with an offset that wraps", lambda c, tag: c.h2c(9, tag, 0xFFFFF000, BLOCK), FES_RANGE)
wrong_transfer("H2CData with another data length",
               lambda c, tag: c.h2c(9, tag, 0, BLOCK, datal=512, last=False), FES_HEADER, 16)
wrong_transfer("H2CData with LAST too early", lambda c, tag: c.h2c(9, tag, 0, BLOCK, last=True), FES_HEADER, 1)
wrong_transfer("H2CData without LAST", lambda c, tag: c.h2c(9, tag, 0, BLOCK * 2, last=False), FES_HEADER, 1)
wrong_transfer("H2CData after the last", lambda c, tag: c.h2c(9, tag, 0, BLOCK * 2) * 2, FES_HEADER, 10)
wrong_transfer("H2CData with data inside its header",
               lambda c, tag: c.h2c(9, tag, 0, BLOCK, pdo=20, last=False), FES_HEADER, 3)


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


if __name__ == "__main__":
    sys.exit(main())

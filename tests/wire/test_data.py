#!/usr/bin/env python3
"""Data: reads, writes in capsules and by R2T. See wire_bed.py."""
import os
import random
import struct
import sys

sys.dont_write_bytecode = True
from wire_bed import *  # noqa: E402,F403


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


if __name__ == "__main__":
    sys.exit(main())

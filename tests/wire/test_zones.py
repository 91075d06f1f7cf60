#!/usr/bin/env python3
"""Zone Append and zone reports over the wire. See wire_bed.py."""
import os
import struct
import sys

sys.dont_write_bytecode = True
from wire_bed import *  # noqa: E402,F403

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


if __name__ == "__main__":
    sys.exit(main())

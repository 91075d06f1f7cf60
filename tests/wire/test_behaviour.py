#!/usr/bin/env python3
"""Slow, cut, broken and too many connections. See wire_bed.py."""
import os
import random
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from wire_bed import *  # noqa: E402,F403


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
            c.send(c.write_in_capsule(i * 8, BLOCK))
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
            stream = bytearray(c.read(0, 8) + write_of(c) + c.write_by_r2t(0, 8192) + c.h2c(3, 4, 0, BLOCK * 2))
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


if __name__ == "__main__":
    sys.exit(main())

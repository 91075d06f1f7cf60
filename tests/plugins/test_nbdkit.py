#!/usr/bin/env python3
"""Drives over NBD, by nbdkit and real NBD clients. Prints TAP.

test_nbdkit.py PLUGIN.so
"""
import contextlib
import errno
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

plugin = sys.argv[1]
MIB = 1 << 20


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


if not shutil.which("nbdkit"):
    skip("nbdkit is not installed")
try:
    import nbd
except ImportError:
    system = "/usr/bin/python3"  # which the package is for, when another one stands first in PATH
    if os.path.exists(system) and os.path.realpath(system) != os.path.realpath(sys.executable):
        os.execv(system, [system, *sys.argv])
    skip("python3-libnbd is not installed")


class Server:
    """nbdkit in the foreground on a socket of its own."""

    def __init__(self, tmp, *parameters, options=()):
        self.socket = f"{tmp}/nbd-{random.randrange(1 << 40)}"
        self.clients = []
        self.process = subprocess.Popen(["nbdkit", "-f", "-U", self.socket, *options, plugin, *parameters],
                                        stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while not os.path.exists(self.socket):
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline, "nbdkit does not listen"
            time.sleep(0.01)

    def connect(self, contexts=()):
        def new():
            handle = nbd.NBD()
            for context in contexts:
                handle.add_meta_context(context)
            return handle

        handle = new()
        deadline = time.monotonic() + 30
        while True:  # the socket is there a moment before somebody listens
            try:
                handle.connect_unix(self.socket)
                break
            except nbd.Error as e:
                if e.errnum != errno.ECONNREFUSED or time.monotonic() > deadline:
                    raise
                handle = new()
                time.sleep(0.01)
        self.clients.append(handle)
        return handle

    def hang_up(self):
        for client in self.clients:
            with contextlib.suppress(nbd.Error):
                client.shutdown(nbd.SHUTDOWN_ABANDON_PENDING)
        self.clients.clear()

    def stop(self, how="terminate"):
        """A client must be gone first: nbdkit waits for each. (After a kill there is nobody to tell.)"""
        if how == "terminate":
            self.hang_up()
        getattr(self.process, how)()
        _, text = self.process.communicate(timeout=60)
        return self.process.returncode, text


@contextlib.contextmanager
def serving(tmp, *parameters, **more):
    server = Server(tmp, *parameters, **more)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def refused(*parameters):
    done = subprocess.run(["nbdkit", "-f", "-U", "-", plugin, *parameters, "--run", "true"], stderr=subprocess.PIPE,
                          text=True, timeout=60)
    assert done.returncode == 1, (done.returncode, done.stderr)
    return done.stderr


def reads_what_was_written(tmp):
    with serving(tmp, "tlc", "drive.capacity=256MiB") as s:
        h = s.connect()
        assert h.get_size() == 256 * MIB, h.get_size()
        data = random.Random(1).randbytes(3 * MIB)
        h.pwrite(data, 5 * MIB + 512)
        assert h.pread(len(data), 5 * MIB + 512) == data
        assert h.pread(4096, 100 * MIB) == bytes(4096)


def zeroes_and_trims(tmp):
    with serving(tmp, "tlc", "drive.capacity=256MiB") as s:
        h = s.connect()
        h.pwrite(b"x" * 65536, 0)
        h.zero(4096, 4096)
        h.trim(4096, 16384, nbd.CMD_FLAG_FUA)
        want = bytearray(b"x" * 65536)
        want[4096:8192] = want[16384:20480] = bytes(4096)
        assert h.pread(65536, 0) == bytes(want)


def extents(handle, at=0, length=None):
    """[(bytes, flags)] of base:allocation."""
    found = []

    def note(context, offset, entries, error):
        assert context == nbd.CONTEXT_BASE_ALLOCATION and offset == at, (context, offset, error.value)
        found.extend(zip(entries[::2], entries[1::2]))

    handle.block_status(length or handle.get_size() - at, at, note)
    return found


def what_was_never_written_need_not_be_read(tmp):
    for store in ((), (f"image={tmp}/holes.img",)):
        with serving(tmp, "hdd-7200", "drive.capacity=1GiB", *store) as s:
            h = s.connect([nbd.CONTEXT_BASE_ALLOCATION])
            assert extents(h) == [(1024 * MIB, 3)], extents(h)
            h.pwrite(b"here", 512 * MIB + 5)
            (before, hole), (_, data), *rest = extents(h)
            assert 512 * MIB - MIB <= before <= 512 * MIB and hole == 3 and data == 0 and rest[-1][1] == 3, extents(h)
            assert extents(h, 512 * MIB, 4096)[0][1] == 0
            assert len(extents(h)) == 3, extents(h)
            h.trim(2 * MIB, 511 * MIB)
            assert extents(h) == [(1024 * MIB, 3)], extents(h)
            if shutil.which("nbdcopy"):
                h.pwrite(b"here", 3 * MIB)
                out = pathlib.Path(tmp, "copy")
                subprocess.run(["nbdcopy", f"nbd+unix:///?socket={s.socket}", out], check=True, timeout=120)
                assert out.stat().st_size == 1024 * MIB and out.stat().st_blocks < 16384
                with out.open("rb") as copy:
                    copy.seek(3 * MIB)
                    assert copy.read(8) == b"here" + bytes(4)


def fast_zeroes_are_fast_or_refused(tmp):
    for drive, fast in ("tlc", True), ("hdd-7200", False):
        with serving(tmp, drive, "drive.capacity=1GiB") as s:
            h = s.connect()
            assert h.can_fast_zero() == fast
            h.pwrite(b"x" * 4096, 8192)
            if fast:
                h.zero(2048, 8192, nbd.CMD_FLAG_FAST_ZERO)
                try:
                    h.zero(2048, 10240, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)
                    raise AssertionError("zeroes in place are data")
                except nbd.Error as e:
                    assert e.errnum == errno.EOPNOTSUPP, e
            assert h.pread(4096, 8192) == (bytes(2048) if fast else b"x" * 2048) + b"x" * 2048, drive
            h.zero(64 * MIB, 0, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA)
            assert h.pread(4096, 8192) == bytes(4096)


def odd_requests_are_answered(tmp):
    """Any offset and length, against a plain array."""
    for parameters in ("tlc",), ("hdd-7200", "queue.scheduler=mq-deadline", "time=scaled:0.01"):
        with serving(tmp, *parameters, "drive.capacity=256MiB") as s:
            h, rng, want = s.connect(), random.Random(4), bytearray(4 * MIB)
            for _ in range(400):
                length = rng.randrange(1, rng.choice((20, 600, 5000, 200000)))
                at = rng.randrange(len(want) - length)
                what = rng.choice(("read", "write", "write", "zero"))
                if what == "write":
                    want[at:at + length] = rng.randbytes(length)
                    h.pwrite(bytes(want[at:at + length]), at, rng.choice((0, nbd.CMD_FLAG_FUA)))
                elif what == "zero":
                    want[at:at + length] = bytes(length)
                    h.zero(length, at, rng.choice((0, nbd.CMD_FLAG_NO_HOLE)))
                else:
                    assert h.pread(length, at) == want[at:at + length], (parameters, at, length)
            assert h.pread(len(want), 0) == want


def connections_share_the_drive(tmp):
    with serving(tmp, "hdd-7200", "drive.capacity=4GiB") as s:
        one, two = s.connect(), s.connect()
        assert one.can_multi_conn() and one.is_rotational() and one.can_fua()
        one.pwrite(b"shared" + bytes(4090), MIB, nbd.CMD_FLAG_FUA)
        assert two.pread(6, MIB) == b"shared"


def an_ini_file_is_found_from_the_background(tmp):
    pathlib.Path(tmp, "mine.ini").write_text("[drive]\nkind = nossd\ncapacity = 3MiB\n", encoding="ascii")
    socket, pid = pathlib.Path(tmp, "socket"), pathlib.Path(tmp, "pid")
    subprocess.run(["nbdkit", "-U", socket, "-P", pid, os.path.abspath(plugin), "drive=mine.ini"], cwd=tmp, check=True,
                   timeout=60)
    deadline = time.monotonic() + 30
    while not (pid.exists() and pid.read_text(encoding="ascii").endswith("\n")):
        assert time.monotonic() < deadline, "nbdkit is gone"
        time.sleep(0.01)
    try:
        h = nbd.NBD()
        h.connect_unix(str(socket))
        assert h.get_size() == 3 * MIB
        h.shutdown()
    finally:
        os.kill(int(pid.read_text(encoding="ascii")), signal.SIGTERM)


def schedulers_may_stand_before_it(tmp):
    for scheduler in ("deadline", "cfq", "mq-deadline"):
        many_requests_at_once(tmp, "queue.scheduler=" + scheduler)
    assert "there are: noop" in refused("nossd", "queue.scheduler=elevator")


def clients_come_and_go_before_a_scheduler(tmp):
    """Each is a process to it; what it knows of them must not pile up."""
    for scheduler in ("cfq", "bfq", "kyber"):
        with serving(tmp, "nossd", "drive.capacity=64MiB", "queue.scheduler=" + scheduler) as s:
            for n in range(200):
                h = s.connect()
                h.pwrite(bytes([n]) * 4096, 4096 * n)
                assert h.pread(4096, 4096 * n) == bytes([n]) * 4096
                s.hang_up()
            assert s.connect().pread(4096, 0) == bytes(4096)


def many_requests_at_once(tmp, *options):
    with serving(tmp, "nossd", "drive.capacity=64MiB", *options) as s:
        h = s.connect()
        rng = random.Random(2)
        blocks = {4096 * n: rng.randbytes(4096) for n in range(500)}
        cookies = [h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b)), at) for at, b in blocks.items()]
        while cookies:
            h.poll(-1)
            cookies = [c for c in cookies if not h.aio_command_completed(c)]
        for at, block in blocks.items():
            assert h.pread(4096, at) == block, at


def image_outlives_a_kill(tmp):
    image = f"{tmp}/killed.img"
    with serving(tmp, "tlc", "drive.capacity=256MiB", f"image={image}") as s:
        s.connect().pwrite(b"kept" * 1024, 8 * MIB)
        s.stop("kill")
    with serving(tmp, "tlc", "drive.capacity=256MiB", f"image={image}") as s:
        assert s.connect().pread(4096, 8 * MIB) == b"kept" * 1024


def stops_with_requests_under_way(tmp):
    with serving(tmp, "tlc", "drive.capacity=256MiB", "time=scaled:1000") as s:
        h = s.connect()
        for n in range(16):
            h.aio_pwrite(nbd.Buffer(MIB), n * MIB)
        time.sleep(0.2)
        code, text = s.stop()
        assert code == 0, (code, text)


def failures_say_why(tmp):
    with serving(tmp, "tlc", "drive.capacity=256MiB", "nand.read_fail_ppm=1000000", "ssd.write_buffer=0") as s:
        h = s.connect()
        h.pwrite(b"y" * 65536, 0)
        try:
            h.pread(65536, 0)
            raise AssertionError("an unreadable page was read")
        except nbd.Error as e:
            assert e.errnum == errno.EIO, e
        _, text = s.stop()
        assert "nbdkit: " in text and "uncorrectable" in text.lower(), text


def bad_parameters_are_named(tmp):
    for parameters, words in (
            ((), "drive=NAME"),
            (("no-such-drive",), "no-such-drive"),
            (("zns",), "NBD knows no zones"),
            (("tlc", "foo=1"), "allowed are drive, image"),
            (("tlc", "nand.foo=1"), "nand.foo"),
            (("tlc", "nand.channels=0"), "nand.channels"),
            (("tlc", "time=fast"), "scaled:N"),
            (("tlc", "time=scaled:0"), "allowed are 0.001"),
            (("tlc", "spin=often"), "spin=often: allowed are true and false"),
            (("tlc", "image=/no/such/folder/x"), "/no/such/folder/x: cannot create it"),
            (("tlc", f"image={os.path.abspath(__file__)}"), "not a drivelab image"),
            (("tlc", "store=file"), "allowed are memory and none"),
            (("tlc", "store=none", "image=/tmp/x"), "one or the other")):
        text = refused(*parameters)
        assert words in text, (parameters, text)


def fio_verifies(tmp):
    fio = shutil.which("fio")
    engines = subprocess.run([fio, "--enghelp"], stdout=subprocess.PIPE, text=True).stdout if fio else ""
    if "nbd" not in engines.split():
        return "fio has no nbd engine here"
    with serving(tmp, "tlc", "drive.capacity=256MiB") as s:
        done = subprocess.run([fio, "--name=v", "--ioengine=nbd", f"--uri=nbd+unix:///?socket={s.socket}",
                               "--rw=randwrite", "--bs=4k", "--size=16m", "--iodepth=16", "--verify=crc32c"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, cwd=tmp)
        assert done.returncode == 0 and "err= 0" in done.stdout, done.stdout
    return None


def qemu_reads_and_writes(tmp):
    """As a disk of a virtual machine would: qemu's own NBD client."""
    if not shutil.which("qemu-io") or not shutil.which("qemu-img"):
        return "qemu-io and qemu-img are not installed (package qemu-utils)"

    def qemu(*words, code=0):
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, cwd=tmp)
        assert done.returncode == code, (words, done.returncode, done.stdout)
        return done.stdout

    def io(*commands):
        return qemu("qemu-io", "-f", "raw", *[w for c in commands for w in ("-c", c)], uri)

    with serving(tmp, "hdd-7200", "drive.capacity=4GiB", "queue.scheduler=cfq") as s:
        uri = f"nbd:unix:{s.socket}"
        info = qemu("qemu-img", "info", "-f", "raw", uri)
        assert "4 GiB (4294967296 bytes)" in info, info
        text = io("write -P 0x5a 1M 300k", "write -f -P 0xa5 2000k 64k", "writev -P 0x11 8M 4k 64k 4k", "flush",
                  "read -P 0x5a 1M 300k", "read -P 0 3G 64k", "aio_write -P 7 16M 1M", "aio_read -q 1M 1M", "aio_flush",
                  "read -P 7 16M 1M", "write -z 1100k 64k", "read -P 0 1100k 64k", "read -P 0x5a 1164k 100k", "discard 16M 1M",
                  "read -P 0 16M 1M", "read -P 0xa5 2000k 64k")
        assert "failed" not in text and "rror" not in text, text
    with serving(tmp, "tlc", "drive.capacity=64MiB") as s:
        uri = f"nbd:unix:{s.socket}"
        pathlib.Path(tmp, "source").write_bytes(random.Random(3).randbytes(24 * MIB) + bytes(40 * MIB))
        qemu("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", "-m", "8", "-W", "source", uri)
        assert "Images are identical" in qemu("qemu-img", "compare", "-f", "raw", "-F", "raw", "source", uri)
        qemu("qemu-img", "bench", "-f", "raw", "-c", "2000", "-d", "32", "-s", "4096", "-S", "65536", "-w", uri)
        assert "mismatch" in qemu("qemu-img", "compare", "-f", "raw", "-F", "raw", "source", uri, code=1)
    return None


TESTS = [reads_what_was_written, zeroes_and_trims, fast_zeroes_are_fast_or_refused, odd_requests_are_answered,
         what_was_never_written_need_not_be_read, connections_share_the_drive, many_requests_at_once,
         schedulers_may_stand_before_it, clients_come_and_go_before_a_scheduler, an_ini_file_is_found_from_the_background,
         image_outlives_a_kill, stops_with_requests_under_way, failures_say_why, bad_parameters_are_named, fio_verifies,
         qemu_reads_and_writes]

print(f"1..{len(TESTS)}", flush=True)
failed = 0
with tempfile.TemporaryDirectory(prefix="drivelab-nbd-") as root:
    for number, test in enumerate(TESTS, 1):
        directory = pathlib.Path(root, str(number))
        directory.mkdir()
        try:
            why = test(str(directory))
            print(f"ok {number} - {test.__name__}" + (f" # SKIP {why}" if why else ""), flush=True)
        except Exception as e:  # whatever went wrong belongs to this test
            failed += 1
            print("\n".join(f"# {line}" for line in f"{type(e).__name__}: {e}".splitlines()))
            print(f"not ok {number} - {test.__name__}", flush=True)
sys.exit(failed != 0)

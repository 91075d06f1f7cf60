"""A virtual machine that runs shell scripts and reports over a serial port.

The guest has two serial ports: the first is the kernel's console and goes to a
file; the second is a socket on which the guest prints lines and reads answers.
Lines that start with "@@ " are for the program that started the guest:

    @@ BEGIN name          a scenario starts
    @@ PASS name           ... and ended well
    @@ SKIP name: why      ... or does not apply
    @@ FAIL name: why      ... or failed
    @@ HOST action ...     the guest waits for one line: "ok ANSWER" or "no WHY"
    @@ DONE                the guest powers off

The network is QEMU's user mode: the guest is 10.0.2.15 and reaches the loopback
of this machine at 10.0.2.2.  No privilege is needed.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import time

import cpio

QEMU = "qemu-system-x86_64"
HOST_ADDRESS = "10.0.2.2"
MEMORY_MIB = 768
# Two processors, for two I/O queues, in one thread: with a thread for each, a
# kernel that patches its own code sometimes runs into its breakpoint (QEMU 7.2).
PROCESSORS = 2
ACCELERATOR = "tcg,thread=single"
SCRIPTS = pathlib.Path(__file__).resolve().parent / "guest"


class Timeout(Exception):
    """The guest said nothing until the deadline."""


class Guest:
    """One boot.  Use as a context manager: the end kills QEMU by its own pid."""

    def __init__(self, kernel, archives, work, *, environment, files=(),
                 disks=()):
        self._work = pathlib.Path(work)
        self._kernel = kernel
        self._disks = disks
        self._initrd = self._work / "initrd"
        self._write_initrd(archives, environment, files)
        self._log = open(self._work / "guest.log", "ab")
        self._buffer = b""
        self._line = self._process = None

    def __enter__(self):
        self._line, theirs = socket.socketpair()
        console = open(self._work / "console.log", "ab")
        with theirs, console:
            self._process = subprocess.Popen(
                self._command(theirs.fileno()), pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        return self

    def __exit__(self, *_):
        self.kill()
        self._line.close()
        self._log.close()
        self._initrd.unlink()

    def lines(self, deadline):
        """Yields lines until QEMU ends; deadline() gives the time of patience."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                yield line.decode(errors="replace").rstrip("\r")
                continue
            data = self._receive(deadline())
            if not data:
                return
            self._log.write(data)
            self._log.flush()
            self._buffer += data

    def answer(self, text):
        self._line.sendall(text.encode() + b"\n")

    def console_lines(self, count=30):
        """What the kernel said last."""
        with open(self._work / "console.log", errors="replace") as console:
            return console.read().splitlines()[-count:]

    def kill(self):
        """As pulling the plug: what QEMU had not sent is lost."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _receive(self, deadline):
        self._line.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            return self._line.recv(65536)
        except socket.timeout:
            raise Timeout from None
        except ConnectionResetError:
            return b""

    def _command(self, fd):
        command = [
            QEMU, "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-machine", "q35", "-accel", ACCELERATOR,
            "-cpu", "max", "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB),
            "-serial", "stdio",
            "-chardev", f"socket,id=line,fd={fd}",
            "-device", "isa-serial,chardev=line",
            "-netdev", "user,id=net,restrict=off",
            "-device", "virtio-net-pci,netdev=net,romfile=",
            "-kernel", str(self._kernel), "-initrd", str(self._initrd),
            "-append", "console=ttyS0 quiet loglevel=5 oops=panic panic=-1"
                       " rdinit=/init random.trust_cpu=on mitigations=off nokaslr",
        ]
        for number, disk in enumerate(self._disks):
            command += [
                "-drive", f"if=none,id=disk{number},file={disk},format=raw,"
                          "discard=unmap,detect-zeroes=off",
                "-device", f"virtio-blk-pci,drive=disk{number}"]
        return command

    def _write_initrd(self, archives, environment, files):
        with open(self._initrd, "wb") as out:
            for path in archives:
                with open(path, "rb") as archive:
                    shutil.copyfileobj(archive, out)
            scripts = cpio.Writer(out)
            scripts.copy("init", SCRIPTS / "init")
            for path in sorted(SCRIPTS.glob("*.sh")):
                scripts.copy(f"guest/{path.name}", path)
            text = "".join(f"{k}='{v}'\n" for k, v in environment.items())
            scripts.file("guest/run.env", text.encode())
            for name, content in files:
                scripts.file(f"guest/{name}", content)
            scripts.close()


def missing():
    """Why no guest can be started here, or None."""
    if not shutil.which(QEMU):
        return f"{QEMU} is not installed (package qemu-system-x86)"
    if os.uname().machine != "x86_64":
        return "the guest needs an x86-64 machine (it runs this machine's tools)"
    return None

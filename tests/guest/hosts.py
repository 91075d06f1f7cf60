"""What stands outside the guest: the targets, and the answers to its requests.

A host has `kind`, `address` and `port` (what the guest connects to), `disks`
(files the guest gets as virtio disks) and one method per "@@ HOST" request,
named in REQUESTS.
"""

import pathlib
import time

import guest
import nbdkit
import target

TWO_NAMESPACES = ["-o", "nvme.namespaces=2"]
KERNEL_TARGET_PORT = 4420
KERNEL_TARGET_BYTES = 1 << 30

# Word after "@@ HOST" -> method; power-cut.sh's "synced" is the session's.
REQUESTS = {"restart-target": "restart_target", "image-kib": "image_kib",
            "start-two": "start_two", "serve": "serve", "kill": "kill_served",
            "start": "start_served", "ctl": "ctl_served",
            "nbd-missing": "nbd_missing", "serve-nbd": "serve_nbd",
            "count-nbd": "count_nbd"}


class DrivelabHost:
    """The machine outside: answers the guest's requests with real processes."""

    kind = "drivelab"
    address = guest.HOST_ADDRESS
    disks = ()

    def __init__(self, command, work, options):
        self._command = command
        self._work = work
        self._options = options
        self._main = target.Target(command, work, "drive", options)
        self._extra = []
        self._served = {}
        self._main.start()

    @property
    def port(self):
        return self._main.port

    def restart_target(self, seconds):
        self._main.kill()
        time.sleep(float(seconds))
        self._main.start()
        return ""

    def image_kib(self):
        return self._main.image_kib()

    def start_two(self):
        two = target.Target(self._command, self._work,
                            f"two{len(self._extra)}",
                            [*self._options, *TWO_NAMESPACES])
        self._extra.append(two)
        two.start()
        return two.port

    def serve(self, name, drive, *options):
        """One more target, of another drive; the guest calls it NAME."""
        self._served[name] = target.Target(
            (self._command[0], drive), self._work,
            f"{name}{len(self._extra)}",
            [word for o in options for word in ("-o", o)], control=True)
        self._extra.append(self._served[name])
        self._served[name].start()
        return self._served[name].port

    def nbd_missing(self):
        return nbdkit.missing(self._command[0])

    def serve_nbd(self, name, drive, *options):
        """As serve(), by nbdkit."""
        self._served[name] = nbdkit.NbdTarget(
            self._command[0], drive, self._work, f"{name}{len(self._extra)}",
            options)
        self._extra.append(self._served[name])
        self._served[name].start()
        return self._served[name].port

    def count_nbd(self, name, *words):
        return self._served[name].count(*words)

    def kill_served(self, name):
        self._served[name].kill()
        return ""

    def start_served(self, name):
        self._served[name].start()
        return self._served[name].port

    def ctl_served(self, name, *words):
        """What `drivelab ctl` says of the drive, in one line."""
        return self._served[name].ctl(*words)

    def revive(self):
        """Before a boot: a target that crashed must not fail what follows."""
        try:
            self._main.check_running()
        except target.TargetError:
            self._main.start()

    def check(self):
        self._main.check_running()

    def last_lines(self):
        return [line for t in (self._main, *self._extra)
                for line in t.last_lines()]

    def stop(self):
        for t in (self._main, *self._extra):
            t.stop()

    def kill(self):
        for t in (self._main, *self._extra):
            t.kill()


class KernelHost:
    """With the target in the guest only the disk behind it is outside."""

    kind = "kernel"
    address = "127.0.0.1"
    port = KERNEL_TARGET_PORT

    def __init__(self, work):
        self._image = pathlib.Path(work, "disk.img")
        with open(self._image, "wb") as image:
            image.truncate(KERNEL_TARGET_BYTES)
        self.disks = (self._image,)

    def image_kib(self):
        return self._image.stat().st_blocks // 2

    def last_lines(self):
        return []

    def nothing(self):
        """There is no process to look after."""

    revive = check = stop = kill = nothing

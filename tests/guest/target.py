"""A `drivelab serve` process that can be killed and started again."""

import pathlib
import re
import signal
import subprocess
import time

READY = re.compile(r"listening on tcp://127\.0\.0\.1:(\d+)")
# The guest needs the processors more than the target needs to be punctual.
OPTIONS = ("-o", "loop.wait=sleep")
START_SECONDS = 60
STOP_SECONDS = 30


class TargetError(Exception):
    """The target did not start, or ended in a way it should not."""


class Target:
    def __init__(self, command, work, name, options=(), control=False):
        """COMMAND is the program and the drive it serves."""
        self._binary, self._drive = command
        self._options = list(options)
        self._control = pathlib.Path(work, f"{name}.ctl")
        if control:
            self._options += ["--control", self._control]
        self.image = pathlib.Path(work, f"{name}.img")
        self.log = pathlib.Path(work, f"{name}.log")
        self.port = 0
        self._process = None

    def start(self):
        """Starts it, on its former port if it had one, and waits until ready."""
        command = [
            self._binary, "serve", self._drive, *OPTIONS, *self._options,
            "--image", self.image, "--listen",
            f"tcp://127.0.0.1:{self.port}"]
        with open(self.log, "ab") as log:
            log.write(f"$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            start = log.tell()
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except OSError as error:
                raise TargetError(f"{self._binary}: {error.strerror}") from None
        self.port = self._wait_ready(start)

    def kill(self):
        """kill -9: the target gets no chance to tidy up."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def check_running(self):
        code = self._process.poll()
        if code is not None:
            raise TargetError(f"the target ended by itself, {_ending(code)}: "
                              + "".join(self.last_lines(1)))

    def stop(self):
        """SIGTERM, after which it must end with status 0."""
        self.check_running()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TargetError(f"the target ignored SIGTERM for {STOP_SECONDS} s")
        if code != 0:
            raise TargetError(f"the target ended on SIGTERM with {_ending(code)}")

    def ctl(self, *words):
        done = subprocess.run(
            [self._binary, "ctl", self._control, *words], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=STOP_SECONDS)
        text = " ".join(done.stdout.split())
        if done.returncode != 0:
            raise TargetError(f"ctl {' '.join(words)}: {text}")
        return text

    def image_kib(self):
        """Room the image takes on this machine's disk."""
        return self.image.stat().st_blocks // 2

    def last_lines(self, count=15):
        if not self.log.exists():
            return []
        return self.log.read_text(errors="replace").splitlines()[-count:]

    def _wait_ready(self, start):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with open(self.log, "rb") as log:
                log.seek(start)
                match = READY.search(log.read().decode(errors="replace"))
            if match:
                return int(match.group(1))
            self.check_running()
            time.sleep(0.05)
        self.kill()
        raise TargetError(f"the target was not ready within {START_SECONDS} s")


def _ending(code):
    return f"signal {-code}" if code < 0 else f"status {code}"

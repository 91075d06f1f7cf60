"""What tests of the program from outside share: to run it, to serve a drive, to print TAP.

sys.argv is DRIVELAB [NAME...]: the program, and the tests wanted, or all. Exit
codes: 0 success, 1 the run found an error, 2 bad usage or input; what is wrong is
said in one line on standard error.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
LIMIT = 120  # seconds; generous, as sanitizers and busy machines slow everything down

FAST = ["-o", "nossd.read_latency=10us", "-o", "nossd.write_latency=10us", "-o", "drive.capacity=64MiB"]
SMALL = [arg for option in ("drive.capacity=64MiB", "nand.channels=2", "nand.luns=2", "nand.blocks=12", "nand.pages=64",
                            "ssd.write_buffer=1MiB", "ssd.precondition=random") for arg in ("-o", option)]
MIXED = "[mix]\nrw=randrw\nrwmixread=50\nbs=4k\niodepth=24\nnumber_ios=6000\nnorandommap\n"
FEW = [arg for option in ("drive.capacity=64MiB", "nand.channels=2", "nand.blocks=24", "nand.pages=64",
                          "ssd.write_buffer=1MiB", "ssd.precondition=random") for arg in ("-o", option)]


class Skip(Exception):
    pass


def check(condition, *why):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in why))


def run(*args, code=None, cwd=None):
    done = subprocess.run([PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=LIMIT, cwd=cwd)
    if code is not None:
        check(done.returncode == code, "drivelab", *args, "-> exit code", done.returncode, "instead of", code, done.stdout,
              done.stderr)
    return done


def refused(pattern, *args, cwd=None):
    """Exit code 2, nothing on standard output, and one line that matches."""
    done = run(*args, cwd=cwd)
    what = f"drivelab {' '.join(map(str, args))}: exit code {done.returncode}, stderr {done.stderr!r}"
    check(done.returncode == 2, what)
    check(done.stdout == "", what, "stdout", done.stdout)
    check(re.fullmatch(r"drivelab: [^\n]+\n", done.stderr), "not one line:", what)
    check(re.search(pattern, done.stderr), f"no /{pattern}/:", what)


def write_job(folder, text, name="job.fio"):
    path = pathlib.Path(folder, name)
    path.write_text(text)
    return path


def work_for(process, seconds):
    """Wait until a process and its children have computed that long, so that they are under way on the busiest machine."""
    deadline, ticks = time.monotonic() + LIMIT, -1
    while process.poll() is None and ticks < seconds * os.sysconf("SC_CLK_TCK"):
        check(time.monotonic() < deadline, "it does not work:", process.args)
        time.sleep(0.05)
        ticks = 0
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            if process.pid in (int(path.parent.name), int(fields[1])):
                ticks += int(fields[11]) + int(fields[12])


class Server:
    """drivelab serve on a free port, as a context."""

    def __init__(self, *args, listen="tcp://127.0.0.1:0"):
        self.log = tempfile.TemporaryFile("a+")  # both write and read by one offset: appended, whatever was read
        self.process = subprocess.Popen([PROGRAM, "serve", *map(str, args), "--sleep", "--listen", listen],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        deadline = time.monotonic() + LIMIT
        while not (found := re.search(r"attach with: .* -n (\S+)\n", self.text())):
            check(self.process.poll() is None, "serve ended:", self.text())
            check(time.monotonic() < deadline, "serve does not listen:", self.text())
            time.sleep(0.01)
        self.nqn = found[1]
        self.addresses = re.findall(r"listening on (\S+)", self.text())
        self.address = self.addresses[0]

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(LIMIT)

    def wait_for(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            check(time.monotonic() < deadline and self.process.poll() is None, "in vain:", what, self.text())
            time.sleep(0.02)

    def perf(self, *args, code=0, address=None):
        return run("perf", address or self.address, "--nqn", self.nqn, "--time", "100ms", *args, code=code)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


def drives():
    """Names of the built-in drives."""
    lines = run("drives", code=0).stdout.splitlines()
    return [line.split()[0] for line in lines[1:] if line and not line.startswith("drivelab ")]


def main(names, skip=None):
    wanted = sys.argv[2:]
    tests = [(name[5:], f) for name, f in names.items() if name.startswith("test_") and (not wanted or name[5:] in wanted)]
    failed = 0
    if skip:
        print(f"1..0 # SKIP {skip}")
        return False
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        verdict = f"ok {number} - {name}"
        with tempfile.TemporaryDirectory(prefix="drivelab-cli-") as folder:
            try:
                test(pathlib.Path(folder))
            except Skip as why:
                verdict += f" # SKIP {why}"
            except Exception:  # whatever it is, the other tests go on
                failed += 1
                verdict = "not " + verdict
                print("\n".join("# " + line for line in traceback.format_exc().splitlines()))
        print(verdict, flush=True)
    return failed > 0

"""Runs scenarios in a guest, answers its requests and reports each result."""

import collections
import time

import guest
import hosts
import target

# Archives that only these scenarios need; "zoned", all whose name begins so.
NEED = {"fio": {"fio", "disk-schedulers", "killed-target", "nbd", "zoned-fio",
                "zoned-killed"},
        "nbd": {"nbd"}}
ZONED = "zoned-"
POWER_CUT = "power-cut"
REBOOT = "zoned-reboot"
VERIFY = "-verify"              # what follows in the next boot is NAME-verify
POWER_CUT_AFTER = 25            # files that were synced
POWER_CUT_DELAY = 0.15          # seconds from there, in the midst of writes

BOOT_SECONDS = 180              # patience, not an expectation
SCENARIO_SECONDS = 300
TAIL_LINES = 50


def archives_for(names):
    """What these scenarios need beside the base archive."""
    need = [archive for archive, which in NEED.items() if which & set(names)]
    return need + ["zoned"] * any(name.startswith(ZONED) for name in names)


class Session:
    """Uses as few boots as the scenarios allow.

    A guest that hangs or crashes fails the scenario it was in; the ones after it
    get a new boot.  power-cut and zoned-reboot end their boot by themselves and
    are judged in the next.
    """

    def __init__(self, host, made, work, report):
        self._host = host
        self._made = made
        self._work = work
        self._report = report
        self._synced = []       # what power-cut was told is on the disk
        self._cut_at = None     # when the plug is pulled
        self._cut = None        # the scenario in which that is
        self._rebooted = None   # what zoned-reboot wants to know in the next boot
        self._current = None    # the running scenario
        self._over = []         # the scenarios this boot has dealt with
        self._began = self._deadline = time.monotonic()
        self._tail = collections.deque(maxlen=TAIL_LINES)

    def run(self, names):
        waiting = [name for name in names if not self._skip(name)]
        while waiting:
            self._revive()
            why = self._boot(waiting)
            if not self._over:
                for name in waiting:
                    self._finish(name, "FAIL", f"no scenario was started: {why}")
            waiting = [name for name in waiting if name not in self._over]

    def _skip(self, name):
        """Reports a scenario that needs what this machine lacks; else False."""
        for archive in archives_for([name]):
            if archive not in self._made:
                self._report.add(name, "SKIP", self._made[f"no-{archive}"])
                return True
        return False

    def _revive(self):
        try:
            self._host.revive()
        except target.TargetError as error:
            self._report.note([str(error)])

    def _boot(self, names, files=()):
        """One boot; returns why it ended, None if as planned."""
        self._over, self._current = [], None
        self._cut_at = self._cut = None
        self._tail.clear()
        self._deadline = time.monotonic() + BOOT_SECONDS
        archives = [self._made[name] for name in ["base", *archives_for(names)]]
        environment = {"TARGET": self._host.kind, "ADDRESS": self._host.address,
                       "PORT": self._host.port, "SCENARIOS": " ".join(names)}
        with guest.Guest(self._made["kernel"], archives, self._work,
                         environment=environment, files=files,
                         disks=self._host.disks) as machine:
            why = self._follow(machine)
            if why:
                self._tail.extend(machine.console_lines())
        if self._is_cut():
            return self._second_boot(self._cut)
        if self._current:
            self._finish(self._current, "FAIL", why)
        return why

    def _follow(self, machine):
        try:
            for line in machine.lines(self._patience):
                self._tail.append(line)
                if line.startswith("@@ "):
                    verb, _, rest = line[3:].partition(" ")
                    if verb == "DONE":
                        return None
                    self._handle(machine, verb, rest)
                if self._is_cut():
                    return None
        except guest.Timeout:
            return "the time was up"
        return "the guest stopped"

    def _patience(self):
        return min(self._deadline, self._cut_at or self._deadline)

    def _is_cut(self):
        return self._cut_at is not None and time.monotonic() >= self._cut_at

    def _handle(self, machine, verb, rest):
        name, _, why = rest.partition(": ")
        if verb == "BEGIN":
            self._current = name
            self._began = time.monotonic()
            self._deadline = self._began + SCENARIO_SECONDS
        elif verb == "HOST":
            machine.answer(self._request(*rest.split(" ")))
        elif verb in ("PASS", "FAIL", "SKIP"):
            self._finish(name.rstrip(":"), verb, why or self._last_command())
            self._deadline = time.monotonic() + SCENARIO_SECONDS

    def _request(self, word, *arguments):
        if word == "synced":
            return self._note_synced("  ".join(arguments))
        if word == "reboot":
            return self._reboot(*arguments)
        if word not in hosts.REQUESTS:
            return f"no request {word}"
        try:
            method = getattr(self._host, hosts.REQUESTS[word])
            return f"ok {method(*arguments)}"
        except (target.TargetError, OSError) as error:
            return f"no {error}"

    def _note_synced(self, line):
        self._synced.append(line)
        if len(self._synced) == POWER_CUT_AFTER:
            self._cut = POWER_CUT
            self._cut_at = time.monotonic() + POWER_CUT_DELAY
        return "ok"

    def _reboot(self, served, *words):
        """The target NAME and the guest end here and come back, the former first."""
        self._rebooted = (served, words)
        self._cut = REBOOT
        self._cut_at = time.monotonic()
        return "ok"

    def _second_boot_files(self, name):
        if name == POWER_CUT:
            text = "".join(f"{line}\n" for line in self._synced)
            return [("synced", text.encode())]
        served, words = self._rebooted
        self._host.kill_served(served)
        port = self._host.start_served(served)
        return [("rebooted", " ".join([str(port), *words, "\n"]).encode())]

    def _second_boot(self, name):
        """The second boot of a scenario; the first one's scenarios stay over."""
        over = [*self._over, name]
        try:
            why = self._boot([name + VERIFY], self._second_boot_files(name))
        except target.TargetError as error:
            why = str(error)
        if name + VERIFY not in self._over:
            self._finish(name + VERIFY, "FAIL", f"no second boot: {why}")
        self._over = over
        return None

    def _last_command(self):
        """A scenario is traced: the last line with a plus is what failed."""
        traced = [line for line in self._tail if line.startswith("+ ")]
        return f"after: {traced[-1][2:]}" if traced else "no reason given"

    def _finish(self, name, result, why):
        if result != "FAIL":
            why = why if result == "SKIP" else ""
        self._report.add(name.removesuffix(VERIFY), result, why)
        self._report.note([f"took {time.monotonic() - self._began:.1f} s"])
        if result == "FAIL":
            self._report.note([*self._tail, *self._host.last_lines()])
        self._current = None
        self._over.append(name)

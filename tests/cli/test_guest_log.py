#!/usr/bin/env python3
"""drivelab serve --guest-log: a guest's reports beside the drive's commands. test_guest_log.py DRIVELAB [NAME...]; TAP."""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from cli_bed import Server, check, main  # noqa: E402

TIMEOUT = ("[  480.000001] nvme nvme0: I/O tag 12 (300c) opcode 0x1 (I/O Cmd) QID 1 timeout, aborting\n"
           "[  480.000002] nvme nvme0: queue 2: timeout request 0x79 type 4\n"  # nvme-tcp up to 6.2
           "[  480.000003] nvme nvme0: queue 3: timeout cid 0xb07a type 4 opcode 0x1 (Write)\n")
REPORT = """\
[  484.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008
[  484.000002] #PF: supervisor write access in kernel mode
[  484.000003] #PF: error_code(0x0002) - not-present page
[  484.000004] Oops: 0002 [#1] SMP PTI
[  484.000005] CPU: 0 PID: 0 Comm: swapper/0 Not tainted 6.1.0-test #1
[  484.000006] RIP: 0010:queue_it+0x3/0x40
[  484.000007] Code: 90 90 90 <f0> 0f b1 17 75 07 4c 89 e0
[  484.000008] RSP: 0018:ffffaef300003dc8 EFLAGS: 00010046
[  484.000009] RAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000022
[  484.000010] RDX: 0000000000000001 RSI: 0000000000000000 RDI: 0000000000000008
[  484.000011] Call Trace:
[  484.000012]  <TASK>
[  484.000013]  finish_it+0x1d/0x50
[  484.000014]  </TASK>
[  484.000015] ---[ end trace 0000000000000000 ]---
"""


class Follower(Server):
    """A drive that follows a log."""

    def __init__(self, folder):
        self.console = pathlib.Path(folder, "console")
        super().__init__("nossd", "--guest-log", self.console)

    def write(self, text):
        with open(self.console, "a") as out:
            out.write(text)

    def says(self, pattern, times=1):
        self.wait_for(lambda: len(re.findall(pattern, self.text())) >= times, f"/{pattern}/ {times} times")


def test_reports_are_decoded_as_they_come(folder):
    with Follower(folder) as drive:
        drive.write(TIMEOUT + REPORT[:200])
        drive.write(REPORT[200:])
        drive.says(r"the guest's kernel: write to NULL\+8 in `queue_it`")
        drive.says(r"complained of tag 12 of queue 1, tag 121 of queue 2, tag 122 of queue 3")


def test_a_new_file_is_read_from_its_start(folder):
    with Follower(folder) as drive:
        drive.write(REPORT)
        drive.says("the guest's kernel:")
        drive.console.unlink()
        drive.write(REPORT)
        drive.says("the guest's kernel:", 2)


def test_what_stands_in_a_file_moved_away_is_read(folder):
    with Follower(folder) as drive:
        drive.write(REPORT)
        drive.says("the guest's kernel:")
        drive.write(REPORT)
        drive.console.rename(drive.console.with_suffix(".1"))
        drive.write(REPORT)
        drive.says("the guest's kernel:", 3)


def test_what_is_left_is_read_at_the_end(folder):
    with Follower(folder) as drive:
        drive.write(REPORT.splitlines(keepends=True)[0] + "".join(REPORT.splitlines(keepends=True)[1:-1]))
        check(drive.end() == 0)
        check("the guest's kernel: write to NULL+8" in drive.text(), drive.text())


if __name__ == "__main__":
    sys.exit(main(globals()))

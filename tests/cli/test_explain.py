#!/usr/bin/env python3
"""`drivelab explain`. test_explain.py DRIVELAB [NAME...] prints TAP."""
import json
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import LIMIT, PROGRAM, check, main, refused  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "explain"


def explain(*args, stdin=None, code=0):
    done = subprocess.run([PROGRAM, "explain", *args], input=stdin if stdin is not None else b"", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=LIMIT)
    check(done.returncode == code, "explain", *args, "-> exit code", done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


def test_explain_says_what_it_said(_):
    """DRIVELAB_GOLDEN=1 writes the kept outputs anew."""
    cases = {
        "zone-full": ["0x41b9"], "invalid-field": ["4002"], "ambiguous": ["281"], "code-alone": ["b9"],
        "retried": ["--opcode", "read", "0x2281"], "connect": ["--opcode", "connect", "0x4182"], "either": ["0x6182"],
        "path": ["(03/02)"], "raw": ["--raw", "0x8373"], "entry": ["00000000 00000000 00010005 83720001"],
        "admin": ["--admin", "sct 0x1 / sc 0x9 DNR"], "vendor": ["0x7a2"], "open-channel": ["0x42ff"],
        "spdk": ["ZONE IS FULL (01/b9) qid:1 cid:3 cdw0:0 sqhd:0005 p:0 m:1 dnr:1"],
        "dmesg": [str(GOLDEN / "dmesg.log")], "json": ["--json", "0x41b9", "0x6182"],
    }
    for name, args in cases.items():
        out = explain(*args).replace(str(GOLDEN), "golden")
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("DRIVELAB_GOLDEN"):
            path.write_text(out)
        check(out == path.read_text(), f"{path} differs:\n{out}")


def test_explain_takes_every_form(folder):
    for args in (["0x41b9"], ["41b9"], ["16825"], ["0x8373"], ["--raw", "8373"], ["sct", "0x1", "/", "sc", "0xb9", "DNR"],
                 ["SCT 1h, SC B9h DNR"], ["--raw", "00000000", "00000000", "00010005", "83730001"]):
        out = explain(*args)
        check(out.startswith("0x41b9: Zone Is Full\n"), args, out)
        check("does not retry" in out and "EIO" in out and "(sct 0x1 / sc 0xb9) DNR" in out, out)
    check("Connect Invalid Parameters (of fabrics" in explain("--fabrics", "182"))
    check("Attempted Write" in explain("--opcode", "write", "182"))
    check("not usual for Zone Append" in explain("--opcode", "zone-append", "0x1bc"))
    log = pathlib.Path(folder, "dmesg")
    log.write_bytes(b"\0\xff\n" + 3 * b"nvme0n1: I/O Cmd(0x1) @ LBA 1, 8 blocks, I/O Error (sct 0x1 / sc 0xbc) DNR \n")
    for out in (explain(str(log)), explain("-", stdin=log.read_bytes()), explain(stdin=log.read_bytes())):
        check(out.startswith("line 2, and 2 alike: ") and "\n0x41bc: Zone Invalid Write\n" in out, out)
    found = json.loads(explain("--json", str(log)))
    check(len(found) == 1 and found[0]["count"] == 3 and found[0]["linux"]["errno"] == "EIO", found)


def test_explain_refuses(folder):
    refused(r"no status: 0x41b9.*--raw.*possible", "explain", "hello")
    refused(r"no raw status", "explain", "--raw", "zzz")
    refused(r"no command is called", "explain", "--opcode", "frobnicate", "1")
    refused(r"--opcode needs a value", "explain", "--opcode")
    refused(r"is a directory", "explain", folder)
    for args, stdin in ((["-"], b"all is well\n"), ([], b""), (["all is well"], b""), (["--json", "all is well"], b"")):
        check(explain(*args, stdin=stdin, code=1) in ("", "[]\n"))


if __name__ == "__main__":
    sys.exit(main(globals()))

#!/usr/bin/env python3
"""drivelab oops with files of symbols: reports decoded to the statement, damaged files. test_oops.py DRIVELAB; TAP.

The kernel and the modules are made here, by this machine's compiler, from
oops/*.c; the reports have the form of Ubuntu's 5.4 and 3.16 kernels, with
offsets, sizes and bytes taken from what the compiler made.
"""
import gzip
import json
import os
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import PROGRAM, check, main  # noqa: E402

SOURCES = pathlib.Path(__file__).resolve().parent / "oops"
CC = ["cc", "-g", "-O2", "-mcmodel=kernel", "-fno-pic", "-fno-pie", "-fcf-protection=none", "-fno-stack-protector",
      "-fno-delete-null-pointer-checks", "-fno-asynchronous-unwind-tables", "-ffreestanding", "-mno-sse",
      "-mno-red-zone", "-fno-ipa-ra"]
BUILD = "#165-Ubuntu"
TRAP = b"\xf0\x0f\xb1"  # lock cmpxchg


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}")
    return done.stdout


class Image:
    """A kernel of ours: where its functions are, and the calls in them."""

    def __init__(self, path):
        self.path = path
        self.code = path.with_suffix(".text")
        run("objcopy", "-O", "binary", "-j", ".text", path, self.code)
        self.bytes = self.code.read_bytes()
        symbols = [line.split() for line in run("nm", "-n", path).splitlines()]
        starts = [(int(a, 16), n) for a, t, n in symbols if t in "tT"]
        self.base = starts[0][0]
        ends = [a for a, _ in starts[1:]] + [self.base + len(self.bytes)]
        self.functions = {name: (start, end - start) for (start, name), end in zip(starts, ends)}
        self.listing = run("objdump", "-d", "--no-show-raw-insn", path)

    def at(self, name, address):
        start, size = self.functions[name]
        return f"{name}+{address - start:#x}/{size:#x}"

    def returns_to(self, name):
        """Behind the last call in a function."""
        body = self.listing.split(f"<{name}>:\n")[1].split("\n\n")[0].splitlines()
        call = max(i for i, line in enumerate(body) if "\tcall" in line)
        return self.at(name, int(body[call + 1].split(":")[0], 16))

    def trap(self):
        return self.base + self.bytes.index(TRAP)

    def code_line(self):
        at = self.trap() - self.base
        before = self.bytes[max(0, at - 42):at]
        return " ".join([*(f"{b:02x}" for b in before), f"<{self.bytes[at]:02x}>",
                         *(f"{b:02x}" for b in self.bytes[at + 1:at + 22])])


def kernel(folder, gap, build=BUILD, extra=()):
    path = folder / f"vmlinux-{gap}{len(extra)}{len(build)}"
    run(*CC, *extra, f"-DGAP={gap}", f'-DBUILD="{build}"', "-c", SOURCES / "blk.c", "-o", f"{path}.o")
    run("ld", "-Ttext=0xffffffff81000000", "-e", "0", "-o", path, f"{path}.o")
    return Image(path)


def complete_report(image):
    lines = ["BUG: kernel NULL pointer dereference, address: 0000000000000008",
             "#PF: supervisor write access in kernel mode",
             "#PF: error_code(0x0002) - not-present page",
             "PGD 0 P4D 0 ",
             "Oops: 0002 [#1] SMP PTI",
             f"CPU: 0 PID: 0 Comm: swapper/0 Kdump: loaded Not tainted 5.4.0-148-generic {BUILD}",
             f"RIP: 0010:{image.at('_raw_spin_lock_irqsave', image.trap())}",
             f"Code: {image.code_line()}",
             "RSP: 0018:ffffaef300003dc8 EFLAGS: 00010046",
             "RAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000022",
             "RDX: 0000000000000001 RSI: 0000000000000000 RDI: 0000000000000008",
             "RBP: ffffaef300003dd0 R08: 0000000000000000 R09: 000000000048c586",
             "R10: ffff9fd9699e0900 R11: 0000000000000000 R12: 0000000000000046",
             "R13: 0000000000000000 R14: 000000704a67804f R15: 0000000000000000",
             "CR2: 0000000000000008 CR3: 000000012d7e6006 CR4: 0000000000360ef0",
             "Call Trace:",
             " <IRQ>",
             *(f" {image.returns_to(name)}" for name in ("complete", "blk_end_sync_rq", "blk_mq_end_request",
                                                         "nvme_complete_rq")),
             " ? raw_notifier_call_chain+0x16/0x20",
             " </IRQ>",
             "Modules linked in: nvme nvme_core",
             "CR2: 0000000000000008",
             "---[ end trace 0000000000000001 ]---"]
    return "".join(f"[  484.{i:06}] {line}\n" for i, line in enumerate(lines))


def complete_report_of_frames(frames):
    return "".join(f"[  484.{i:06}] {line}\n" for i, line in enumerate([
        "BUG: kernel NULL pointer dereference, address: 0000000000000008", "Oops: 0002 [#1] SMP PTI",
        "CPU: 0 PID: 0 Comm: swapper/0 Not tainted 5.4.0-148-generic", f"RIP: 0010:{frames[0]}",
        "RAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000022",
        "RDX: 0000000000000001 RSI: 0000000000000000 RDI: 0000000000000008", "Call Trace:",
        *(f" {frame}" for frame in frames[1:]), "---[ end trace 0000000000000001 ]---"]))


HELLO_REPORT = """\
[ 459.516441] BUG: unable to handle kernel NULL pointer dereference at (null)
[ 459.516448] PGD 0
[ 459.516450] Oops: 0002 [#1] SMP
[ 459.516452] Modules linked in: helloworld(OE+) vsock [last unloaded: helloworld]
[ 459.516476] CPU: 0 PID: 4531 Comm: insmod Tainted: G OE 3.16.0-33-generic #44~14.04.1-Ubuntu
[ 459.516479] task: ffff88003821f010 ti: ffff880038fa0000 task.ti: ffff880038fa0000
[ 459.516480] RIP: 0010:[<ffffffffc061400d>] [<ffffffffc061400d>] hello_init+0xd/0x30 [helloworld]
[ 459.516483] RSP: 0018:ffff880038fa3d40 EFLAGS: 00010246
[ 459.516484] RAX: ffff88000c31d901 RBX: ffffffff81c1a020 RCX: 000000000004b29f
[ 459.516485] RDX: 000000000004b29e RSI: 0000000000000017 RDI: ffffffffc0615024
[ 459.516490] CR2: 0000000000000000 CR3: 0000000038760000 CR4: 00000000003407f0
[ 459.516543] Call Trace:
[ 459.516548] [<ffffffff81002144>] ? do_one_initcall+0xd4/0x210
[ 459.516554] [<ffffffff810ed9b1>] load_module+0x13c1/0x1b80
[ 459.516563] [<ffffffff8176be6d>] system_call_fastpath+0x1a/0x1f
[ 459.516564] Code: <c7>04 25 00 00 00 00 74 65 73 74 31 c0 48 89 e5 e8 a2 86 14 c1 31
[ 459.516573] RIP [<ffffffffc061400d>] hello_init+0xd/0x30 [helloworld]
[ 459.516576] CR2: 0000000000000000
[ 459.516578] ---[ end trace 7c52cc8624b7ea60 ]---
"""


def module(folder, name="helloworld.ko", release="3.16.0-33-generic"):
    path = folder / name
    run(*CC, f'-DRELEASE="{release}"', "-c", SOURCES / "helloworld.c", "-o", path)
    return path


def decode(log, *options):
    """Exit code, output with its lines joined, errors."""
    done = subprocess.run([str(c) for c in (PROGRAM, "oops", *options)], input=log, capture_output=True, text=True)
    return done.returncode, re.sub(r"\s+", " ", done.stdout), done.stderr


def check_says(output, *sentences):
    for sentence in sentences:
        check(sentence in output, f'"{sentence}" is not in:', output)


def line_of(source, comment):
    lines = (SOURCES / source).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if f"/* {comment} */" in line)


# ---- The two reports that people sent ----

def test_complete_null_with_the_matching_kernel(folder):
    image = kernel(folder, 0)
    code, out, err = decode(complete_report(image), "--vmlinux", image.path)
    check(code == 0, err)
    check_says(out, "`x` is NULL in complete(); touched `x->wait.lock` (+8)",
               "lock in _raw_spin_lock_irqsave() is NULL+8; x in complete() is NULL",
               f"blk.c:{line_of('blk.c', 'takes the lock')}",
               "called through the pointer rq->end_io by __blk_mq_end_request(), which is inlined in "
               "blk_mq_end_request()",
               f"__blk_mq_end_request (inlined) at {SOURCES}/blk.c:{line_of('blk.c', 'ends')}",
               "complete(waiting); /* completes */")


def test_complete_null_through_a_tail_call(folder):
    image = kernel(folder, 1)
    code, out, err = decode(complete_report(image), "--vmlinux", image.path)
    check(code == 0, err)
    check_says(out, "`x` is NULL in complete(); touched `x->wait.lock` (+8)",
               ". __blk_mq_end_request: no frame of its own (tail call through a pointer) blk_mq_end_request+0x")
    report = json.loads(subprocess.run([PROGRAM, "oops", "--json", "--vmlinux", image.path], capture_output=True,
                                       input=complete_report(image).encode()).stdout)[0]
    check((report["verdict"]["variable"]["variable"], report["verdict"]["variable"]["member"]) == ("x", "wait.lock"),
          report["verdict"]["variable"])


def test_complete_null_with_symbols_alone(folder):
    image = kernel(folder, 0)
    bare = folder / "vmlinux-bare"
    run("strip", "-g", "-o", bare, image.path)
    code, out, err = decode(complete_report(image), "--vmlinux", bare)
    check(code == 0, err)
    check_says(out, "no lines and variables", "blk_end_sync_rq+0x", ". called through a pointer blk_mq_end_request")


def test_complete_null_of_a_module_in_init_text(folder):
    path = module(folder)
    code, out, err = decode(HELLO_REPORT, "--module", path)
    check(code == 0, err)
    check_says(out, "write to absolute address 0 in `hello_init` [helloworld], instruction `movl $0x74736574,0x0`",
               f"helloworld.c:{line_of('helloworld.c', 'stores')}", 'asm("movl $0x74736574, 0"); /* stores */',
               "in the section .init.text", "bytes of Code: are those of")


def test_a_pipe_is_no_file_of_symbols(folder):
    os.mkfifo(folder / "vmlinux")
    code, out, err = decode(HELLO_REPORT, "--vmlinux", folder / "vmlinux")
    check(code == 0, err)
    check_says(out, "vmlinux: a pipe, and no file")


def test_sources_below_a_folder(folder):
    moved = folder / "moved"
    moved.mkdir()
    shutil.copy(SOURCES / "helloworld.c", moved)
    path = folder / "helloworld.ko"
    run(*CC, f"-ffile-prefix-map={SOURCES}=.", '-DRELEASE="3.16.0-33-generic"', "-c", SOURCES / "helloworld.c",
        "-o", path)
    check("movl $0x74736574, 0" not in decode(HELLO_REPORT, "--module", path)[1])
    check_says(decode(HELLO_REPORT, "--module", path, "--source", moved)[1], 'asm("movl $0x74736574, 0");')


def test_rules_of_unwinding_in_eh_frame_alone(folder):
    image = kernel(folder, 0, extra=("-fasynchronous-unwind-tables",))
    sections = run("readelf", "-SW", image.path)
    check(".debug_frame" not in sections and ".eh_frame" in sections, sections)
    code, out, err = decode(complete_report(image), "--vmlinux", image.path)
    check(code == 0, err)
    check_says(out, "`x` is NULL in complete(); touched `x->wait.lock` (+8)",
               "unwinding finds NULL in `x` of complete() too", "x = 0x0 (struct completion *) NULL")


def test_how_sure_a_file_is_the_right_one(folder):
    image = kernel(folder, 0)
    log = complete_report(image)
    check_says(decode(log, "--vmlinux", image.path)[1], f"its banner says 5.4.0-148-generic {BUILD}, as the report does; "
               "5 of the 6 functions named are in it with their sizes")
    anonymous = "".join(line for line in log.splitlines(keepends=True) if "CPU: 0" not in line)
    check_says(decode(anonymous, "--vmlinux", image.path)[1],
               "no build id and no release tells whether it is the right one",
               "which another flavour of the same version may have too")


# ---- The documented schema ----

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "oops.md"
GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "golden" / "oops"


def documented():
    """Rows of the tables of fields: what stands in the first cell -> all words in backquotes of the row."""
    rows, table = {}, None
    for line in DOCS.read_text().split("## JSON\n")[1].splitlines():
        cells = line.split(" | ")
        if line.startswith("| field"):
            table = "verdict." if "verdict" in line else ""
        elif table is not None and line.startswith("| ") and len(cells) > 1:
            words = set(re.findall(r"`([a-z0-9_]+)(?:\[\])?`", line))
            for name in re.findall(r"`([a-z0-9_]+)(?:\[\])?`", cells[0]) or [cells[0][2:]]:
                rows[table + name] = words
    return rows


def names_of(value, path=""):
    """(path of the object, key) of all keys, arrays left out."""
    for item in value if isinstance(value, list) else []:
        yield from names_of(item, path)
    for key, inner in value.items() if isinstance(value, dict) else []:
        yield path, key
        if key not in ("registers", "unwound_registers"):  # whose keys are registers
            yield from names_of(inner, f"{path}.{key}".lstrip("."))


def test_every_field_is_documented(folder):
    rows = documented()
    resolved, symbol = rows["frames"], rows["a symbol"]
    places = {"states.pc": symbol, "states.lr": symbol, "states.code": rows["states"], "traces.frames": resolved | symbol,
              "traces.frames.places": resolved, "traces.frames.missing": resolved, "verdict.pc": resolved,
              "verdict.lr": resolved, "verdict.pc.places": resolved, "verdict.pc.missing": resolved,
              "verdict.instruction.operand": rows["verdict.instruction"],
              "verdict.instruction.operand2": rows["verdict.instruction"], "verdict.callers": rows["verdict.variable"]}
    image = kernel(folder, 0)
    logs = [(complete_report(image).encode(), ["--vmlinux", image.path])]
    logs += [(path.read_bytes().split(b"\n\n", 1)[1], []) for path in sorted(GOLDENS.iterdir())]
    seen = set()
    for log, options in logs:
        done = subprocess.run([PROGRAM, "oops", "--json", *options], input=log, capture_output=True)
        seen |= set(names_of(json.loads(done.stdout)))
    for path, key in sorted(seen):
        known = places.get(path) or (rows.get(path) if path not in ("", "verdict") else None)
        check(key in known if known else (f"{path}.{key}".lstrip(".")) in rows, f"docs/oops.md does not have {path}.{key}")
    for name in set(rows) - {"frames", "a symbol", "verdict.lr"}:  # the last of arm64, arm and riscv alone
        path, _, key = name.rpartition(".")
        check((path, key) in seen, f"docs/oops.md has {name}, but no report does")


# ---- Files that are not what they should be ----

def patched(data, at, *new):
    return data[:at] + bytes(new) + data[at + len(new):]


def section(path, name):
    """Offset and size of a section in the file."""
    match = re.search(rf"\] {re.escape(name)}\s+\S+\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", run("readelf", "-SW", path))
    return int(match[1], 16), int(match[2], 16)


def over(data, place, byte):
    return data[:place[0]] + bytes([byte]) * place[1] + data[place[0] + place[1]:]


TEXT_ALONE = ["write to NULL+8 in `_raw_spin_lock_irqsave`",
              "the caller passed the address of a field at offset 8 of a NULL structure"]
NO_LINES = ["complete+0x", "no lines and variables"]


def damages(image):
    """Name, the bytes, what has to be said: of the damage, and of the report."""
    data = image.path.read_bytes()
    headers = struct.unpack_from("<Q", data, 40)[0]
    info, abbrev = section(image.path, ".debug_info"), section(image.path, ".debug_abbrev")
    stripped = folder_of(image) / "stripped"
    run("strip", "-s", "-o", stripped, image.path)
    return [
        ("cut in half", data[:len(data) // 2],
         [f"section headers are at byte {headers}, and it ends at byte {len(data) // 2}"], TEXT_ALONE),
        ("cut in its header", data[:40], ["it is cut: it ends at byte 40, in its ELF header"], TEXT_ALONE),
        ("empty", b"", ["it is empty"], TEXT_ALONE),
        ("a text", b"<html><title>404 Not Found</title>\n", ['it begins with "<html><title>404 Not'], TEXT_ALONE),
        ("binary noise", bytes(i * 7919 >> 3 & 255 for i in range(1, 9000)), ["it begins with "], TEXT_ALONE),
        ("a cut gzip", gzip.compress(data)[:2000], ["gzip data cannot be unpacked"], TEXT_ALONE),
        ("big-endian", patched(data, 5, 2), ["a big-endian ELF file"], TEXT_ALONE),
        ("32 bits by its header", patched(data, 4, 1), ["section headers"], TEXT_ALONE),
        ("a table of sections far away", patched(data, 40, *[0x7f] * 8), ["section headers are at byte"], TEXT_ALONE),
        ("for another machine", patched(data, 18, 183, 0), ["it is for another machine than x86_64"], TEXT_ALONE),
        ("stripped", stripped.read_bytes(), ["it is stripped or damaged: it has neither symbols nor debug information"], TEXT_ALONE),
        ("overwritten debug information", over(data, info, 0xff), [], TEXT_ALONE + NO_LINES),
        ("empty abbreviations", over(data, abbrev, 0), [], TEXT_ALONE + NO_LINES),
        ("no names of sections", patched(data, 62, 0, 0), [], TEXT_ALONE),
    ]


def folder_of(image):
    return image.path.parent


def test_damaged_vmlinux_falls_back_to_the_text(folder):
    image = kernel(folder, 0)
    log = complete_report(image)
    for name, data, evidence, headline in damages(image):
        bad = folder / "vmlinux-damaged"
        bad.write_bytes(data)
        code, out, err = decode(log, "--vmlinux", bad)
        check(code == 0, f"{name}: exit code {code}", err)
        check("vmlinux-damaged" in out, f"{name}: the file is not named", out)
        for sentence in evidence:
            check(sentence in out, f"{name}: \"{sentence}\" is not in", out)
        check(any(sentence in out for sentence in headline), f"{name}: none of {headline} in", out)
        check("touched `x->wait.lock`" not in out, f"{name}: it cannot tell", out)


def test_damaged_modules_fall_back_to_the_text(folder):
    whole = module(folder).read_bytes()
    for name, data, evidence in (("cut", whole[:900], "it is cut"), ("empty", b"", "it is empty"),
                                 ("a text", b"no module at all\n", 'it begins with "no module at all"'),
                                 ("noise behind its header", whole[:64] + bytes(255 for _ in whole[64:]),
                                  "it is stripped or damaged: it has neither symbols nor debug information")):
        bad = folder / "helloworld.ko"
        bad.write_bytes(data)
        code, out, err = decode(HELLO_REPORT, "--module", bad)
        check(code == 0, f"{name}: exit code {code}", err)
        check_says(out, evidence, "write to absolute address 0 in `hello_init`")


def test_files_of_other_builds_are_said_with_evidence(folder):
    image = kernel(folder, 0)
    log = complete_report(image)
    for other, evidence in ((kernel(folder, 0, build="#999-Ubuntu"), ["the report is of 5.4.0-148-generic #165-Ubuntu",
                                                                    "#999-Ubuntu"]),
                            (kernel(folder, 0, extra=("-O1", "-fno-inline", "-falign-functions=64")),
                             ["is not of the kernel that reported"])):
        code, out, err = decode(log, "--vmlinux", other.path)
        check(code == 0, err)
        check_says(out, *evidence, TEXT_ALONE[0])
    code, out, err = decode(HELLO_REPORT, "--module", module(folder, release="3.16.0-34-generic"))
    check(code == 0, err)
    check_says(out, "the report is of 3.16.0-33-generic, the module is for 3.16.0-34-generic",
               "write to absolute address 0 in `hello_init`")


def test_one_damaged_file_of_several(folder):
    image, bad = kernel(folder, 0), folder / "helloworld.ko"
    bad.write_bytes(b"no module")
    code, out, err = decode(complete_report(image), "--vmlinux", image.path, "--module", bad)
    check(code == 0, err)
    check_says(out, "touched `x->wait.lock` (+8)", 'helloworld.ko: no ELF file: it begins with "no module"')


def test_unreadable_files(folder):
    image = kernel(folder, 0)
    image.path.chmod(0)
    code, out, err = decode(complete_report(image), "--vmlinux", image.path)
    check(code == 0, err)
    if os.geteuid() == 0:
        return  # nothing is unreadable
    check_says(out, "Permission denied", TEXT_ALONE[0])


def test_files_that_are_not_there_are_errors(folder):
    log = "[ 1.0] nothing\n"
    for options in (["--vmlinux", folder / "none"], ["--module", folder / "none.ko"], ["--vmlinux", folder],
                    ["--module", "/etc/hostname"]):
        code, out, err = decode(log, *options)
        check(code == 2 and str(options[1]) in err, options, code, out, err)


# ---- Files made to keep their reader busy ----

LEVELS = 8


def entry_values():
    """Assembly of functions whose argument is, by its call site, what the caller's was when it was entered: many times."""
    lines = [".text", ".globl start", "start:"]
    for i in reversed(range(LEVELS)):
        lines += [f".type f{i}, @function", f"f{i}:", "nop", f"call f{i - 1}" if i else "lock cmpxchg %edx,(%rdi)",
                  f"r{i}:", "ret", ".balign 16", f".size f{i}, .-f{i}"]
    lines += ["finish:", '.section .debug_abbrev,"",@progbits']
    for code, tag, children, attributes in (
            (1, 0x11, 1, ((0x03, 8), (0x11, 1), (0x12, 6))), (2, 0x2e, 1, ((0x03, 8), (0x11, 1), (0x12, 6))),
            (3, 0x05, 0, ((0x03, 8), (0x49, 0x13), (0x02, 0x18))), (4, 0x24, 0, ((0x03, 8), (0x0b, 0x0b), (0x3e, 0x0b))),
            (5, 0x48, 1, ((0x7d, 1),)), (6, 0x49, 0, ((0x02, 0x18), (0x7e, 0x18)))):
        lines.append(f".uleb128 {code}, {tag}")
        lines.append(f".byte {children}")
        lines += [f".uleb128 {name}, {form}" for name, form in (*attributes, (0, 0))]
    lines += [".byte 0", '.section .debug_info,"",@progbits', "info:", ".long end - begin", "begin:", ".short 5",
              ".byte 1, 8", ".long 0", ".uleb128 1", '.string "busy.s"', ".quad start", ".long finish - start",
              "type:", ".uleb128 4", '.string "long"', ".byte 8, 5"]
    for i in range(LEVELS):
        lines += [".uleb128 2", f'.string "f{i}"', f".quad f{i}", f".long f{i - 1 if i else i} - f{i}" if i else
                  ".long finish - f0", ".uleb128 3", f'.string "a{i}"', ".long type - info", ".uleb128 4",
                  ".byte 0xa3, 1, 0x55, 0x9f"]
        if i:
            value = [0xa3, 1, 0x55, 0x13] * 120 + [0xa3, 1, 0x55] if i < 6 else [0x31]
            lines += [".uleb128 5", f".quad r{i}", ".uleb128 6", ".uleb128 1", ".byte 0x55", f".uleb128 {len(value)}",
                      ".byte " + ",".join(map(str, value)), ".byte 0"]
        lines.append(".byte 0")
    return "\n".join([*lines, ".byte 0", "end:", ""])


def test_entry_values_of_entry_values_come_to_an_end(folder):
    path = folder / "vmlinux"
    (folder / "busy.s").write_text(entry_values())
    run("as", folder / "busy.s", "-o", folder / "busy.o")
    run("ld", "-Ttext=0xffffffff81000000", "-e", "0", "-o", path, folder / "busy.o")
    log = complete_report_of_frames(["f0+0x1/0x10", *(f"f{i}+0x6/0x10" for i in range(1, LEVELS))])
    code, out, err = decode(log, "--vmlinux", path)
    check(code == 0, err)
    check_says(out, "symbols and debug information of the kernel", "f7+0x6/0x10")
    check("took too long" not in out, out)


def elf_of(body):
    """An ELF file for x86-64 with one section of data."""
    names = b"\0.rodata\0.shstrtab\0"
    body += bytes(-len(body) % 8)
    table = 64 + len(body) + len(names) + (-len(names) % 8)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    sections = [(0,) * 10, (1, 1, 2, 0xffffffff82000000, 64, len(body), 0, 0, 8, 0),
                (9, 3, 0, 0, 64 + len(body), len(names), 0, 0, 1, 0)]
    return (header + body + names).ljust(table, b"\0") + b"".join(struct.pack("<IIQQQQIIQQ", *s) for s in sections)


def test_bytes_that_look_like_names_everywhere_come_to_an_end(folder):
    body = bytes([1, 1, 1, 0]) * (1 << 21)
    tokens = b"".join((bytes([i]) if 48 <= i <= 57 else b"ab") + b"\0" for i in range(256))
    starts = [0]
    for token in tokens.split(b"\0")[:255]:
        starts.append(starts[-1] + len(token) + 1)
    path = folder / "vmlinux"
    path.write_bytes(elf_of(body + tokens + bytes(-len(tokens) % 8) + struct.pack("<256H", *starts)))
    code, out, err = decode(complete_report_of_frames(["f0+0x1/0x10"]), "--vmlinux", path)
    check(code == 0, err)
    check("took too long" not in out and "f0+0x1/0x10" in out, out)


def test_a_log_without_a_newline_at_its_end_before_another(folder):
    report = "BUG: kernel NULL pointer dereference, address: 0000000000000008\nRIP: 0010:{0}+0x1/0x20\nCall Trace:\n {0}+0x1/0"
    (folder / "a").write_text(report.format("lamp_on"))
    (folder / "b").write_text(report.format("lamp_off"))
    code, out, err = decode("", "--json", folder / "a", folder / "b")
    check(code == 0, err)
    check([r["function"] for r in json.loads(out)] == ["lamp_on", "lamp_off"], out)


def missing():
    if platform.machine() != "x86_64":
        return "no compiler for x86-64"
    for tool in ("cc", "ld", "nm", "objdump", "objcopy", "strip", "readelf"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    return None


if __name__ == "__main__":
    sys.exit(main(globals(), skip=missing()))

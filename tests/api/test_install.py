#!/usr/bin/env python3
"""The installed library as its users meet it: headers, pkg-config, symbols, the example. Prints TAP.

test_install.py BUILD-DIR SOURCE-DIR
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

build, source = map(pathlib.Path, sys.argv[1:3])


def sh(*command, env=None):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **(env or {})}, timeout=120)
    return done.returncode, done.stdout


class Installed:
    def __init__(self, root):
        code, out = sh("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
        assert code == 0, out
        self.root = pathlib.Path(root)
        pc = next(self.root.rglob("drivelab.pc"))
        self.libdir = pc.parent.parent
        self.env = {"PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": str(root),
                    "LD_LIBRARY_PATH": str(self.libdir)}

    def flags(self, *which):
        code, out = sh("pkg-config", *which, "drivelab", env=self.env)
        assert code == 0, out
        return out.split()

    def compile(self, to, *libraries):
        code, out = sh("cc", "-Wall", "-Werror", source / "examples/crash_log.c", "-o", to, *self.flags("--cflags"),
                       *libraries)
        assert code == 0, out


def example_finds_nothing_lost(i, tmp):
    i.compile(tmp / "shared", *i.flags("--libs"))
    code, out = sh(tmp / "shared", env=i.env)
    assert code == 0 and " 0 committed ones lost" in out, out


def example_catches_a_missing_flush(i, tmp):
    code, out = sh(tmp / "shared", "no-flush", env=i.env)
    assert code == 1 and "records were committed" in out, out


def static_library_links(i, tmp):
    private = [f for f in i.flags("--libs", "--static") if f != "-ldrivelab"]
    i.compile(tmp / "static", i.libdir / "libdrivelab.a", *private)
    code, out = sh(tmp / "static", env={"LD_LIBRARY_PATH": ""})
    assert code == 0, out


def static_library_keeps_its_names_to_itself(i, tmp):
    code, out = sh("nm", "-g", "--defined-only", i.libdir / "libdrivelab.a")
    assert code == 0, out
    foreign = [line for line in out.splitlines() if line.count(" ") == 2 and " drivelab_" not in line]
    assert not foreign and out.count(" T drivelab_") > 15, foreign or out


def exported_symbols_are_those_of_the_header(i, tmp):
    code, out = sh("nm", "-D", "--defined-only", i.libdir / "libdrivelab.so")
    assert code == 0, out
    symbols = re.findall(r" T (\w+)@@(DRIVELAB_[\d.]+)", out)
    declared = set(re.findall(r"\b(drivelab_\w+)\(", (source / "include/drivelab.h").read_text()))
    assert {name for name, _ in symbols} == declared, (symbols, declared)
    others = [line for line in out.splitlines() if " T " in line and "@@DRIVELAB_" not in line]
    assert not others, others


def header_is_c_plus_plus_too(i, tmp):
    if not shutil.which("g++"):
        return "g++ is not installed"
    code, out = sh("g++", "-fsyntax-only", "-Wall", "-Werror", "-x", "c++", source / "include/drivelab.h")
    assert code == 0, out


TESTS = [example_finds_nothing_lost, example_catches_a_missing_flush, static_library_links,
         static_library_keeps_its_names_to_itself,
         exported_symbols_are_those_of_the_header, header_is_c_plus_plus_too]

print(f"1..{len(TESTS)}")
failed = 0
with tempfile.TemporaryDirectory(prefix="drivelab-install-") as root:
    installed = Installed(root + "/root")
    for number, test in enumerate(TESTS, 1):
        try:
            skip = test(installed, pathlib.Path(root))
            print(f"ok {number} - {test.__name__}" + (f" # SKIP {skip}" if skip else ""))
        except (AssertionError, subprocess.TimeoutExpired) as why:
            failed += 1
            print("\n".join(f"# {line}" for line in str(why).splitlines()))
            print(f"not ok {number} - {test.__name__}")
sys.exit(failed != 0)

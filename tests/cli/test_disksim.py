#!/usr/bin/env python3
"""scripts/disksim-profile, on a small drive of our own described in DiskSim's syntax; prints TAP."""
import pathlib
import subprocess
import sys
import tempfile

SCRIPT, DRIVELAB = sys.argv[1:3]

SPECS = """disksim_disk TINY {
   Model = source tiny.model,
   Bulk sector transfer time = 0.100000,   # ms
   Max queue length = 1,
   Scheduler = disksim_ioqueue {
      Scheduling policy = 1
   },
   Number of buffer segments = 4,
   Maximum number of write segments = 2,
   Segment size (in blks) = 100,
   Enable caching in buffer = 1,
   Buffer continuous read = 4,
   Maximum read-ahead (blks) = 64,
   Read-ahead on idle hit = 0,
   High (read) water mark = 0.0,
   Fast write level = 2,
   Read hit over. after read = 0.066000,
   Read hit over. after write = 0.273000,
   Read miss over. after read = 0.5,
   Read miss over. after write = 0.5,
   Write hit over. after read = 0.7,
   Write hit over. after write = 0.6,
   Write miss over. after read = 1,
   Write miss over. after write = 1,
   Read completion overhead = 0.25
} # end
"""
MODEL = """dm_disk TINY_model {
   Number of data surfaces = 2,
   Number of cylinders = 100,
   Block count = 17000,
   Layout Model = dm_layout_g1 {
      LBN-to-PBN mapping scheme = 0,
      Zones = [
         dm_layout_g1_zone {
            First cylinder number = 0, Last cylinder number = 49,
            Blocks per track = 100,
            Skew for track switch = 10.000000,
            Skew for cylinder switch = 20.000000,
            Number of spares = 3,
            slips = [ 5, 900,
               1800 ],
            defects = []
         },
         dm_layout_g1_zone {
            First cylinder number = 50,
            Last cylinder number = 99,
            Blocks per track = 80,
            Skew for track switch = 8,
            Skew for cylinder switch = 16,
            Number of spares = 0,
            slips = [], defects = []
         }
      ]
   },
   Mechanical Model = dm_mech_g1 {
      Seek type = extracted,
      Full seek curve = tiny.seek,
      Add. write settling delay = -0.1,
      Head switch time = 0.5,
      Rotation speed (in rpms) = 6000
   }
}
"""
SEEK = "Seek distances measured: 4\n1,\t1.0\n2,\t2.0\n3,\t1.0\n99,\t9.5\n"

count = failed = 0


def check(name, ok, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {name}")
    if not ok:
        print("".join(f"# {line}\n" for line in str(why).splitlines()), end="")


def convert(folder, specs=SPECS, model=MODEL, seek=SEEK):
    for name, text in (("tiny.diskspecs", specs), ("tiny.model", model), ("tiny.seek", seek)):
        pathlib.Path(folder, name).write_text(text)
    return subprocess.run([sys.executable, SCRIPT, str(pathlib.Path(folder, "tiny.diskspecs"))], capture_output=True,
                          text=True)


with tempfile.TemporaryDirectory() as folder:
    done = convert(folder)
    lines = done.stdout.splitlines()
    check("a drive is read", done.returncode == 0, done.stderr)
    for wanted in ("surfaces = 2", "rpm = 6000", "capacity = 8704000", "head_switch = 900000", "write_settle = 0",
                   "zones = 0-49:100:10:20:555, 50-99:80:8:16:445", "read_hit = 66000,273000",
                   "seek_points = 1:1ms, 2:1.5ms, 3:1.5ms, 99:9.5ms", "bus_bandwidth = 5120000", "bus_overlap = yes",
                   "read_answer = 250000", "write_cache = yes", "read_segments = 4", "write_segments = 2",
                   "segment_bytes = 53248", "read_ahead = 32768", "read_ahead_on_hit = yes", "policy = fcfs"):
        check(f"the profile says {wanted.split(' =')[0]}", wanted in lines, done.stdout)
    for said in ("3 slipped", "seek curve falls", "settle of -0.1", "head switch of 0.5 ms becomes 0.9"):
        check(f"it is said: {said}", said in done.stderr, done.stderr)
    ini = pathlib.Path(folder, "tiny.ini")
    ini.write_text(done.stdout)
    job = pathlib.Path(folder, "job.fio")
    job.write_text("[read]\nrw=randread\nbs=4k\nsize=100%\nnumber_ios=100\n")
    run = subprocess.run([DRIVELAB, "run", str(ini), "--job", str(job)], capture_output=True, text=True)
    check("the profile runs", run.returncode == 0, run.stderr)

    for name, change, word in (
            ("a missing model", {"specs": SPECS.replace("tiny.model", "nowhere.model")}, "nowhere.model"),
            ("no zones", {"model": MODEL.replace("dm_layout_g1_zone", "other")}, "no zones"),
            ("a number that is none", {"model": MODEL.replace("= 6000", "= fast")}, "Rotation speed (in rpms) = fast"),
            ("an empty seek curve", {"seek": "nothing\n"}, "no points")):
        done = convert(folder, **change)
        check(f"{name} is refused by name", done.returncode == 2 and word in done.stderr, done.stderr)

print(f"1..{count}")
sys.exit(failed > 0)

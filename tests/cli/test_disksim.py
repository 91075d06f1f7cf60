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


def convert(folder, specs=SPECS, model=MODEL, seek=SEEK, seek_name="tiny.seek", arguments=(), read="tiny.diskspecs",
            **others):
    for old in pathlib.Path(folder).glob("[tT]*"):
        old.unlink()
    for name, text in (("tiny.diskspecs", specs), ("tiny.model", model), (seek_name, seek), *others.items()):
        pathlib.Path(folder, name).write_text(text)
    return subprocess.run([sys.executable, SCRIPT, str(pathlib.Path(folder, read)), *arguments], capture_output=True,
                          text=True)


with tempfile.TemporaryDirectory() as folder:
    done = convert(folder)
    lines = done.stdout.splitlines()
    check("a drive is read", done.returncode == 0, done.stderr)
    for wanted in ("surfaces = 2", "rpm = 6000", "capacity = 8704000", "head_switch = 900000", "write_settle = 0",
                   "zones = 0-49:100:10:20:555, 50-99:80:8:16:445", "read_hit = 66000,273000",
                   "seek_points = 1:1ms, 2:1.5ms, 3:1.5ms, 99:9.5ms", "bus_bandwidth = 5120000", "bus_overlap = yes",
                   "read_answer = 250000", "write_cache = yes", "read_segments = 4", "write_segments = 2",
                   "segment_bytes = 53248", "read_ahead = 32768", "read_ahead_to = tracks", "read_ahead_on_hit = yes", "bus_mark = 0",
                   "write_miss = 900000,900000", "read_before = no",
                   "policy = fcfs"):
        check(f"the profile says {wanted.split(' =')[0]}", wanted in lines, done.stdout)
    for said in ("3 slipped", "seek curve falls", "settle of -0.1", "head switch of 0.5 ms becomes 0.9"):
        check(f"it is said: {said}", said in done.stderr, done.stderr)
    ini = pathlib.Path(folder, "tiny.ini")
    ini.write_text(done.stdout)
    job = pathlib.Path(folder, "job.fio")
    job.write_text("[read]\nrw=randread\nbs=4k\nsize=100%\nnumber_ios=100\n")
    run = subprocess.run([DRIVELAB, "run", str(ini), "--job", str(job)], capture_output=True, text=True)
    check("the profile runs", run.returncode == 0, run.stderr)

    own = "Seek type = extracted,\n      Full seek curve = tiny.seek"
    hpl = "HPL seek equation values = [\n 30, 1.5, 0.25, 2.4,\n 0.02, {} ]"
    ten = "First ten seek times = [ 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9 ]"
    three = "Single cylinder seek time = 1.0, Average seek time = 4.0, Full strobe seek time = 8.0"
    layout = MODEL[MODEL.index("dm_layout_g1 {"):MODEL.index("   Mechanical Model")]
    for name, change, wanted in (
            ("Ruemmler and Wilkes' formula", {"model": MODEL.replace(own, "Seek type = hpl,\n" + hpl.format("-1.0"))},
             "seek_formula = 1.5, 0.25, 30, 2.4, 0.02"),
            ("the formula with a single-cylinder time",
             {"model": MODEL.replace(own, "Seek type = hpl,\n" + hpl.format("0.9"))},
             "seek_points = 1:0.9ms, 2:1.85355ms,"),
            ("the formula behind ten seeks",
             {"model": MODEL.replace(own, "Seek type = hplplus10,\n" + hpl.format("-1") + ",\n" + ten)},
             "9:1.8ms, 10:1.9ms, 11:2.32916ms"),
            ("ten seeks that are commented out",
             {"model": MODEL.replace("Head switch", "# " + ten + ",\n      Head switch")},
             "seek_points = 1:1ms, 2:1.5ms, 3:1.5ms, 99:9.5ms"),
            ("Lee's curve",
             {"model": MODEL.replace(own, "Seek type = curve, " + three)}, "seek_points = 1:1ms, 2:1.37ms,"),
            ("three times",
             {"model": MODEL.replace(own, "Seek type = linear, " + three)}, "seek_points = 1:1ms, 33:4ms, 99:8ms"),
            ("a constant seek", {"model": MODEL.replace(own, "Seek type = constant, Constant seek time = 5.5")},
             "seek_points = 1:5.5ms"),
            ("an outlier", {"seek": "1 1.0\n2 2.0\n3 9.0\n4 3.0\n5 3.5\n99 4.0\n"},
             "seek_points = 1:1ms, 2:2ms, 3:3.5ms, 4:3.5ms, 5:3.5ms, 99:4ms"),
            ("more columns", {"seek": "Seek distances measured: 2\n1, 0.5257, 0.024, 0.6757\n99,\t7.5, 0.1, 8\n"},
             "seek_points = 1:0.5257ms, 99:7.5ms"),
            ("another spelling of the file",
             {"seek_name": "TINY.Seek"}, "seek_points = 1:1ms, 2:1.5ms, 3:1.5ms, 99:9.5ms"),
            ("the model in the same file",
             {"specs": SPECS.replace("Model = source tiny.model,\n", "") + MODEL, "model": "-"},
             "zones = 0-49:100:10:20:555, 50-99:80:8:16:445"),
            ("the layout in another file",
             {"model": MODEL.replace(layout, "source tiny.layout,\n"), "tiny.layout": layout},
             "zones = 0-49:100:10:20:555, 50-99:80:8:16:445"),
            ("skews in turns",
             {"model": MODEL.replace("Zones =", "Skew units = revolutions,\nZones =").replace("= 10.000000", "= 0.25")
                                .replace("= 20.000000", "= 0.5").replace("= 8,", "= 0.1,").replace("= 16,", "= 0.2,")},
             "zones = 0-49:100:25:50:555, 50-99:80:8:16:445"),
            ("zones that are alike",
             {"model": MODEL.replace("= 80", "= 100").replace("= 8,", "= 10,").replace("= 16,", "= 20,")},
             "zones = 0-99:100:10:20:3000"),
            ("reading before the request",
             {"specs": SPECS.replace("Fast write", "Read any free blocks = 1,\n   Fast write")},
             "read_before = yes"),
            ("reading ahead to the end of a track", {"specs": SPECS.replace("continuous read = 4", "continuous read = 1")},
             "read_ahead = 32768\nread_ahead_to = track\n"),
            ("reading ahead so far", {"specs": SPECS.replace("continuous read = 4", "continuous read = 3")},
             "read_ahead = 32768\nread_ahead_to = amount\n"),
            ("data that crosses the bus late", {"specs": SPECS.replace("mark = 0.0", "mark = 0.75")},
             "bus_overlap = yes\nbus_mark = 75\n"),
            ("what selecting the bus takes",
             {"specs": SPECS.replace("Read completion", "First reselect overhead = 0.25,\n   Read completion")},
             "read_miss = 750000,750000"),
            ("writes that leave the bus first",
             {"specs": SPECS.replace("Read completion", "Extra write disconnect = 1,\n Extradisc command overhead = 0.5,"
                                     "\n Other reselect overhead = 0.2,\n   Read completion")},
             "write_miss = 600000,600000"),
            ("a bus found beside", {"specs": SPECS.replace("time = 0.100000", "time = 0"),
                                    "t.parv": "Read block transfer time = 0.2,\nsource ./tiny.diskspecs\n"},
             "bus_bandwidth = 2560000"),
            ("one of two drives", {"specs": "disksim_disk OTHER { Model = source no.model }\n" + SPECS,
                                   "arguments": ["--name", "TINY"]}, "surfaces = 2"),
            ("the drive of a .parv file", {"t.parv": "x = 1\nsource ./tiny.diskspecs\n", "read": "t.parv"},
             "surfaces = 2"),
            ("a switch that leaves time to settle",
             {"model": MODEL.replace("= -0.1", "= 0.3")}, "head_switch = 600000"),
            ("unknown names", {"specs": SPECS.replace("Max queue", "Frobnication [ x = 1,\n Max queue"),
                               "model": MODEL.replace("Block count", "Warp = 9 = 8,\n Block count")}, "surfaces = 2")):
        done = convert(folder, **change)
        check(f"{name}: read", done.returncode == 0 and wanted in done.stdout, done.stdout + done.stderr)
    done = convert(folder, seek="".join(f"{d}, {1 + (d / 5) ** 0.5:.6f}\n" for d in range(1, 600)))
    ini.write_text(done.stdout)
    run = subprocess.run([DRIVELAB, "run", str(ini), "--job", str(job)], capture_output=True, text=True)
    check("a curve of too many points is thinned out", done.returncode == 0 and run.returncode == 0,
          done.stderr + run.stderr)

    for name, change, word in (
            ("a missing seek curve", {"model": MODEL.replace("tiny.seek", "nowhere.seek")}, "nowhere.seek"),
            ("a layout of another type", {"model": MODEL.replace("dm_layout_g1 {", "dm_layout_g4 {")}, "type g4"),
            ("zones that overlap",
             {"model": MODEL.replace("First cylinder number = 50", "First cylinder number = 49")}, "overlaps"),
            ("a zone of nothing",
             {"model": MODEL.replace("Blocks per track = 80", "Blocks per track = 0")}, "Blocks per track = 0"),
            ("a platter that stands still", {"model": MODEL.replace("= 6000", "= 0")}, "expected more than 0"),
            ("no mechanical model", {"model": MODEL[:MODEL.index("   Mechanical Model")]}, "no \"Rotation speed"),
            ("an unknown kind of seek", {"model": MODEL.replace("extracted", "magic")}, "Seek type = magic"),
            ("a formula cut short",
             {"model": MODEL.replace(own, "Seek type = hpl, HPL seek equation values = [ 1, 2 ]")},
             "expected 6"),
            ("words in a formula",
             {"model": MODEL.replace(own, "Seek type = hpl, HPL seek equation values = [ 1, b ]")},
             "not numbers"),
            ("an empty description", {"specs": "", "model": ""}, "Model = source"),
            ("a missing model", {"specs": SPECS.replace("tiny.model", "nowhere.model")}, "nowhere.model"),
            ("no zones", {"model": MODEL.replace("dm_layout_g1_zone", "other")}, "no zones"),
            ("a number that is none",
             {"model": MODEL.replace("= 6000", "= fast")}, "Rotation speed (in rpms) = fast"),
            ("two drives", {"specs": "disksim_disk OTHER { Model = source no.model }\n" + SPECS}, "OTHER, TINY"),
            ("an empty seek curve", {"seek": "nothing\n"}, "no points")):
        done = convert(folder, **change)
        check(f"{name} is refused by name", done.returncode == 2 and word in done.stderr, done.stderr)

print(f"1..{count}")
sys.exit(failed > 0)

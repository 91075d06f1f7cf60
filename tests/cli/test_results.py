#!/usr/bin/env python3
"""What `drivelab run` measures and shows. test_results.py DRIVELAB [NAME...] prints TAP."""
import html
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import FAST, FEW, LIMIT, MIXED, PROGRAM, SMALL, Skip, check, main, refused, run, work_for, write_job  # noqa: E402

# ---- where the time went ----

BLOCK = "[a]\nrw=randrw\nbs=4k\niodepth=8\nsize=64m\nnumber_ios=600\nfsync=20\n[b]\nrw=randtrim\nnumber_ios=50\nsize=64m\n"
ZONES = ("[a]\nrw=write\nbs=128k\niodepth=4\nzonemode=zbd\nsize=1z\nfsync=100\nloops=2\n"
         "[b]\nstonewall\nrw=randread\nbs=4k\niodepth=4\nzonemode=zbd\nsize=2z\nnumber_ios=600\n")

FLUSHES = "[a]\nrw=randrw\nbs=4k\niodepth=4\nsize=64m\nnumber_ios=300\nfsync=20\nnumjobs=3\n[b]\nrw=rw\nbs=4k\niodepth=16\nsize=64m\nnumber_ios=300\nfsync=50\n"
READERS = ("[global]\nrw=read\nbs=64k\nruntime=300ms\ntime_based\nsize=16m\n[near]\noffset=0\n[far]\noffset=32m\n[thinks]\nrw=randrw\nbs=4k\nthinktime=500us\n")


def test_time_is_accounted_for_on_every_kind_of_drive(folder):
    """Each stage is of a request's time, together they are all of it; text shows the same as JSON."""
    cases = {
        "nossd": (BLOCK, FAST, {"read": {"firmware"}, "write": {"firmware"}, "flush": set(), "trim": set()}),
        "hdd-7200": (BLOCK, [], {"read": {"seek", "rotation", "transfer", "arm_wait"}, "write": {"link"},
                                 "flush": {"write_back"}, "trim": {"firmware"}}),
        "tlc": (BLOCK, [], {"read": {"link"}, "write": {"link"}, "flush": {"write_back"}, "trim": {"firmware"}}),
        "ide-2004": (FLUSHES, ["--scheduler", "cfq"], {"read": {"seek", "scheduler_wait"}, "write": {"scheduler_wait"}, "flush": {"write_back"}}),
        "zns-small": (ZONES, [], {"read": {"array", "die_wait"}, "write": {"buffer_wait", "link"}, "flush": {"firmware"},
                                  "zone_reset": {"firmware"}}),
    }
    for drive, (job, options, wanted) in cases.items():
        args = ["run", drive, *options, "--job", write_job(folder, job), "--detail", "--reproducible"]
        stages = json.loads(run(*args, "--json", "-", code=0).stdout)["drivelab"]["detail"]["latency_by_stage"]
        check(set(stages) == set(wanted), drive, sorted(stages))
        for kind, names in wanted.items():
            for part in stages[kind].values():
                check("other" not in part["stages_ns"] and min(part["stages_ns"].values(), default=0) >= 0, drive, kind, part)
                check(abs(sum(part["stages_ns"].values()) - part["latency_ns"]) < 1, drive, kind, part)
            check(names <= set(stages[kind]["mean"]["stages_ns"]), drive, kind, stages[kind]["mean"])
        text = run(*args, code=0).stdout
        check("\nWhere the time went:" in text, text)
        for kind in wanted:
            check(re.search(rf"^  {kind} +[\d.]+ \w+ +[\d.]+ \w+$", text, re.M), kind, text)


MERGED = ("[global]\nsize=64m\n[a]\nrw=write\nbs=4k\niodepth=16\niodepth_batch=8\nnumber_ios=400\nfsync=40\n"
          "[b]\nrw=read\nbs=4k\niodepth=16\niodepth_batch=8\nnumber_ios=400\n[c]\nrw=randrw\nbs=3m\nnumber_ios=8\n")


def test_time_with_a_scheduler_is_accounted_for_once(folder):
    """Also of requests that were merged, taken to pieces, or answered by another's flush."""
    cases = [(drive, MERGED, name) for drive in ("nossd", "hdd-7200", "tlc") for name in ("noop", "cfq", "kyber", "none")]
    for drive, job, name in [*cases, ("zns-small", ZONES, "none"), ("zns-small", ZONES, "mq-deadline")]:
        args = ["run", drive, *(FAST if drive == "nossd" else []), "--job", write_job(folder, job), "--scheduler", name]
        result = json.loads(run(*args, "--detail", "--json", "-", code=0).stdout)["drivelab"]
        for kind, parts in result["detail"]["latency_by_stage"].items():
            for part in parts.values():
                told = part["stages_ns"]
                check("other" not in told and min(told.values(), default=0) >= 0, drive, name, kind, part)
                check(abs(sum(told.values()) - part["latency_ns"]) < 1, drive, name, kind, part)
        if job is MERGED:
            check(sum(p["merged"] for p in result["scheduler"]["processes"]) > 100, drive, name)


# ---- schedulers ----

APART = "[global]\nrw=read\nbs=64k\nsize=1g\nruntime=2\ntime_based\n[near]\n[far]\noffset=500g\n"


def test_who_is_waited_for_reads_on(folder):
    """Two readers far apart: who lets each read on for a while has most of the disk's throughput, the others little."""
    job = write_job(folder, APART)
    for name, waits in {"noop": False, "deadline": False, "cfq": True, "as": True, "bfq,low_latency=0": True,
                        "cfq,slice_idle=0,group_idle=0": False, "bfq,low_latency=0,slice_idle=0": False}.items():
        result = run("run", "hdd-7200", "--job", job, "--scheduler", name, "--json", "-", code=0).stdout
        total = json.loads(result)["drivelab"]["total"]["read"]["bw_bytes"]
        check(total > 120e6 if waits else total < 10e6, name, total)


# ---- text ----

def test_text_ends_with_groups_and_a_total(folder):
    job = write_job(folder, "[global]\nbs=4k\nnumber_ios=100\n[a]\nrw=read\n[b]\nrw=read\nbs=8k\n[c]\nstonewall\nrw=write\n")
    text = run("run", "nossd", *FAST, "--job", job, code=0).stdout
    first, second = re.findall(r"^Run status group (\d) \(all jobs\):\n((?: .*\n)+)", text, re.M)
    check(first[0] == "0" and second[0] == "1", text)
    check(re.fullmatch(r"   READ: bw=1.14GiB/s \(1.23GB/s\), 391MiB/s-781MiB/s \(410MB/s-819MB/s\), io=1.17MiB \(1.23MB\), run=1-1msec\n",
                       first[1]), first)
    check(re.match(r"  WRITE: bw=391MiB/s ", second[1]) and second[1].count("\n") == 1, second)
    check(re.search(r"^Total:\n +read: 200 I/Os, IOPS=100k, BW=614 MB/s, lat avg=10 us, .*\n.*\n +write: 100 I/Os, ", text, re.M), text)


# ---- fio's JSON ----

FIO = """[global]
ioengine=null
size=4m
bs=4k
[a]
rw=randrw
iodepth=4
[b]
stonewall
rw=write
numjobs=2
group_reporting
fsync=16
[c]
stonewall
rw=randread
latency_target=1ms
latency_window=100ms
runtime=500ms
time_based
rate_iops=5000
[d]
stonewall
rw=read
steadystate=iops:50%
ss_dur=2
time_based
runtime=3
rate_iops=1000
[e]
stonewall
rw=randtrim
"""


def keys_missing(wanted, have, at=""):
    """Keys of nested objects that are missing or have a value of another type."""
    if isinstance(wanted, dict):
        if not isinstance(have, dict):
            return [at]
        if at.endswith("/bins"):
            return [] if have and all(key.isdigit() and isinstance(n, int) for key, n in have.items()) else [at]
        return [missing for key, value in wanted.items() for missing in
                (keys_missing(value, have[key], f"{at}/{key}") if key in have else [f"{at}/{key}"])]
    if isinstance(wanted, list):
        if not isinstance(have, list) or len(have) != len(wanted):
            return [at]
        return [missing for i, pair in enumerate(zip(wanted, have)) for missing in keys_missing(*pair, f"{at}[{i}]")]
    return [] if type(wanted) is type(have) else [f"{at}: {wanted!r} is {have!r}"]


def test_json_has_all_that_the_real_fio_writes(folder):
    fio = shutil.which("fio")
    if not fio:
        raise Skip("no fio here")
    job = write_job(folder, FIO)
    for form, more in (("json", []), ("json+", ["--detail"])):
        real = subprocess.run([fio, "--output-format=" + form, job], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT, cwd=folder)
        check(real.returncode == 0, real.stderr)
        wanted = json.loads(real.stdout[real.stdout.index("{"):])
        have = json.loads(run("run", "nossd", *FAST, "--job", job, "--json", "-", *more, code=0).stdout)
        check(not keys_missing(wanted, have), form, keys_missing(wanted, have))
        check(have["global options"] == wanted["global options"], have["global options"])
        for one, other in zip(wanted["jobs"], have["jobs"]):
            check(one["job options"].items() <= other["job options"].items(), one["job options"], other["job options"])
            for key in ("latency_target", "latency_window", "latency_percentile", "groupid", "jobname"):
                check(one[key] == other[key], key, one[key], other[key])


def test_fios_own_script_reads_the_json(folder):
    script = shutil.which("fio_jsonplus_clat2csv")
    if not script:
        raise Skip("no fio_jsonplus_clat2csv here")
    path, csv = pathlib.Path(folder, "x.json"), pathlib.Path(folder, "x.csv")
    run("run", "nossd", *FAST, "--job", write_job(folder, FIO), "--detail", "--json", path, code=0)
    for more in ([], ["--validate"]):
        done = subprocess.run([script, path, csv, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        if "ModuleNotFoundError" in done.stderr:
            raise Skip(done.stderr.splitlines()[-1])
        check(done.returncode == 0 and "mismatch" not in done.stdout, done.stdout, done.stderr)
    last = pathlib.Path(folder, "x_job0.csv").read_text().splitlines()[-1].split(", ")
    check("1.0" in last, last)


# ---- pages ----

WATCHER = """<body style="margin:0"><iframe src="%s" style="width:%dpx;height:3000px;border:0"></iframe><pre id="seen"></pre><script>
onload = () => {
  const frame = document.querySelector("iframe").contentDocument, root = frame.documentElement, wide = frame.defaultView.innerWidth;
  const beyond = [...frame.querySelectorAll("main *")].filter(e => !e.closest(".scroll > *") && e.getBoundingClientRect().right > wide + 1);
  document.getElementById("seen").textContent = JSON.stringify({title: frame.title, charts: frame.querySelectorAll("svg[role=img]").length,
    headings: [...frame.querySelectorAll("h2")].map(h => h.textContent), scrolls: root.scrollWidth > wide, wide,
    beyond: beyond.map(e => e.outerHTML.slice(0, 120)), background: frame.defaultView.getComputedStyle(frame.body).backgroundColor,
    rows: frame.querySelectorAll("tr").length, text: frame.querySelector("main").textContent});
};
</script>"""


def look(folder, page, width, dark=False):
    """What a browser shows of a page in a window so wide."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        raise Skip("no Chromium here")
    watcher = pathlib.Path(folder, "watcher.html")
    watcher.write_text(WATCHER % (page.name, width))
    done = subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
                           "--allow-file-access-from-files", "--virtual-time-budget=3000", "--enable-logging=stderr",
                           f"--window-size={max(width, 500)},3000", *(["--blink-settings=preferredColorScheme=0"] if dark else []),
                           "--dump-dom", watcher.as_uri()], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
    if not done.stdout:
        raise Skip("the browser does not start here")
    check("CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line])
    return json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S)[1]))


def test_pages_fit_phones_and_desktops_by_day_and_night(folder):
    one, many = pathlib.Path(folder, "one.html"), pathlib.Path(folder, "many.html")
    job = write_job(folder, MIXED)
    run("run", "tlc", *SMALL, "--job", job, "--html", one, code=0)
    run("run", "tlc", *FEW, "-o", "nand.luns=1,2", "-o", "ssd.gc_policy=greedy,fifo", "--job", job, "--html", many, code=0)
    for page, charts in ((one, 12), (many, 22)):
        for width in (390, 1280):
            for dark in (False, True):
                seen = look(folder, page, width, dark)
                check(seen["wide"] == width and not seen["scrolls"] and not seen["beyond"], page.name, width, seen["beyond"][:3])
                check(seen["charts"] >= charts, page.name, width, seen["charts"])
                check(seen["background"] == ("rgb(13, 13, 13)" if dark else "rgb(249, 249, 247)"), seen["background"])
                check("NaN" not in seen["text"] and "undefined" not in seen["text"], page.name)
                check("Where the time went" in seen["headings"], seen["headings"])


def test_pages_show_the_head_and_who_had_the_drive(folder):
    page, job = pathlib.Path(folder, "disk.html"), write_job(folder, READERS)
    views = ((390, False), (1280, True))

    def see(charts, heading, *texts):
        for width, dark in views:
            seen = look(folder, page, width, dark)
            check(not seen["scrolls"] and not seen["beyond"], width, seen["beyond"][:3])
            check(seen["charts"] >= charts and (heading is None or heading in seen["headings"]), seen["charts"], seen["headings"])
            check("NaN" not in seen["text"] and "undefined" not in seen["text"])
            for text in texts:
                check(text in seen["text"], text)
        return seen

    run("run", "hdd-7200", "--scheduler", "cfq", "--job", job, "--html", page, code=0)
    see(10, "Processes", "Where the head was", "Whom the drive worked for", "head travel", "mean slice", "thinks")
    run("run", "hdd-7200", "--scheduler", "noop;cfq", "--job", job, "--html", page, code=0)
    see(10, "Processes", "Share of the drive's time", "head travel", "slices")
    run("run", "nossd", *FAST, "--scheduler", "deadline", "--job", job, "--html", page, code=0)
    text = see(7, "Processes", "Whom the drive worked for")["text"]
    check("Where the head was" not in text and "head travel" not in text.split("Configuration")[0])
    run("run", "hdd-7200", "--job", job, "--html", page, code=0)
    check("Whom the drive" not in see(8, "The disk", "Where the head was")["text"])


def test_page_of_several_runs_compares_them(folder):
    page, job = pathlib.Path(folder, "many.html"), write_job(folder, MIXED.replace("[mix]", "[<b>mix]"))
    args = ["run", "tlc", *FEW, "-o", "nand.luns=1,2", "--job", job, "--reproducible", "--html", page]
    table = run(*args, "--json", pathlib.Path(folder, "x.json"), code=0).stdout
    first = page.read_bytes()
    check(table == run(*args, "--jobs", 2, code=0).stdout and page.read_bytes() == first)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.S)[1])
    check([p["options"] for p in data["points"]] == [{"nand.luns": "1"}, {"nand.luns": "2"}] and data["missing"] == 0)
    points = json.loads(pathlib.Path(folder, "x.json").read_text())
    for shown, point in zip(data["points"], points):
        check(shown["total"] == point["result"]["drivelab"]["total"] and "curves" not in point["result"])
        check(shown["curves"]["read"][-1][1] == shown["total"]["read"]["ios"], shown["curves"]["read"][-1])
    seen = look(folder, page, 1280)
    check(seen["rows"] == 1 + 2 * 2 and seen["title"] == "drivelab: tlc, 2 runs" and "<b>mix" in seen["text"], seen)
    check(seen["headings"] == ["Results", "Reads", "Writes", "Writing to flash", "Where the time went"], seen["headings"])
    failing = write_job(folder, "[a]\nrw=read\nsize=100MiB\nnumber_ios=10\n")
    run("run", "nossd", "-o", "drive.capacity=64MiB,1GiB", "--job", failing, "--html", page, code=1)
    check("64MiB" in look(folder, page, 390)["text"] and "size" in look(folder, page, 390)["text"])


def test_each_of_several_runs_has_its_timeline(folder):
    job, path = write_job(folder, MIXED), pathlib.Path(folder, "t.json")
    out = json.loads(run("run", "tlc", *FEW, "-o", "nand.luns=1,2", "--job", job, "--timeline", path, "--json", "-", "--jobs", 2,
                         code=0).stdout)
    for i, point in enumerate(out, 1):
        check(point["timeline"] == str(pathlib.Path(folder, f"t-{i}.json")), point["timeline"])
        lanes = {e["args"]["name"] for e in json.loads(pathlib.Path(point["timeline"]).read_text())["traceEvents"]
                 if e["name"] == "thread_name" and e["args"]["name"].startswith("die")}
        check(len(lanes) == 2 * i, lanes)
    check(not path.exists() and len(list(pathlib.Path(folder).glob("t*"))) == 2)


# ---- processes behind an I/O scheduler ----

def scheduled(folder, scheduler, *args, drive="hdd-7200"):
    return run("run", drive, "--scheduler", scheduler, "--job", write_job(folder, READERS), "--reproducible", *args, code=0).stdout


def test_processes_share_the_drive(folder):
    """What is told of processes agrees with the jobs, the drive and the whole."""
    for scheduler in ("cfq", "deadline"):
        result = json.loads(scheduled(folder, scheduler, "--json", "-"))
        lab, jobs = result["drivelab"], result["jobs"]
        processes, total = lab["scheduler"]["processes"], lab["scheduler"]["total"]
        check([p["name"] for p in processes] == [j["jobname"] for j in jobs] == ["near", "far", "thinks"], processes)
        for p, j in zip(processes, jobs):
            check(p["read"]["ios"] == j["read"]["total_ios"] and p["write"]["ios"] == j["write"]["total_ios"], p)
            check(abs(p["bw_bytes"]["read"] / j["read"]["bw_bytes"] - 1) < .05, p, j["read"]["bw_bytes"])
            check(0 < p["lat_ns"]["p50"] <= p["lat_ns"]["p99"] <= p["lat_ns"]["max"] <= total["lat_ns"]["max"], p["lat_ns"])
        check(abs(sum(p["share"] for p in processes) - 1) < 1e-5 and total["share"] == 1, processes)
        arm = lab["arm"]
        busy = sum(arm[k] for k in ("seek_ns", "settle_ns", "rotational_wait_ns", "transfer_ns", "data_wait_ns", "read_ahead_ns"))
        check(abs(total["drive_ns"] / busy - 1) < .02, total["drive_ns"], busy)
        for key in ("seeks", "accesses"):
            check(sum(p["arm"][key] for p in processes) == total["arm"][key], key)
        check(abs(total["arm"]["seeks"] - arm["seeks"]) <= 2 and total["arm"]["head_travel_cylinders"] >= arm["head_travel_cylinders"] * .98, total, arm)
        check(("slices" in total) == (scheduler == "cfq"), total)
    lab = json.loads(scheduled(folder, "cfq", "--json", "-"))["drivelab"]
    slices = [p["slices"] for p in lab["scheduler"]["processes"]]
    check(slices[2]["idle_ns"] > 0 and all(s["count"] > 1 and s["ns"] > 0 for s in slices), slices)


def test_processes_of_all_schedulers_are_in_one_table(folder):
    table = scheduled(folder, "all")
    lines = [line.split() for line in table.splitlines()]
    check(lines[0][:5] == ["scheduler", "process", "read", "write", "share"] and lines[0][-2:] == ["seeks", "travel"], lines[0])
    names = [line[0] for line in lines[1::4]]
    check({"noop", "deadline", "as", "cfq", "mq-deadline", "kyber", "none"} <= set(names), names)
    check([line[:2] for line in lines[1:]] == [[n, p] for n in names for p in ("near", "far", "thinks", "all")], table)
    text = scheduled(folder, "cfq")
    check(re.search(r"^Processes:\nprocess +read .* travel\nnear +[\d.]+ [kM]B/s +- +[\d.]+ % .*\nfar .*\nthinks .*\nall ", text, re.M), text)
    nossd = scheduled(folder, "noop;deadline", *FAST, drive="nossd")
    check("seeks" not in nossd and nossd.count("all") == 2, nossd)
    check("Processes:" not in run("run", "nossd", *FAST, "--job", write_job(folder, READERS), code=0).stdout)


# ---- timelines ----

EVENT = {"ph": str, "pid": int, "tid": int, "ts": (int, float), "cat": str, "name": str, "args": dict}
METADATA = {"process_name": ("name", str), "process_sort_index": ("sort_index", int),
            "thread_name": ("name", str), "thread_sort_index": ("sort_index", int)}


def test_timelines_follow_the_trace_event_format(folder):
    """Trace Event Format, Google, 2016: "JSON Object Format", "Complete", "Counter" and "Metadata Events"."""
    flash, disk = {"host requests", "channels", "dies"}, {"host requests", "arm"}
    cases = [("tlc", MIXED, SMALL, flash), ("zns-small", ZONES, [], flash), ("hdd-7200", BLOCK, [], disk), ("nossd", BLOCK, FAST, {"host requests"}),
             ("smr-hm", ZONES, [], disk), ("hdd-7200", READERS, ["--scheduler", "cfq"], disk | {"scheduler", "served by the drive"}),
             ("nossd", READERS, [*FAST, "--scheduler", "deadline"], {"host requests", "served by the drive"})]
    path = pathlib.Path(folder, "t.json")
    for drive, job, options, wanted in cases:
        run("run", drive, *options, "--job", write_job(folder, job), "--timeline", path, code=0)
        trace = json.loads(path.read_text())
        check(set(trace) == {"displayTimeUnit", "traceEvents", "otherData"} and trace["displayTimeUnit"] == "ns", trace.keys())
        names, lanes, processes, counts = {}, {}, {}, []
        for event in trace["traceEvents"]:
            for key, kind in EVENT.items():
                check(isinstance(event.get(key), kind), drive, "no", key, event)
            check(0 < event["pid"] and 0 <= event["tid"] < 1 << 31 and event["ph"] in "XMC", event)
            if event["ph"] == "C":
                counts.append((event["pid"], event["ts"]))
                check(event["name"] == "cylinder" and set(event["args"]) == {"cylinder"} and event["args"]["cylinder"] >= 0, event)
                continue
            if event["ph"] == "X":
                check(set(event) == {*EVENT, "dur"} and event["dur"] >= 0, event)
                check(event["ts"] == round(event["ts"], 3) and event["dur"] == round(event["dur"], 3), "not whole nanoseconds", event)
                lanes.setdefault((event["pid"], event["tid"]), []).append(event)
                continue
            member, kind = METADATA[event["name"]]
            check(set(event) == set(EVENT) and set(event["args"]) == {member} and isinstance(event["args"][member], kind), event)
            into = processes if event["name"].startswith("process") else names
            key = (event["pid"], event["tid"], event["name"])
            check(key not in into, "twice", event)
            into[key] = event["args"][member]
        for what in ("thread_name", "thread_sort_index"):
            check({key[:2] for key in names if key[2] == what} == set(lanes), drive, "lanes without", what)
        found = {value for key, value in processes.items() if key[2] == "process_name"}
        check(bool(counts) == ("arm" in wanted) and counts == sorted(counts), drive, "the head goes back in time")
        check(found == wanted and {key[0] for key in lanes} <= {key[0] for key in processes}, drive, found)
        shown = [value for key, value in names.items() if key[2] == "thread_name"]
        check(len(set(shown)) == len(shown), "two lanes of one name")
        for lane, events in lanes.items():
            check([e["ts"] for e in events] == sorted(e["ts"] for e in events), drive, lane, "goes back in time")
            within = None  # the access that a part belongs to
            for one, two in zip([None, *events], events):
                if two["cat"] == "arm part":
                    check(within and within["ts"] - 1e-6 <= two["ts"] and two["ts"] + two["dur"] <= within["ts"] + within["dur"] + 1e-6,
                          drive, "outside of its access", within, two)
                elif within:
                    check(within["ts"] + within["dur"] <= two["ts"] + 1e-6, drive, lane, "does two things at once", within, two)
                if one and (one["cat"] == "arm part") == (two["cat"] == "arm part"):
                    check(one["ts"] + one["dur"] <= two["ts"] + 1e-6, drive, lane, "does two things at once", one, two)
                within = within if two["cat"] == "arm part" else two
            parts = [e for e in events if e["cat"] == "arm part"]
            whole = [e for e in events if e["cat"] == "arm" and e["name"] != "read ahead"]
            check(not whole or abs(sum(e["dur"] for e in parts) - sum(e["dur"] for e in whole)) < 0.01 * len(whole), drive,
                  "time of accesses without a part", sum(e["dur"] for e in parts), sum(e["dur"] for e in whole))


# ---- zone appends ----

def test_zone_appends_are_verified(folder):
    """Over more than one round of the zones, so that some are reset; and by two jobs that share zones."""
    job = write_job(folder, """[global]
zonemode=zbd
write_mode=zone_append
[rounds]
rw=write
bs=64k
iodepth=16
size=2z
io_size=3z
verify=crc32c
[shared]
stonewall
rw=randrw
bs=16k
iodepth=8
offset=4z
size=2z
number_ios=1000
numjobs=2
fsync=30
verify=md5
""")
    out = json.loads(run("run", "zns-small", "--job", job, "--detail", "--json", "-", code=0).stdout)
    rounds, *shared = out["jobs"]
    zone = out["drivelab"]["options"]["zns"]["zone_capacity"]
    check(rounds["drivelab_zone_resets"] == 2 and 0 < rounds["drivelab_verified"] < 3 * zone // 65536, rounds["drivelab_verified"])
    check(all(one["drivelab_verified"] == one["write"]["total_ios"] > 300 for one in shared))
    host = out["drivelab"]["host"]
    check(host["append"]["ios"] == sum(one["write"]["total_ios"] for one in out["jobs"]) and not host["write"]["ios"], host)
    check("append" in out["drivelab"]["detail"]["latency_by_stage"])
    zeroes = write_job(folder, "[a]\nrw=write\nwrite_mode=zeroes\nbs=64k\nsize=1m\n")
    check(json.loads(run("run", "nossd", *FAST, "--job", zeroes, "--json", "-", code=0).stdout)["drivelab"]["host"]["write_zeroes"]["ios"] == 16)
    limited = ["zns-small", "-o", "zns.append_limit=128KiB"]
    for pattern, more, drive in ((r"needs zonemode=zbd", "", limited), (r"the drive has no zones", "zonemode=zbd\nzonesize=1m", ["nossd"]),
                                 (r"appends of at most 131072", "zonemode=zbd\nbs=256k", limited),
                                 (r"write_mode=uncor.*write, zeroes, zone_append", "write_mode=uncor", limited)):
        refused(pattern, "run", *drive, "--job", write_job(folder, f"[a]\nrw=write\nwrite_mode=zone_append\n{more}\n"))


# ---- Ctrl-C ----

def interrupted(*args):
    """Run until it is well under way, press Ctrl-C once."""
    process = subprocess.Popen([PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    work_for(process, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    check(process.returncode == 1 and "interrupted: " in err, process.returncode, err)
    return out, err


def lines(path):
    """A log of results as lists of numbers; priorities may be hexadecimal."""
    rows = [line.split(", ") for line in path.read_text().splitlines()]
    return [[int(value, 16) if value.startswith("0x") else int(value) for value in row] for row in rows]


def test_logs_of_results_have_every_request(folder):
    more = "write_lat_log=l\nwrite_bw_log=b\nwrite_iops_log\nwrite_hist_log=h\nlog_hist_msec=10\n"
    job = write_job(folder, f"[one]\nrw=randrw\nbssplit=4k/50:8k/50\nsize=2m\nrate_iops=5000\nlog_offset=1\nlog_prio=1\nprio=3\n{more}"
                            "[two]\nrw=read\nsize=1m\nwrite_lat_log=l\nnumjobs=2\n[three]\nrw=read\nsize=1m\nnumjobs=2\n"
                            "write_iops_log=s\nper_job_logs=0\nramp_time=500us\n")
    done = json.loads(run("run", "tlc", "--job", job, "--json", "-", cwd=folder, code=0).stdout)
    here = pathlib.Path(folder)
    check(sorted(p.name for p in here.glob("*.log")) == sorted(
        ["l_slat.1.log", "l_clat.1.log", "l_lat.1.log", "b_bw.1.log", "one_iops.1.log", "h_clat_hist.1.log", "s_iops.log"] +
        [f"l_{kind}.{n}.log" for kind in ("slat", "clat", "lat") for n in (2, 3)]), list(here.iterdir()))
    first = done["jobs"][0]
    for direction, name in enumerate(("read", "write")):
        stat = first[name]
        for kind in ("slat", "clat", "lat"):
            rows = [row for row in lines(here / f"l_{kind}.1.log") if row[2] == direction]
            values, wanted = [row[1] for row in rows], stat[f"{kind}_ns"]
            check(len(rows) == stat["total_ios"], kind, len(rows), stat["total_ios"])
            check(kind == "slat" or (min(values) == wanted["min"] and max(values) == wanted["max"]), kind, min(values), wanted)
            check(abs(sum(values) / len(values) - wanted["mean"]) < 1, kind, wanted)
            check(all(len(row) == 6 and row[3] in (4096, 8192) and row[4] < 2 << 20 and row[5] == 0x4003 for row in rows), rows[:3])
            check(sum(row[3] for row in rows) == stat["io_bytes"], kind)
        rates = [row for row in lines(here / "b_bw.1.log") if row[2] == direction]
        clats = [row for row in lines(here / "l_clat.1.log") if row[2] == direction]
        check(all(rate[1] == clat[3] * 1000000 // clat[1] for rate, clat in zip(rates, clats)) and len(rates) == len(clats))
        hist = [row for row in lines(here / "h_clat_hist.1.log") if row[1] == direction]
        check(sum(sum(row[3:]) for row in hist) == stat["total_ios"] and all(len(row) == 3 + 29 * 64 for row in hist), name)
    times = [row[0] for row in lines(here / "l_lat.1.log")]
    check(times == sorted(times) and times[-1] >= 30, times[-1])
    check(all(row[1] == 1 for row in lines(here / "one_iops.1.log")))
    shared = lines(here / "s_iops.log")
    check(len(shared) == sum(job["read"]["total_ios"] for job in done["jobs"][3:]) >= 512, len(shared))  # from the ramp's end on


def test_logs_of_averages_agree_with_the_result(folder):
    job = write_job(folder, "[a]\nrw=randrw\nrwmixread=70\nsize=4m\nio_size=64m\nnorandommap\niodepth=4\nwrite_lat_log\nwrite_bw_log\n"
                            "write_iops_log\nwrite_hist_log\nlog_hist_msec=20\nlog_hist_coarseness=3\nlog_avg_msec=10\n")
    stat = json.loads(run("run", "tlc", "--job", job, "--json", "-", cwd=folder, code=0).stdout)["jobs"][0]
    here = pathlib.Path(folder)
    for direction, name in enumerate(("read", "write")):
        iops, bw, lat = ([row for row in lines(here / f"a_{kind}.1.log") if row[2] == direction] for kind in ("iops", "bw", "lat"))
        check(len(iops) == len(bw) == len(lat) >= 5, len(iops))
        check([row[0] for row in iops[:5]] == [10, 20, 30, 40, 50] and all(len(row) == 5 for row in iops), iops[:5])
        near = sum(row[1] for row in iops) / len(iops)
        check(abs(near - stat[name]["iops"]) < 0.05 * near, name, near, stat[name]["iops"])
        check(all(abs(b[1] - 4 * i[1]) <= 4 for b, i in zip(bw, iops)), bw[:3], iops[:3])
        mean = sum(row[1] * i[1] for row, i in zip(lat, iops)) / sum(i[1] for i in iops)
        check(abs(mean - stat[name]["lat_ns"]["mean"]) < 0.05 * mean, name, mean, stat[name]["lat_ns"]["mean"])
        hist = [row for row in lines(here / "a_clat_hist.1.log") if row[1] == direction]
        check(sum(sum(row[3:]) for row in hist) == stat[name]["total_ios"] and len(hist[0]) == 3 + 29 * 8, len(hist))
    largest = write_job(folder, "[a]\nrw=read\nsize=16m\nwrite_lat_log=m\nlog_avg_msec=2\nlog_max_value=1\n", "max.fio")
    stat = json.loads(run("run", "tlc", "--job", largest, "--json", "-", cwd=folder, code=0).stdout)["jobs"][0]
    check(max(row[1] for row in lines(here / "m_lat.1.log")) == stat["read"]["lat_ns"]["max"])


def test_logs_of_results_that_cannot_be_written_are_refused(folder):
    several = write_job(folder, "[a]\nrw=read\nsize=1m\nwrite_bw_log=x\n", "several.fio")
    refused(r"write_bw_log is for one run", "run", "tlc", "-o", "nand.luns=1,2", "--job", several, cwd=folder)
    for pattern, text in ((r"write_lat_log=.*nowhere/x_slat", "write_lat_log=nowhere/x"), (r"needs a log_hist_msec", "write_hist_log"),
                          (r"are the same file", "write_iolog=x_iops.log\nwrite_iops_log=x\nper_job_logs=0"),
                          (r"log_avg_msec is less", "write_bw_log\nlog_avg_msec=10us"), (r"log_hist_coarseness=7: .*from 0 to 6", "log_hist_coarseness=7")):
        refused(pattern, "run", "nossd", "--job", write_job(folder, f"[a]\nrw=read\nsize=1m\n{text}\n"), cwd=folder)
    check(not list(pathlib.Path(folder).glob("*.log")), list(pathlib.Path(folder).iterdir()))


def test_percentiles_are_those_asked_for(folder):
    job = write_job(folder, "[a]\nrw=randread\nsize=4m\npercentile_list=99:50:99.999:100\n[b]\nrw=read\nsize=1m\n")
    done = run("run", "tlc", "--job", job, "--json", f"{folder}/r.json", code=0)
    asked, own = (one["read"]["clat_ns"]["percentile"] for one in json.loads(pathlib.Path(folder, "r.json").read_text())["jobs"])
    check(list(asked) == ["50.000000", "99.000000", "99.999000", "100.000000"] and len(own) == 17, asked, own)
    check("|  50.000th=[" in done.stdout and " 99.999th=[" in done.stdout and "   1.00th=[" in done.stdout, done.stdout)
    for bad in ("0", "50:101", "50,99", "50::99", "", ":".join(str(n) for n in range(1, 22))):
        refused(r"percentile_list=.*at most 20", "run", "nossd", "--job", write_job(folder, f"[a]\nrw=read\npercentile_list={bad}\n"))


def test_interrupted_runs_replace_no_whole_results(folder):
    job = write_job(folder, "[a]\nrw=randread\nbs=4k\nruntime=1000000\ntime_based\niodepth=8\nwrite_iolog=log\nwrite_lat_log=own\nlog_avg_msec=100\n")
    silent = write_job(folder, "[a]\nrw=randread\nbs=4k\nruntime=1000000\ntime_based\niodepth=8\n", "silent.fio")
    cases = {
        "one": ["run", "nossd", *FAST, "--job", silent],
        "list": ["run", "nossd", "-o", "nossd.read_latency=10us,20us,30us", "--jobs", 2, "--job", silent],
        "compare": ["run", "--compare", "tlc,qlc,hdd-7200", "--jobs", 2, "--job", silent],
    }
    for name, args in cases.items():
        old, new, page = (pathlib.Path(folder, name + end) for end in ("-old.json", "-new.json", ".html"))
        old.write_text("whole")
        page.write_text("whole")
        out, err = interrupted(*args, "--json", old, "--html", page)
        check(old.read_text() == page.read_text() == "whole", name)
        check(err.count("what was there stays") == 2 and f"{old}.partial" in err, err)
        part = json.loads(pathlib.Path(f"{old}.partial").read_text())
        check("</html>" in pathlib.Path(f"{page}.partial").read_text() and "randread" in str(part), name)
        if name != "one":
            begun = [point for point in part if "result" in point]
            check(1 <= len(begun) <= 3 and all(point["interrupted"] for point in begun), part)
            check(all(point["result"]["drivelab"]["total"]["read"]["ios"] > 0 for point in begun))
            check("of 3 points were not run to their end" in err and re.search(r"\(interrupted\)|\(part\)", out), out, err)
        out, err = interrupted(*args, "--json", new)
        check(json.loads(new.read_text()) and "what was there" not in err, err)
    log = pathlib.Path(folder, "log")
    log.write_text("whole")
    pathlib.Path(folder, "own_lat.1.log").write_text("whole")
    process = subprocess.Popen([PROGRAM, "run", "nossd", *FAST, "--job", job], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    work_for(process, 0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)
    check(log.read_text() == "whole" and pathlib.Path(folder, "log.partial").exists() and "log.partial" in err, err)
    check(pathlib.Path(folder, "own_lat.1.log").read_text() == "whole" and "own_lat.1.log.partial" in err, err)
    check(lines(pathlib.Path(folder, "own_lat.1.log.partial")) and lines(pathlib.Path(folder, "own_clat.1.log")))


if __name__ == "__main__":
    sys.exit(main(globals()))

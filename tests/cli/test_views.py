#!/usr/bin/env python3
"""Timelines, details and pages of a run. test_views.py DRIVELAB [NAME...] prints TAP."""
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from cli_bed import FAST, LIMIT, MIXED, SMALL, Skip, check, main, refused, run, write_job  # noqa: E402

# ---- timeline ----

def timeline_lanes(path):
    """Names of the lanes -> sorted events as (from, to, name) in nanoseconds."""
    trace = json.loads(path.read_text())
    names, lanes = {}, {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            begin = round(event["ts"] * 1000)
            lanes.setdefault((event["pid"], event["tid"]), []).append(
                (begin, begin + round(event["dur"] * 1000), event["name"]))
        elif event["name"] == "thread_name":
            names[event["pid"], event["tid"]] = event["args"]["name"]
    check(set(names) == set(lanes), "lanes without name or events:", set(names) ^ set(lanes))
    return {names[lane]: sorted(events) for lane, events in lanes.items()}, trace["otherData"]


def test_timeline_has_a_lane_for_all_and_none_does_two_things_at_once(folder):
    job, path = write_job(folder, MIXED), pathlib.Path(folder, "t.json")
    report = json.loads(run("run", "tlc", *SMALL, "--job", job, "--timeline", path, "--json", "-", code=0).stdout)
    lanes, other = timeline_lanes(path)
    for name, events in lanes.items():
        for one, two in zip(events, events[1:]):
            check(one[1] <= two[0], "overlap on", name, one, two)
    config = report["drivelab"]["options"]["nand"]
    kinds = {kind: [name for name in lanes if name.startswith(kind)] for kind in ("channel", "die", "reads", "writes")}
    check(len(kinds["channel"]) == config["channels"] and len(kinds["die"]) == config["channels"] * config["luns"], kinds)
    requests = sum(len(lanes[name]) for name in kinds["reads"] + kinds["writes"])
    check(requests == 6000 and len(kinds["reads"]) + len(kinds["writes"]) <= 48, requests, kinds)
    check(other["complete"] and any(e[2] == "gc program" for d in kinds["die"] for e in lanes[d]), other)
    again = pathlib.Path(folder, "again.json")
    run("run", "tlc", *SMALL, "--job", job, "--timeline", again, code=0)
    check(path.read_bytes() == again.read_bytes())


def test_timeline_is_bounded(folder):
    job, path = write_job(folder, MIXED), pathlib.Path(folder, "t.json")
    args = ["run", "tlc", *SMALL, "--job", job, "--timeline", path]
    done = run(*args, "--timeline-events", 500, code=0)
    lanes, other = timeline_lanes(path)
    check(sum(map(len, lanes.values())) == other["events"] == 500 and not other["complete"], other)
    check("500 events are the limit" in done.stderr, done.stderr)
    check(not run(*args, "--timeline-window", "1ms:2ms", code=0).stderr)
    lanes, other = timeline_lanes(path)
    times = [event for events in lanes.values() for event in events]
    check(times and all(begin < 2000000 and end > 1000000 for begin, end, _ in times), other)
    for bad in ("1ms", "2ms:1ms", "x:1ms", "1ms:x", ":0"):
        refused("START:END", *args, "--timeline-window", bad)
    for bad in ("0", "-1", "x", "1e9", "20000001"):
        refused("a number from 1 to", *args, "--timeline-events", bad)
    path.write_text("whole")
    refused("No such file", "run", "tlc", "--job", pathlib.Path(folder, "none.fio"), "--timeline", path)
    check(path.read_text() == "whole")


# ---- details, and the page ----

def test_details_add_up_and_change_nothing(folder):
    job = write_job(folder, MIXED)
    args = ["run", "tlc", *SMALL, "--job", job, "--reproducible", "--json", "-"]
    report = json.loads(run(*args, "--detail", code=0).stdout)
    detail = report["drivelab"].pop("detail")
    for job_report in report["jobs"]:
        for latency in [job_report["sync"]["lat_ns"], *(job_report[d][k] for d in ("read", "write", "trim")
                                                        for k in ("slat_ns", "clat_ns", "lat_ns"))]:
            check(sum(latency.pop("bins", {}).values()) == latency["N"], latency)
    check(report == json.loads(run(*args, code=0).stdout))
    check(run(*args, "--detail").stdout == run(*args, "--detail").stdout)
    for direction in ("read", "write"):
        for part in detail["latency_by_stage"][direction].values():
            check(abs(sum(part["stages_ns"].values()) - part["latency_ns"]) < 1, direction, part)
            check("other" not in part["stages_ns"], part)
        mean, slowest = (detail["latency_by_stage"][direction][k] for k in ("mean", "slowest"))
        total = report["drivelab"]["total"][direction]
        check(mean["requests"] == total["ios"] and abs(mean["latency_ns"] - total["lat_ns"]["mean"]) < 0.1, mean, total)
        check(slowest["requests"] >= total["ios"] / 1000 and slowest["latency_ns"] >= slowest["from_latency_ns"] > mean["latency_ns"])
    series, elapsed, measured = detail["series"], detail["elapsed_ns"], report["drivelab"]["measured"]
    window = series["window_ns"]
    check(len(series["queue_depth"]) == -(-elapsed // window) <= 256, window, elapsed)
    seconds = [(min(elapsed, (i + 1) * window) - i * window) / 1e9 for i in range(len(series["queue_depth"]))]
    for direction in ("read", "write"):
        ios = sum(iops * s for iops, s in zip(series[direction]["iops"], seconds))
        check(abs(ios - report["drivelab"]["total"][direction]["ios"]) < 0.5, direction, ios)
    for cause, values in series["programmed_bytes"].items():
        exact = measured["program"]["bytes"][cause]
        check(exact <= sum(values) <= exact + 8 * 16384, cause, exact, sum(values))
    for die, shares in zip(detail["dies"], detail["die_utilisation"]):
        mean = sum(share * s for share, s in zip(shares, seconds)) / sum(seconds)
        check(0 < die["utilisation"] <= 1 and abs(mean - die["utilisation"]) < 0.002, die, mean)
    busy = sum(e["to_ns"] - e["from_ns"] for e in detail["gc_episodes"]["first"])
    check(0 < detail["gc_episodes"]["count"] and busy == detail["gc_episodes"]["total_ns"] <= elapsed, detail["gc_episodes"])


class Page(html.parser.HTMLParser):
    """What a page opens and closes, what it refers to, and the text of its elements by id."""
    VOID = {"meta", "link", "br", "img", "input", "hr"}

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.texts, self.policy = [], [], {}, ""
        self.feed(text)
        self.close()
        check(not self.open, "not closed:", self.open)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.references += [value for name, value in attrs.items() if name in ("src", "href", "srcset", "action", "data")]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag not in self.VOID:
            self.open.append((tag, attrs.get("id", tag)))

    def handle_endtag(self, tag):
        check(self.open and self.open.pop()[0] == tag, "closed, but not open:", tag)

    def handle_data(self, text):
        if self.open:
            self.texts[self.open[-1][1]] = self.texts.get(self.open[-1][1], "") + text


def test_page_has_everything_in_it(folder):
    job, path = write_job(folder, MIXED.replace("[mix]", "[</script><b>&\"x]")), pathlib.Path(folder, "page.html")
    args = ["run", "tlc", *SMALL, "--job", job, "--reproducible"]
    report = json.loads(run(*args, "--html", path, "--json", "-", code=0).stdout)
    page = Page(path.read_text())
    data = json.loads(page.texts["data"])
    curves = data.pop("curves")
    check(data == report and data["jobs"][0]["jobname"].startswith("</script>") and "detail" in data["drivelab"], data.keys())
    for direction, points in curves.items():
        check(points == sorted(points) and len(points) <= 1000, points)
        check(points[-1] == [report["jobs"][0][direction]["lat_ns"]["max"], report["jobs"][0][direction]["total_ios"]])
    check(page.references == [] and "default-src 'none'" in page.policy, page.references, page.policy)
    check(not re.search(r"url\(|@import|https?:|\bfetch\(|XMLHttpRequest|\beval\(", page.texts["script"] + page.texts["style"]))


def test_page_draws_its_charts_in_a_browser(folder):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        raise Skip("no Chromium here")
    jobs = {"tlc": MIXED, "nossd": MIXED, "zns": "[z]\nrw=write\nbs=64k\nzonemode=zbd\nsize=8z\nnumber_ios=200\n"}
    for drive, text in jobs.items():
        path = pathlib.Path(folder, drive + ".html")
        options = SMALL if drive == "tlc" else FAST if drive == "nossd" else []
        run("run", drive, *options, "--job", write_job(folder, text.replace("[mix]", "[<b>mix]")), "--html", path, code=0)
        done = subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
                               "--virtual-time-budget=2000", "--enable-logging=stderr", "--dump-dom", path.as_uri()],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        if not done.stdout:
            raise Skip("the browser does not start here")
        drawn = done.stdout
        check("CONSOLE" not in done.stderr, drive, [line for line in done.stderr.splitlines() if "CONSOLE" in line])
        charts = drawn.count('<svg height=')
        check(charts >= {"tlc": 12, "nossd": 6, "zns": 9}[drive], drive, charts)
        check("NaN" not in drawn.split('id="data"')[0] and "undefined" not in drawn.split('id="data"')[0], drive)
        check("Where the time went" in drawn.split('id="data"')[0], drive)
        check("<b>mix" not in drawn.split('id="data"')[0], drive)


if __name__ == "__main__":
    sys.exit(main(globals()))

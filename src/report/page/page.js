"use strict";
(function () {
const data = JSON.parse(document.getElementById("data").textContent);
const lab = data.drivelab, detail = lab.detail || {}, series = detail.series || {}, total = lab.total || {};
const page = document.getElementById("page"), tip = document.getElementById("tip");
const dirs = ["read", "write", "trim"].filter(d => total[d]);
const windowNs = series.window_ns || 1;

// ---- text ----

const esc = s => String(s).replace(/[&<>"']/g, c => "&#" + c.charCodeAt(0) + ";");

function three(v) {
  if (!v) return "0";
  const a = Math.abs(v);
  return a >= 100 ? v.toFixed(0) : a >= 10 ? v.toFixed(1).replace(/\.0$/, "") : v.toFixed(2).replace(/\.?0+$/, "");
}

function unit(v, base, units) {
  let u = 0;
  while (Math.abs(v) >= base && u + 1 < units.length) { v /= base; u++; }
  return three(v) + (units[u] ? "\u202f" + units[u] : "");
}

const count = v => unit(v, 1000, ["", "k", "M", "G", "T"]);
const bytes = v => unit(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
const rate = v => unit(v, 1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]);
const time = v => unit(v, 1000, ["ns", "µs", "ms"]).replace(/^(\d{4,})\u202fms$/, (_, n) => three(n / 1000) + "\u202fs");
const percent = v => three(100 * v) + "\u202f%";
const plain = v => three(v);
const dot = color => `<i class="dot" style="background:${color}"></i>`;

// ---- tooltip ----

function showTip(event, title, rows) {
  tip.innerHTML = `<b>${title}</b>` + rows.map(r =>
    `<div class="row"><span>${r[2] ? dot(r[2]) : ""}${r[0]}</span><b>${r[1]}</b></div>`).join("");
  tip.hidden = false;
  const w = tip.offsetWidth, h = tip.offsetHeight;
  let x = event.clientX + 14, y = event.clientY + 14;
  if (x + w > innerWidth - 6) x = event.clientX - w - 14;
  if (y + h > innerHeight - 6) y = event.clientY - h - 14;
  tip.style.left = Math.max(6, x) + "px";
  tip.style.top = Math.max(6, y) + "px";
}
const hideTip = () => { tip.hidden = true; };

// ---- scales ----

function niceStep(range, most) {
  const raw = range / most, ten = Math.pow(10, Math.floor(Math.log10(raw)));
  return [1, 2, 2.5, 5, 10].map(m => m * ten).find(s => s >= raw * .999);
}

function linear(low, high, most) {
  if (!(high > low)) high = low + 1;
  const step = niceStep(high - low, most || 4), top = Math.ceil(high / step - 1e-9) * step, ticks = [];
  for (let v = low; v <= top * 1.0001; v += step) ticks.push(v);
  return { at: v => (v - low) / (top - low), ticks, low, high: top };
}

function logarithmic(low, high) {
  low = Math.max(1, low);
  high = Math.max(high, low * 1.01);
  const a = Math.log10(low), b = Math.log10(high), ticks = [], marks = b - a > 2.5 ? [1] : b - a > 1.1 ? [1, 3] : [1, 2, 5];
  for (let d = Math.floor(a); d <= b; d++)
    for (const m of marks) {
      const v = m * Math.pow(10, d);
      if (v >= low * .999 && v <= high * 1.001) ticks.push(v);
    }
  if (ticks.length < 3) {
    const step = niceStep(high - low, 4);
    ticks.length = 0;
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) if (v >= low) ticks.push(v);
  }
  return { at: v => (Math.log10(Math.max(v, low)) - a) / (b - a), ticks, low, high };
}

// ---- charts: a function that draws into its element, again whenever the width changes ----

const charts = [];

function card(title, note, legend, wide) {
  const c = document.createElement("section");
  c.className = "card" + (wide ? " wide" : "");
  c.innerHTML = `<h3>${title}</h3>` + (note ? `<p class="note">${note}</p>` : "") +
    (legend && legend.length > 1 ? `<div class="legend">${legend.map(l => `<span class="key">${dot(l[1])}${l[0]}</span>`).join("")}</div>` : "") +
    `<div class="chart"></div>`;
  return c;
}

function chart(element, draw) {
  charts.push({ element, draw, width: 0 });
}

function redraw() {
  for (const c of charts) {
    const width = Math.floor(c.element.clientWidth);
    if (width && width !== c.width) {
      c.width = width;
      c.draw(c.element, width);
    }
  }
}

function frame(width, height, x, y, xFormat, yFormat, xTitle) {
  const left = 62, right = 12, top = 8, bottom = xTitle ? 40 : 24, w = width - left - right, h = height - top - bottom;
  let svg = "";
  for (const t of y.ticks) {
    const v = top + h - h * y.at(t);
    svg += `<line class="g" x1="${left}" x2="${left + w}" y1="${v}" y2="${v}"/><text x="${left - 8}" y="${v + 4}" text-anchor="end">${yFormat(t)}</text>`;
  }
  let last = -1e9;
  for (const t of x.ticks) {
    const v = left + w * x.at(t);
    if (v - last < (v > left + w - 20 ? 92 : 62) || v > left + w + 1) continue;
    last = v;
    svg += `<text x="${v}" y="${top + h + 17}" text-anchor="${v > left + w - 20 ? "end" : v < left + 14 ? "start" : "middle"}">${xFormat(t)}</text>`;
  }
  svg += `<line class="a" x1="${left}" x2="${left + w}" y1="${top + h}" y2="${top + h}"/>`;
  if (xTitle) svg += `<text x="${left + w / 2}" y="${height - 2}" text-anchor="middle">${xTitle}</text>`;
  return { svg, left, top, w, h, px: v => left + w * x.at(v), py: v => top + h - h * y.at(v) };
}

/* lines: {name, color, points: [[x, y|null]...], step}; o: x and y scales' makers, formats, titles, height, bands */
function lineChart(element, o) {
  chart(element, (el, width) => {
    const height = o.height || 220, x = o.x(width), y = o.y, f = frame(width, height, x, y, o.xFormat, o.yFormat, o.xTitle);
    let svg = "";
    for (const b of o.bands || []) {
      const a = Math.max(f.left, f.px(b[0])), e = Math.min(f.left + f.w, f.px(b[1]));
      if (e > a) svg += `<rect x="${a}" y="${f.top}" width="${Math.max(.5, e - a)}" height="${f.h}" fill="var(--orange)" opacity=".13"/>`;
    }
    svg += f.svg;
    for (const l of o.lines) {
      let path = "", pen = false, lone = "";
      l.points.forEach((p, i) => {
        if (p[1] === null || p[1] === undefined) { pen = false; return; }
        const px = f.px(p[0]).toFixed(1), py = f.py(p[1]).toFixed(1);
        const next = l.points[i + 1];
        if (!pen && (!next || next[1] === null)) lone += `<circle cx="${px}" cy="${py}" r="2" fill="${l.color}"/>`;
        path += (pen ? (l.step ? `H${px}V` + py : "L" + px + " " + py) : "M" + px + " " + py);
        pen = true;
      });
      svg += `<path class="line" d="${path}" stroke="${l.color}"/>` + lone;
    }
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${esc(o.label)}">${svg}<g class="hover"></g></svg>`;
    const root = el.firstChild, hover = root.querySelector(".hover");
    const leave = () => { hover.innerHTML = ""; hideTip(); };
    const move = event => {
      const box = root.getBoundingClientRect(), at = (event.clientX - box.left) * width / box.width;
      let best = null;
      for (const l of o.lines)
        for (const p of l.points) {
          const d = Math.abs(f.px(p[0]) - at);
          if (p[1] !== null && (!best || d < best.d)) best = { d, x: p[0] };
        }
      if (!best || at < f.left - 20) return leave();
      const px = f.px(best.x), rows = [];
      let marks = `<line class="x" x1="${px}" x2="${px}" y1="${f.top}" y2="${f.top + f.h}"/>`;
      for (const l of o.lines) {
        const p = o.nearest ? nearest(l.points, best.x) : l.points.find(q => q[0] === best.x);
        if (!p || p[1] === null || p[1] === undefined) continue;
        marks += `<circle cx="${f.px(p[0])}" cy="${f.py(p[1])}" r="4" fill="${l.color}" stroke="var(--surface)" stroke-width="2"/>`;
        rows.push([l.name, (o.tipFormat || o.yFormat)(p[1], p), l.color]);
      }
      hover.innerHTML = marks;
      showTip(event, o.tipTitle(best.x), rows);
    };
    root.addEventListener("pointermove", move);
    root.addEventListener("pointerdown", move);
    root.addEventListener("pointerleave", leave);
  });
}

/* The last point at or below x. */
function nearest(points, x) {
  let found = null;
  for (const p of points) if (p[0] <= x) found = p;
  return found;
}

// ---- over time: windows joined so that a point is no less than some pixels wide ----

const elapsed = detail.elapsed_ns || lab.simulated_ns;

function joined(list, weights, most) {
  const n = list ? list.length : 0, per = Math.max(1, Math.ceil(n / most)), out = [];
  for (let i = 0; i < n; i += per) {
    let sum = 0, weight = 0;
    for (let k = i; k < Math.min(n, i + per); k++) {
      const w = weights ? weights[k] : 1;
      if (list[k] !== null && w) { sum += list[k] * w; weight += w; }
    }
    const from = i * windowNs, to = Math.min(elapsed, (i + per) * windowNs);
    out.push([(from + to) / 2, weight ? sum / weight : null]);
  }
  return out;
}

function largest(list, most) {
  const n = list ? list.length : 0, per = Math.max(1, Math.ceil(n / most)), out = [];
  for (let i = 0; i < n; i += per) {
    const part = list.slice(i, i + per).filter(v => v !== null);
    out.push([(i * windowNs + Math.min(elapsed, (i + per) * windowNs)) / 2, part.length ? Math.max(...part) : null]);
  }
  return out;
}

const highest = lines => Math.max(0, ...lines.flatMap(l => l.points.map(p => p[1] || 0)));
const timeAxis = width => linear(0, elapsed, Math.max(2, Math.floor(width / 110)));
const timeScale = width => { const s = timeAxis(width); return { at: v => v / elapsed, ticks: s.ticks.filter(t => t <= elapsed) }; };
const POINTS = 128;
const episodes = ((detail.gc_episodes || {}).first || []).map(e => [e.from_ns, e.to_ns]);

function timeChart(into, title, note, lines, yFormat, o) {
  o = o || {};
  lines = lines.filter(l => l.points.some(p => p[1] !== null));
  if (!lines.length) return;
  const c = card(title, note, lines.map(l => [l.name, l.color]), o.wide);
  into.append(c);
  const all = lines.flatMap(l => l.points.map(p => p[1])).filter(v => v !== null);
  const y = o.log ? logarithmic(Math.max(1, Math.min(...all.filter(v => v > 0)) * .8), Math.max(...all) * 1.15) : linear(0, o.top || highest(lines) || 1);
  lineChart(c.lastChild, { lines, x: timeScale, y, xFormat: time, yFormat, tipTitle: time, label: title, bands: o.bands });
}

// ---- the page ----

function heading(text) {
  const h = document.createElement("h2");
  h.textContent = text;
  page.append(h);
}

function group() {
  const g = document.createElement("div");
  g.className = "cards";
  page.append(g);
  return g;
}

const tile = (k, v, color) => `<div class="tile"><div class="k">${color ? dot(color) : ""}${k}</div><div class="v">${v}</div></div>`;
const color = { read: "var(--read)", write: "var(--write)", trim: "var(--trim)" };

function header() {
  const jobs = data.jobs.map(j => j.jobname), h = document.createElement("header");
  const list = jobs.slice(0, 4).map(esc).join(", ") + (jobs.length > 4 ? ` and ${jobs.length - 4} more` : "");
  h.innerHTML = `<h1>${esc(lab.drive)}: ${list}</h1><p class="sub">${count(lab.ios)} requests in ${time(lab.simulated_ns)} of simulated time, seed ${esc(lab.seed)}, drivelab ${esc(lab.version)}${data.time ? ", " + esc(data.time) : ""}</p>` +
    data.jobs.filter(j => j.drivelab_error).map(j => `<p class="bad">${esc(j.jobname)} failed: ${esc(j.drivelab_error.reason)}</p>`).join("");
  page.append(h);
  document.title = "drivelab: " + lab.drive + ", " + jobs[0];
}

function tiles() {
  let html = "";
  for (const d of dirs) {
    const t = total[d];
    html += `<div class="tiles">` + tile(d + " IOPS", count(t.iops), color[d]) + tile("bandwidth", rate(t.bw_bytes)) + tile("mean latency", time(t.lat_ns.mean)) +
      tile("99 %", time(t.lat_ns.p99)) + tile("99.9 %", time(t.lat_ns["p99.9"])) + tile("slowest", time(t.lat_ns.max)) + "</div>";
  }
  const m = lab.measured || {}, more = [];
  if (m.write_amplification !== undefined) more.push(tile("write amplification", three(m.write_amplification)));
  const dies = detail.dies || [];
  if (dies.length) {
    const u = dies.map(d => d.utilisation), most = Math.max(...u);
    more.push(tile("dies busy, mean", percent(u.reduce((a, b) => a + b, 0) / u.length)));
    more.push(tile("busiest die", `${percent(most)} <small>die ${u.indexOf(most)}</small>`));
    const c = detail.channels.map(d => d.utilisation), top = Math.max(...c);
    more.push(tile("busiest channel", `${percent(top)} <small>no. ${c.indexOf(top)}</small>`));
  }
  if (detail.gc_episodes) more.push(tile("time with collection", percent(detail.gc_episodes.total_ns / elapsed)));
  if (m.erase) more.push(tile("blocks erased", count(Object.values(m.erase.ops).reduce((a, b) => a + b, 0))));
  const box = document.createElement("section");
  box.style.marginTop = "16px";
  box.innerHTML = html + (more.length ? `<div class="tiles">${more.join("")}</div>` : "");
  page.append(box);
}

const nines = q => q >= 1 ? Infinity : -Math.log10(1 - q);

function latency() {
  const curves = data.curves || {}, have = dirs.filter(d => curves[d] && curves[d].length);
  if (!have.length) return;
  heading("Latency");
  const g = group(), legend = have.map(d => [d, color[d]]);
  const low = Math.min(...have.map(d => Math.max(1, curves[d][0][0]))), high = Math.max(...have.map(d => curves[d][curves[d].length - 1][0]));
  const cdf = card("Distribution", "Share of the requests answered within a time.", legend);
  g.append(cdf);
  const share = have.map(d => {
    const n = total[d].ios, c = curves[d];
    return { name: d, color: color[d], step: false, points: [[Math.max(1, c[0][0]) * .97, 0], ...c.map(p => [Math.max(1, p[0]), p[1] / n]), [high * 1.1, 1]] };
  });
  const x = logarithmic(low * .9, high * 1.1);
  lineChart(cdf.lastChild, { lines: share, x: () => x, y: linear(0, 1, 5), xFormat: time, yFormat: percent, nearest: true,
    tipTitle: v => "within " + time(v), tipFormat: v => v > .999 && v < 1 ? (100 * v).toFixed(4) + "\u202f%" : percent(v), label: "Distribution of latencies" });
  const tail = card("The tail", "How slow the slowest are: each step to the right is ten times rarer.", legend);
  g.append(tail);
  const most = Math.max(...have.map(d => Math.log10(total[d].ios))), top = Math.max(2, Math.min(7, most));
  const rare = have.map(d => {
    const n = total[d].ios, points = [[0, Math.max(1, curves[d][0][0])]];
    for (const p of curves[d]) if (p[1] < n) points.push([nines(p[1] / n), p[0]]);
    points.push([Math.log10(n), total[d].lat_ns.max]);
    return { name: d, color: color[d], points };
  });
  const rank = v => v <= 0 ? "0" : (100 * (1 - Math.pow(10, -v))).toFixed(Math.max(0, Math.round(v) - 2)) + "\u202f%";
  const ticks = [0, 1, 2, 3, 4, 5, 6, 7].filter(t => t <= top);
  lineChart(tail.lastChild, { lines: rare, x: () => ({ at: v => Math.min(1, v / top), ticks }), y: logarithmic(low * .8, high * 1.2), xFormat: rank, yFormat: time, nearest: true,
    tipTitle: v => "percentile " + (100 * (1 - Math.pow(10, -v))).toFixed(Math.max(1, Math.ceil(v))), label: "Latency by percentile" });
  const keys = ["min", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "p99.999", "p99.9999", "max", "mean"], table = document.createElement("section");
  table.className = "card wide scroll";
  table.innerHTML = `<table><tr><th></th>${keys.map(k => `<th>${k}</th>`).join("")}</tr>${have.map(d =>
    `<tr><td><span class="key">${dot(color[d])}${d}</span></td>${keys.map(k => `<td>${time(total[d].lat_ns[k])}</td>`).join("")}</tr>`).join("")}</table>`;
  g.append(table);
}

const stageNames = {
  buffer_wait: ["waiting for room in the write buffer", "orange"], die_wait: ["waiting for the die", "red"],
  channel_wait: ["waiting for the channel", "yellow"], link_wait: ["waiting for the host link", "magenta"],
  array: ["flash array", "blue"], channel: ["channel", "aqua"], flash: ["until it is on flash", "green"],
  queue_wait: ["waiting for the controller", "brown"], arm_wait: ["waiting for the arm", "red"], write_back: ["until the cache is written", "yellow"],
  seek: ["seek", "blue"], rotation: ["rotation", "aqua"], transfer: ["under the head", "green"],
  cache: ["buffer or unmapped", "pale"], link: ["host link", "violet"], firmware: ["firmware", "grey"], other: ["not broken down", "light"],
};
const kindNames = { read: "reads", write: "writes", append: "appends", trim: "trims", write_zeroes: "write zeroes", flush: "flushes",
  zone_open: "zone opens", zone_close: "zone closes", zone_finish: "zone finishes", zone_reset: "zone resets", zone_other: "other zone actions" };

function breakdown() {
  const by = detail.latency_by_stage || {}, told = part => Object.keys(part.stages_ns).some(k => k !== "other");
  const have = Object.keys(kindNames).filter(d => by[d] && (told(by[d].mean) || told(by[d].slowest)));
  if (!have.length) return; // the drive breaks nothing down
  heading("Where the time went");
  const seen = Object.keys(stageNames).filter(k => have.some(d => by[d].mean.stages_ns[k] || by[d].slowest.stages_ns[k]));
  const g = group(), c = card("A request's time by stage", "Of all requests and of the slowest 0.1 %; waiting in warm colours. Each bar is scaled to its own whole.",
    seen.map(k => [stageNames[k][0], `var(--${stageNames[k][1]})`]), true);
  g.append(c);
  const bars = have.flatMap(d => [[kindNames[d] + ", all", by[d].mean], [kindNames[d] + ", slowest", by[d].slowest]]);
  chart(c.lastChild, (el, width) => {
    const row = 46, height = bars.length * row + 4;
    let svg = "";
    bars.forEach((b, i) => {
      const y = i * row, stages = b[1].stages_ns, whole = Object.values(stages).reduce((a, v) => a + Math.max(0, v), 0) || 1;
      svg += `<text class="lab" x="0" y="${y + 14}">${b[0]}</text><text class="lab" x="${width}" y="${y + 14}" text-anchor="end">${time(b[1].latency_ns)} on average, ${count(b[1].requests)} requests</text>`;
      let x = 0;
      for (const k of seen) {
        const w = width * Math.max(0, stages[k] || 0) / whole;
        if (w <= 0) continue;
        svg += `<rect data-i="${i}" data-k="${k}" x="${x}" y="${y + 20}" width="${Math.max(.5, w - (w > 4 ? 2 : 0))}" height="18" rx="${w > 8 ? 3 : 0}" fill="var(--${stageNames[k][1]})"/>`;
        x += w;
      }
    });
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Latency by stage">${svg}</svg>`;
    const move = event => {
      const r = event.target.closest("rect");
      if (!r) return hideTip();
      const b = bars[r.dataset.i], whole = b[1].latency_ns || 1;
      showTip(event, esc(b[0]), seen.filter(k => b[1].stages_ns[k]).map(k => [stageNames[k][0], `${time(b[1].stages_ns[k])} · ${percent(b[1].stages_ns[k] / whole)}`, `var(--${stageNames[k][1]})`]));
    };
    el.firstChild.addEventListener("pointermove", move);
    el.firstChild.addEventListener("pointerdown", move);
    el.firstChild.addEventListener("pointerleave", hideTip);
  });
}

function overTime() {
  if (!series.queue_depth) return;
  heading("Over time");
  const g = group(), some = dirs.filter(d => series[d]);
  const note = episodes.length ? "Shaded: garbage is being collected." : "";
  timeChart(g, "Requests per second", note, some.map(d => ({ name: d, color: color[d], points: joined(series[d].iops, null, POINTS) })), count, { bands: episodes });
  timeChart(g, "Bandwidth", "", some.map(d => ({ name: d, color: color[d], points: joined(series[d].bw_bytes, null, POINTS) })), rate);
  for (const d of some)
    timeChart(g, "Latency of " + d + "s", "", [
      { name: "slowest", color: "var(--orange)", points: largest(series[d].max_ns, POINTS) },
      { name: "99 %", color: "var(--violet)", points: largest(series[d].p99_ns, POINTS) },
      { name: "mean", color: "var(--blue)", points: joined(series[d].mean_ns, series[d].iops, POINTS) }], time, { log: true });
  timeChart(g, "Requests in flight", "", [{ name: "in flight", color: "var(--blue)", points: joined(series.queue_depth, null, POINTS) }], plain);
}

function writing() {
  if (!series.write_amplification) return;
  heading("Writing to flash");
  const g = group(), written = series.write.bw_bytes, sums = {};
  let programmed = written.map(() => 0);
  for (const cause in series.programmed_bytes) series.programmed_bytes[cause].forEach((v, i) => { programmed[i] += v; });
  const seconds = windowNs / 1e9, n = written.length, per = Math.max(1, Math.ceil(n / 64)), now = [], so_far = [];
  let allWritten = 0, allProgrammed = 0;
  for (let i = 0; i < n; i += per) {
    let w = 0, p = 0;
    for (let k = i; k < Math.min(n, i + per); k++) { w += written[k] * seconds; p += programmed[k]; }
    allWritten += w;
    allProgrammed += p;
    const at = (i * windowNs + Math.min(elapsed, (i + per) * windowNs)) / 2;
    now.push([at, w ? p / w : null]);
    so_far.push([at, allWritten ? allProgrammed / allWritten : null]);
  }
  timeChart(g, "Write amplification", "Bytes programmed over bytes the host wrote.", [
    { name: "then", color: "var(--blue)", points: now }, { name: "from the beginning until then", color: "var(--orange)", points: so_far }], plain);
  const colors = { host: "var(--blue)", gc: "var(--orange)", mapping: "var(--aqua)", wear: "var(--violet)" };
  const names = { host: "host", gc: "garbage collection", mapping: "mapping", wear: "wear levelling" };
  timeChart(g, "Programmed by cause", "", Object.keys(series.programmed_bytes).map(k => ({ name: names[k] || k, color: colors[k] || "var(--grey)",
    points: joined(series.programmed_bytes[k].map(v => v / seconds), null, 64) })), rate);
}

/* Rows of shares over time as a grid of cells. */
function heat(into, title, note, rows, name) {
  const c = card(title, note, null, true);
  into.append(c);
  const perRow = Math.ceil(rows.length / 64), shown = [];
  for (let r = 0; r < rows.length; r += perRow) {
    const part = rows.slice(r, r + perRow);
    shown.push({ name: part.length > 1 ? `${name} ${r} to ${r + part.length - 1}` : `${name} ${r}`, short: String(r),
      cells: part[0].map((_, i) => part.reduce((a, x) => a + x[i], 0) / part.length) });
  }
  chart(c.lastChild, (el, width) => {
    const left = 34, most = Math.max(16, Math.min(96, Math.floor((width - left) / 9))), h = shown.length > 24 ? 8 : shown.length > 10 ? 13 : 18;
    const n = shown[0].cells.length, per = Math.max(1, Math.ceil(n / most)), columns = Math.ceil(n / per), w = (width - left) / columns;
    const height = shown.length * h + 22, gap = w > 6 && h > 8 ? 1 : .5;
    let svg = "";
    shown.forEach((row, r) => {
      if (h >= 12 || r % 4 === 0) svg += `<text x="${left - 8}" y="${r * h + h / 2 + 4}" text-anchor="end">${row.short}</text>`;
      for (let i = 0; i < columns; i++) {
        const part = row.cells.slice(i * per, (i + 1) * per), v = part.reduce((a, b) => a + b, 0) / part.length;
        svg += `<rect data-r="${r}" data-i="${i}" x="${(left + i * w).toFixed(2)}" y="${r * h}" width="${(w - gap).toFixed(2)}" height="${h - gap}" fill="var(--blue)" fill-opacity="${(.05 + .95 * v).toFixed(3)}"/>`;
      }
    });
    for (const t of linear(0, elapsed, Math.max(2, Math.floor(width / 110))).ticks)
      if (t <= elapsed) {
        const x = left + (width - left) * t / elapsed;
        svg += `<text x="${x}" y="${height - 4}" text-anchor="${x > width - 24 ? "end" : t ? "middle" : "start"}">${time(t)}</text>`;
      }
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${esc(title)}">${svg}</svg>`;
    const move = event => {
      const r = event.target.closest("rect");
      if (!r) return hideTip();
      const row = shown[r.dataset.r], i = +r.dataset.i, part = row.cells.slice(i * per, (i + 1) * per);
      showTip(event, row.name, [["busy", percent(part.reduce((a, b) => a + b, 0) / part.length)],
        ["from", time(i * per * windowNs)], ["to", time(Math.min(elapsed, (i + 1) * per * windowNs))]]);
    };
    el.firstChild.addEventListener("pointermove", move);
    el.firstChild.addEventListener("pointerdown", move);
    el.firstChild.addEventListener("pointerleave", hideTip);
  });
}

/* Horizontal or vertical bars of one or several stacked parts. */
function bars(into, title, note, parts, rows, format, wide) {
  const c = card(title, note, parts.map(p => [p.name, p.color]), wide);
  into.append(c);
  chart(c.lastChild, (el, width) => {
    const most = Math.max(...rows.map(r => r.values.reduce((a, b) => a + b, 0))) || 1, y = linear(0, most), height = 200;
    const f = frame(width, height, { at: v => v, ticks: [] }, y, plain, format);
    const w = f.w / rows.length, every = Math.ceil(46 / w);
    let svg = f.svg;
    rows.forEach((row, i) => {
      let base = 0;
      row.values.forEach((v, k) => {
        const h = f.h * v / y.high;
        if (h > 0) svg += `<rect data-i="${i}" x="${(f.left + i * w + Math.min(2, w * .1)).toFixed(1)}" y="${(f.top + f.h - base - h).toFixed(1)}" width="${Math.max(.5, Math.min(28, w - Math.min(4, w * .2))).toFixed(1)}" height="${Math.max(.5, h - (base && h > 3 ? 1 : 0)).toFixed(1)}" fill="${parts[k].color}"/>`;
        base += h;
      });
      if (i % every === 0) svg += `<text x="${f.left + i * w + Math.min(14, w / 2)}" y="${f.top + f.h + 17}" text-anchor="middle">${row.short}</text>`;
    });
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${esc(title)}">${svg}</svg>`;
    const move = event => {
      const r = event.target.closest("rect");
      if (!r) return hideTip();
      const row = rows[r.dataset.i];
      showTip(event, row.name, [...parts.map((p, k) => [p.name, format(row.values[k]), p.color]), ...(row.more || [])]);
    };
    el.firstChild.addEventListener("pointermove", move);
    el.firstChild.addEventListener("pointerdown", move);
    el.firstChild.addEventListener("pointerleave", hideTip);
  });
}

function flash() {
  if (!detail.dies) return;
  heading("Flash");
  const g = group();
  heat(g, "Dies over time", "The darker or brighter, the busier; each row is a die.", detail.die_utilisation, "die");
  heat(g, "Channels over time", "", detail.channel_utilisation, "channel");
  const causes = [["host", "host", "blue"], ["gc", "garbage collection", "orange"], ["mapping", "mapping", "aqua"], ["wear", "wear levelling", "violet"], ["suspending", "suspending", "grey"]]
    .filter(c => detail.dies.some(d => d[c[0]]));
  bars(g, "Dies by cause", "Share of the time the array was in use.", causes.map(c => ({ name: c[1], color: `var(--${c[2]})` })),
    detail.dies.map((d, i) => ({ name: "die " + i, short: i, values: causes.map(c => d[c[0]] || 0),
      more: [["mean queue", plain(d.queue_mean)], ["most at once", d.load_max], ["reads", count(d.ops.read)], ["programs", count(d.ops.program)], ["erases", count(d.ops.erase)]] })), percent);
  const wear = ((lab.nand || {}).wear || {}).erases_histogram || [];
  if (wear.length)
    bars(g, "Wear", "Blocks by how often they were erased, in their whole life.", [{ name: "blocks", color: "var(--blue)" }],
      wear.map(w => ({ name: w.from === w.to ? `erased ${w.from} times` : `erased ${w.from} to ${w.to} times`, short: w.from, values: [w.blocks] })), count);
}

function tree(o) {
  return Object.keys(o).map(k => {
    const v = o[k];
    if (v === null || typeof v !== "object") return `<div><b>${esc(k)}</b><span>${esc(v)}</span></div>`;
    if (Array.isArray(v)) return v.some(x => typeof x === "object") ? "" : `<div><b>${esc(k)}</b><span>${v.length > 12 ? v.length + " values" : esc(v.map(x => typeof x === "number" ? three(x) : x).join(", "))}</span></div>`;
    return tree(Object.fromEntries(Object.entries(v).map(e => [k + "." + e[0], e[1]])));
  }).join("");
}

function configuration() {
  heading("Configuration and counts");
  const box = (title, o, open) => {
    const html = tree(o);
    return html ? `<details${open ? " open" : ""}><summary>${esc(title)}</summary><div class="options">${html}</div></details>` : "";
  };
  const reads = new Set(["drive", lab.kind, lab.kind === "ssd" || lab.kind === "zns" ? "nand" : ""]);
  const el = document.createElement("div");
  el.innerHTML = data.jobs.map(j => box("job " + j.jobname, j["job options"])).join("") +
    Object.keys(lab.options || {}).filter(s => reads.has(s)).map(s => box("options " + s, lab.options[s])).join("") +
    ["measured", "precondition", "trace", "ftl", "buffer", "health", "zones"].filter(k => lab[k] && typeof lab[k] === "object").map(k => box(k === "measured" ? "flash while measured" : k, lab[k])).join("");
  page.append(el);
  el.addEventListener("toggle", redraw, true);
}

page.innerHTML = "";
header();
tiles();
latency();
breakdown();
overTime();
writing();
flash();
configuration();
redraw();
addEventListener("resize", redraw);
addEventListener("scroll", hideTip, { passive: true });
})();

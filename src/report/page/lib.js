"use strict";
(function () {
/* What every page of results is made of: text, scales, charts. */
const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page"), tip = document.getElementById("tip");

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
const times = v => "x" + (v >= 1000 || (v && v < .01) ? v.toPrecision(2).replace(/e\+?/, "e") : three(v));
const percent = v => three(100 * v) + "\u202f%";
const plain = v => three(v);
const dash = (color, pattern) => `<svg class="dash" width="18" height="10"><line x1="0" x2="18" y1="5" y2="5" stroke="${color}" stroke-width="2.5" stroke-dasharray="${pattern}"/></svg>`;
const dot = color => `<i class="dot" style="background:${color}"></i>`;

// ---- tooltip ----

function showTip(event, title, rows) {
  tip.innerHTML = `<b>${title}</b>` + rows.map(r =>
    `<div class="row"><span>${r[2] ? dot(r[2]) : ""}${esc(r[0])}</span><b>${r[1]}</b></div>`).join("");
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

let charts = [];

function card(title, note, legend, wide) {
  const c = document.createElement("section");
  c.className = "card" + (wide ? " wide" : "");
  c.innerHTML = `<h3>${title}</h3>` + (note ? `<p class="note">${note}</p>` : "") +
    (legend && legend.length > 1 ? `<div class="legend">${legend.map(l => `<span class="key">${l[2] ? dash(l[1], l[2]) : dot(l[1])}${esc(l[0])}</span>`).join("")}</div>` : "") +
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
      svg += `<path class="line" d="${path}" stroke="${l.color}"${l.dash ? ` stroke-dasharray="${l.dash}"` : ""}/>` + lone;
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

const highest = lines => Math.max(0, ...lines.flatMap(l => l.points.map(p => p[1] || 0)));

let target = page; // where headings and groups of charts go

function heading(text) {
  const h = document.createElement("h2");
  h.textContent = text;
  target.append(h);
}

function group() {
  const g = document.createElement("div");
  g.className = "cards";
  target.append(g);
  return g;
}

const color = { read: "var(--read)", write: "var(--write)", trim: "var(--trim)" };

const nines = q => q >= 1 ? Infinity : -Math.log10(1 - q);

const stageNames = {
  buffer_wait: ["waiting for room in the write buffer", "orange"], die_wait: ["waiting for the die", "red"],
  channel_wait: ["waiting for the channel", "yellow"], link_wait: ["waiting for the host link", "magenta"],
  array: ["flash array", "blue"], channel: ["channel", "aqua"], flash: ["until it is on flash", "green"],
  scheduler_wait: ["waiting for the I/O scheduler", "plum"], queue_wait: ["waiting for the controller", "brown"], arm_wait: ["waiting for the arm", "rose"], write_back: ["until the cache is written", "ochre"],
  seek: ["seek", "steel"], rotation: ["rotation", "teal"], transfer: ["under the head", "olive"],
  cache: ["buffer or unmapped", "pale"], link: ["host link", "violet"], firmware: ["firmware", "grey"], other: ["not broken down", "light"],
};
const kindNames = { read: "reads", write: "writes", append: "appends", trim: "trims", write_zeroes: "write zeroes", flush: "flushes",
  zone_open: "zone opens", zone_close: "zone closes", zone_finish: "zone finishes", zone_reset: "zone resets", zone_other: "other zone actions" };

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

/* Two charts of latencies; lines: {name, color, dash, curve: [[ns, requests at or below it]...], count, most: ns} */
function latencyCharts(into, lines, of) {
  const legend = lines.map(l => [l.name, l.color, l.dash]);
  const low = Math.min(...lines.map(l => Math.max(1, l.curve[0][0]))), high = Math.max(...lines.map(l => l.curve[l.curve.length - 1][0]));
  const cdf = card("Distribution" + of, "Share of the requests answered within a time.", legend);
  into.append(cdf);
  const share = lines.map(l => ({ name: l.name, color: l.color, dash: l.dash, step: false,
    points: [[Math.max(1, l.curve[0][0]) * .97, 0], ...l.curve.map(p => [Math.max(1, p[0]), p[1] / l.count]), [high * 1.1, 1]] }));
  const x = logarithmic(low * .9, high * 1.1);
  lineChart(cdf.lastChild, { lines: share, x: () => x, y: linear(0, 1, 5), xFormat: time, yFormat: percent, nearest: true,
    tipTitle: v => "within " + time(v), tipFormat: v => v > .999 && v < 1 ? (100 * v).toFixed(4) + "\u202f%" : percent(v), label: "Distribution of latencies" });
  const tail = card("The tail" + of, "How slow the slowest are: each step to the right is ten times rarer.", legend);
  into.append(tail);
  const most = Math.max(...lines.map(l => Math.log10(l.count))), top = Math.max(2, Math.min(7, most));
  const rare = lines.map(l => {
    const points = [[0, Math.max(1, l.curve[0][0])]];
    for (const p of l.curve) if (p[1] < l.count) points.push([nines(p[1] / l.count), p[0]]);
    points.push([Math.log10(l.count), l.most]);
    return { name: l.name, color: l.color, dash: l.dash, points };
  });
  const rank = v => v <= 0 ? "0" : (100 * (1 - Math.pow(10, -v))).toFixed(Math.max(0, Math.round(v) - 2)) + "\u202f%";
  const ticks = [0, 1, 2, 3, 4, 5, 6, 7].filter(t => t <= top);
  lineChart(tail.lastChild, { lines: rare, x: () => ({ at: v => Math.min(1, v / top), ticks }), y: logarithmic(low * .8, high * 1.2), xFormat: rank, yFormat: time, nearest: true,
    tipTitle: v => "percentile " + (100 * (1 - Math.pow(10, -v))).toFixed(Math.max(1, Math.ceil(v))), label: "Latency by percentile" });
}

/* Stacked bars; rows: [label, {latency_ns, requests, stages_ns}]; o.common: all on one scale */
function stageChart(into, title, note, rows, o) {
  const seen = Object.keys(stageNames).filter(k => rows.some(r => r[1].stages_ns[k]));
  const longest = Math.max(...rows.map(r => r[1].latency_ns)) || 1;
  const c = card(title, note, seen.map(k => [stageNames[k][0], `var(--${stageNames[k][1]})`]), true);
  into.append(c);
  chart(c.lastChild, (el, width) => {
    const row = 46, height = rows.length * row + 4;
    let svg = "";
    rows.forEach((r, i) => {
      const y = i * row, stages = r[1].stages_ns, sum = Object.values(stages).reduce((a, v) => a + Math.max(0, v), 0) || 1, whole = o && o.common ? longest : sum;
      const said = width > 560 ? `${time(r[1].latency_ns)} on average, ${count(r[1].requests)} requests` : time(r[1].latency_ns);
      svg += `<text class="lab" x="0" y="${y + 14}">${esc(clip(r[0], width - said.length * 7.5))}</text><text class="lab" x="${width}" y="${y + 14}" text-anchor="end">${said}</text>`;
      let x = 0;
      for (const k of seen) {
        const w = width * Math.max(0, stages[k] || 0) / whole;
        if (w <= 0) continue;
        svg += `<rect data-i="${i}" data-k="${k}" x="${x}" y="${y + 20}" width="${Math.max(.5, w - (w > 4 ? 2 : 0))}" height="18" rx="${w > 8 ? 3 : 0}" fill="var(--${stageNames[k][1]})"/>`;
        x += w;
      }
    });
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${esc(title)}">${svg}</svg>`;
    hover(el.firstChild, i => {
      const part = rows[i][1], whole = part.latency_ns || 1;
      return [rows[i][0], [...seen.filter(k => part.stages_ns[k]).map(k => [stageNames[k][0], `${time(part.stages_ns[k])} · ${percent(part.stages_ns[k] / whole)}`, `var(--${stageNames[k][1]})`]),
        ["requests", count(part.requests)]]];
    });
  });
}

/* Bars lying one below the other; rows: {name, color, value, more: [[name, text]...]} */
function lyingBars(into, title, note, rows, format) {
  const most = Math.max(...rows.map(r => r.value)) || 1, least = Math.min(...rows.filter(r => r.value > 0).map(r => r.value)), log = most > 100 * least;
  const c = card(title, [note, log ? "The bars are logarithmic." : ""].join(" ").trim());
  into.append(c);
  const share = v => v <= 0 ? 0 : log ? .05 + .95 * Math.log(v / least) / Math.log(most / least) : v / most;
  chart(c.lastChild, (el, width) => {
    const h = 34, height = rows.length * h;
    let svg = "";
    rows.forEach((r, i) => {
      const text = format(r.value) + (i && rows[0].value ? ` (${times(r.value / rows[0].value)})` : "");
      svg += `<text class="lab" x="0" y="${i * h + 12}">${esc(clip(r.name, width - text.length * 7.5))}</text><text class="lab" x="${width}" y="${i * h + 12}" text-anchor="end">${text}</text>` +
        `<rect data-i="${i}" x="0" y="${i * h + 17}" width="${Math.max(1, width * share(r.value)).toFixed(1)}" height="10" rx="2" fill="${r.color}"/>`;
    });
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${esc(title)}">${svg}</svg>`;
    hover(el.firstChild, i => [rows[i].name, [[title, format(rows[i].value), rows[i].color], ...(rows[i].more || [])]]);
  });
}

// ---- processes behind an I/O scheduler ----

const hues = ["blue", "orange", "green", "violet", "red", "aqua", "magenta", "yellow", "brown", "grey"];

/* Those of a list that did something, with a name that is only theirs and a color. */
function processesOf(list) {
  const some = (Array.isArray(list) ? list : []).filter(p => p.lat_ns || p.drive_ns);
  return some.map((p, i) => Object.assign({ color: i < hues.length ? `var(--${hues[i]})` : "var(--light)",
    title: some.filter(q => q.name === p.name).length > 1 ? `${p.name} (${p.owner})` : p.name }, p));
}

/* Bars lying one below the other, each of parts; rows: {name, values, text}; parts: {name, color}; each bar is its own whole. */
function stackedRows(into, title, note, parts, rows, format) {
  const c = card(title, note, parts.map(p => [p.name, p.color]), true);
  into.append(c);
  chart(c.lastChild, (el, width) => {
    const h = 40, height = rows.length * h;
    let svg = "";
    rows.forEach((r, i) => {
      const sum = r.values.reduce((a, b) => a + b, 0) || 1;
      let x = 0;
      svg += `<text class="lab" x="0" y="${i * h + 12}">${esc(clip(r.name, width - (r.text || "").length * 7.5))}</text><text class="lab" x="${width}" y="${i * h + 12}" text-anchor="end">${esc(r.text || "")}</text>`;
      r.values.forEach((v, k) => {
        const w = width * v / sum;
        if (w > 0) svg += `<rect data-i="${i}" x="${x.toFixed(1)}" y="${i * h + 18}" width="${Math.max(.5, w - (w > 3 ? 1 : 0)).toFixed(1)}" height="14" rx="1" fill="${parts[k].color}"/>`;
        x += w;
      });
    });
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${esc(title)}">${svg}</svg>`;
    hover(el.firstChild, i => [rows[i].name, parts.map((p, k) => [p.name, format(rows[i].values[k]), p.color]).filter((_, k) => rows[i].values[k])]);
  });
}

const processFigures = [["read", p => (p.bw_bytes || {}).read || undefined, rate], ["write", p => (p.bw_bytes || {}).write || undefined, rate], ["share", p => p.share, percent],
  ["mean", p => p.lat_ns && p.lat_ns.mean, time], ["p50", p => p.lat_ns && p.lat_ns.p50, time], ["p99", p => p.lat_ns && p.lat_ns.p99, time], ["slowest", p => p.lat_ns && p.lat_ns.max, time],
  ["merged", p => p.merged, count], ["seeks", p => p.arm && p.arm.seeks, count], ["head travel", p => p.arm && p.arm.head_travel_cylinders, count],
  ["slices", p => p.slices && p.slices.count, count], ["mean slice", p => p.slices && p.slices.count ? p.slices.ns / p.slices.count : undefined, time],
  ["idle for it", p => p.slices && p.slices.idle_ns, time], ["idles", p => p.slices && p.slices.idles, count]];

/* Lines of processes: [[cells that name it...], process, color]. */
function processTable(into, header, lines) {
  const shown = processFigures.filter(f => lines.some(l => f[1](l[1]) !== undefined)), table = document.createElement("section");
  table.className = "card wide scroll";
  table.innerHTML = `<table><tr>${header.map(h => `<th class="who">${esc(h)}</th>`).join("")}${shown.map(f => `<th>${f[0]}</th>`).join("")}</tr>${lines.map(l =>
    `<tr>${l[0].map((n, i) => `<td class="who">${i === l[0].length - 1 && l[2] ? `<span class="key">${dot(l[2])}${esc(n)}</span>` : esc(n)}</td>`).join("")}${shown.map(f => {
      const v = f[1](l[1]);
      return `<td>${v === undefined || v === null ? "-" : f[2](v)}</td>`;
    }).join("")}</tr>`).join("")}</table>`;
  into.append(table);
}

/* Text cut to about so many pixels. */
function clip(text, pixels) {
  const most = Math.max(4, Math.floor(pixels / 6.6));
  return text.length <= most ? text : text.slice(0, most - 1) + "…";
}

/* Tell of the rectangle under the pointer: tell(data-i) gives title and rows. */
function hover(svg, tell) {
  const move = event => {
    const r = event.target.closest("rect[data-i]");
    if (!r) return hideTip();
    const [title, rows] = tell(+r.dataset.i);
    showTip(event, esc(title), rows);
  };
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerdown", move);
  svg.addEventListener("pointerleave", hideTip);
}

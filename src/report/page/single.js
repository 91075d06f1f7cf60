
/* The page of one run. */
function single() {
const lab = data.drivelab, detail = lab.detail || {}, series = detail.series || {}, total = lab.total || {};
const dirs = ["read", "write", "trim"].filter(d => total[d]);
const windowNs = series.window_ns || 1;

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

const tile = (k, v, color) => `<div class="tile"><div class="k">${color ? dot(color) : ""}${k}</div><div class="v">${v}</div></div>`;

function header() {
  const jobs = data.jobs.map(j => j.jobname), h = document.createElement("header");
  const list = jobs.slice(0, 4).map(esc).join(", ") + (jobs.length > 4 ? ` and ${jobs.length - 4} more` : "");
  h.innerHTML = `<h1>${esc(lab.drive)}: ${list}</h1><p class="sub">${count(lab.ios)} requests in ${time(lab.simulated_ns)} of simulated time, seed ${esc(lab.seed)}, drivelab ${esc(lab.version)}${data.time ? ", " + esc(data.time) : ""}</p>` +
    (lab.interrupted ? `<p class="bad">interrupted, the results are of a part</p>` : "") +
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
  if (detail.gc_episodes && detail.gc_episodes.count) more.push(tile("time with collection", percent(detail.gc_episodes.total_ns / elapsed)));
  if (m.erase) more.push(tile("blocks erased", count(Object.values(m.erase.ops).reduce((a, b) => a + b, 0))));
  const box = document.createElement("section");
  box.style.marginTop = "16px";
  box.innerHTML = html + (more.length ? `<div class="tiles">${more.join("")}</div>` : "");
  page.append(box);
}


function latency() {
  const curves = data.curves || {}, have = dirs.filter(d => curves[d] && curves[d].length);
  if (!have.length) return;
  heading("Latency");
  const g = group();
  latencyCharts(g, have.map(d => ({ name: d, color: color[d], curve: curves[d], count: total[d].ios, most: total[d].lat_ns.max })), "");
  const keys = ["min", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "p99.999", "p99.9999", "max", "mean"], table = document.createElement("section");
  table.className = "card wide scroll";
  table.innerHTML = `<table><tr><th></th>${keys.map(k => `<th>${k}</th>`).join("")}</tr>${have.map(d =>
    `<tr><td><span class="key">${dot(color[d])}${d}</span></td>${keys.map(k => `<td>${time(total[d].lat_ns[k])}</td>`).join("")}</tr>`).join("")}</table>`;
  g.append(table);
}

function breakdown() {
  const by = detail.latency_by_stage || {}, told = part => Object.keys(part.stages_ns).some(k => k !== "other");
  const have = Object.keys(kindNames).filter(d => by[d] && (told(by[d].mean) || told(by[d].slowest)));
  if (!have.length) return; // every request took no time
  heading("Where the time went");
  stageChart(group(), "A request's time by stage", "Of all requests and of the slowest 0.1 %; waiting in warm colours. Each bar is scaled to its own whole.",
    have.flatMap(d => [[kindNames[d] + ", all", by[d].mean], [kindNames[d] + ", slowest", by[d].slowest]]));
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

// ---- a disk's head, and who had the drive ----

const processes = processesOf((lab.scheduler || {}).processes);
const kinds = [["read", "var(--read)"], ["write", "var(--write)"], ["read ahead", "var(--pale)"]];

/* Accesses as dots, stretches of reading ahead as lines. */
function headChart(into) {
  const head = detail.head, by = Object.fromEntries(processes.map(p => [p.owner, p]));
  const colorOf = p => processes.length > 1 ? (by[p[4]] || { color: "var(--light)" }).color : kinds[p[5]][1];
  const used = kinds.filter((_, i) => head.places.some(p => p[5] === i));
  const legend = processes.length > 1 ? processes.filter(p => head.places.some(q => q[4] === p.owner)).slice(0, 24).map(p => [p.title, p.color]) : used;
  const note = "Dots are accesses, lines what was read ahead." + (head.kept > 1 ? ` One in ${count(head.kept)} is shown, of ${count(head.count)}.` : "");
  const c = card("Where the head was", note, legend, true);
  into.append(c);
  const tops = head.places.map(p => Math.max(p[2], p[3])), lows = head.places.map(p => Math.min(p[2], p[3]));
  const low = Math.min(...lows), high = Math.max(...tops), whole = high - low > head.cylinders / 2;
  const y = linear(whole ? 0 : low, whole ? head.cylinders : Math.max(high, low + 10), 4);
  chart(c.lastChild, (el, width) => {
    const height = 300, f = frame(width, height, timeScale(width), y, time, count);
    let svg = f.svg;
    for (const p of head.places) {
      const x1 = f.px(Math.max(0, p[0])), x2 = f.px(Math.min(elapsed, p[1])), y1 = f.py(p[2]), y2 = f.py(p[3]);
      svg += p[5] === 2 ? `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${Math.max(x2, x1 + .6).toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${colorOf(p)}" stroke-width="2"/>`
        : `<circle cx="${x2.toFixed(1)}" cy="${y2.toFixed(1)}" r="1.8" fill="${colorOf(p)}"/>`;
    }
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Where the head was">${svg}<g class="hover"></g></svg>`;
    const root = el.firstChild, mark = root.querySelector(".hover"), leave = () => { mark.innerHTML = ""; hideTip(); };
    const move = event => {
      const box = root.getBoundingClientRect(), x = (event.clientX - box.left) * width / box.width, v = (event.clientY - box.top) * height / box.height;
      let best = null, least = 40 * 40;
      for (const p of head.places) {
        const x1 = f.px(p[0]), x2 = f.px(p[1]), dx = x < x1 && p[5] === 2 ? x1 - x : x > x2 || p[5] !== 2 ? x - x2 : 0, dy = v - f.py(p[3]), d = dx * dx + dy * dy;
        if (d < least) { least = d; best = p; }
      }
      if (!best) return leave();
      mark.innerHTML = `<circle cx="${f.px(best[1])}" cy="${f.py(best[3])}" r="4" fill="none" stroke="var(--ink)"/>`;
      const who = by[best[4]];
      showTip(event, kinds[best[5]][0], [...(who ? [["process", esc(who.title), who.color]] : []), ["at", time(best[0])], ["until", time(best[1])],
        ["cylinder", best[2] === best[3] ? best[3] : `${best[2]} to ${best[3]}`]]);
    };
    root.addEventListener("pointermove", move);
    root.addEventListener("pointerdown", move);
    root.addEventListener("pointerleave", leave);
  });
}

/* The drive's time of each process, stacked, over time. */
function shareChart(into) {
  const own = detail.processes, by = Object.fromEntries(processes.map(p => [p.owner, p]));
  const parts = own.share.map((list, i) => ({ list, name: (by[own.owners[i]] || { title: "others" }).title, color: (by[own.owners[i]] || { color: "var(--light)" }).color }));
  const c = card("Whom the drive worked for", "Share of the time; above, it was idle or on its way for nobody.", parts.map(p => [p.name, p.color]), true);
  into.append(c);
  chart(c.lastChild, (el, width) => {
    const height = 200, n = parts[0].list.length, most = Math.max(16, Math.floor((width - 74) / 6)), per = Math.max(1, Math.ceil(n / most)), columns = Math.ceil(n / per);
    const f = frame(width, height, timeScale(width), linear(0, 1, 4), time, percent);
    const mean = (list, i) => { const part = list.slice(i * per, (i + 1) * per); return part.reduce((a, b) => a + b, 0) / part.length; };
    let svg = f.svg;
    for (let i = 0; i < columns; i++) {
      const x1 = f.px(i * per * windowNs), x2 = f.px(Math.min(elapsed, (i + 1) * per * windowNs));
      let base = 0;
      for (const p of parts) {
        const v = Math.min(mean(p.list, i), 1 - base), h = f.h * v;
        if (h > 0) svg += `<rect data-i="${i}" x="${x1.toFixed(2)}" y="${(f.top + f.h * (1 - base) - h).toFixed(2)}" width="${Math.max(.4, x2 - x1 - (x2 - x1 > 4 ? .7 : 0)).toFixed(2)}" height="${h.toFixed(2)}" fill="${p.color}"/>`;
        base += v;
      }
    }
    el.innerHTML = `<svg height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Whom the drive worked for">${svg}</svg>`;
    hover(el.firstChild, i => [`${time(i * per * windowNs)} to ${time(Math.min(elapsed, (i + 1) * per * windowNs))}`, parts.map(p => [p.name, percent(mean(p.list, i)), p.color]).filter((_, k) => mean(parts[k].list, i) > 0)]);
  });
}

function disk() {
  const places = detail.head && detail.head.places.length;
  if (!places && !processes.length) return;
  heading(processes.length ? "Processes" : "The disk");
  const g = group();
  if (processes.length) {
    const total = lab.scheduler.total || {};
    stackedRows(g, "The drive's time", `Behind the I/O scheduler ${esc(lab.scheduler.name)}.`, processes.map(p => ({ name: p.title, color: p.color })),
      [{ name: "share of each process", values: processes.map(p => p.share || 0) }], percent);
    processTable(g, ["process"], [...processes.map(p => [[p.title], p, p.color]), ...(processes.length > 1 ? [[["all"], total]] : [])]);
    if (detail.processes && detail.processes.share.length) shareChart(g);
  }
  if (places) headChart(g);
}

function writing() {
  if (!series.write_amplification || !detail.dies) return;
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
    ["measured", "precondition", "trace", "ftl", "buffer", "health", "zones"].filter(k => lab[k] && typeof lab[k] === "object").map(k => box(k === "measured" ? "drive while measured" : k, lab[k])).join("");
  page.append(el);
  el.addEventListener("toggle", redraw, true);
}

header();
tiles();
latency();
breakdown();
overTime();
disk();
writing();
flash();
configuration();
}

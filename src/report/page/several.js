
/* The page of several runs: what each brought, and the same charts for all of them. */
function several() {
const points = data.points;
const SHOWN_FIRST = 8, SHOWN_MOST = 24, dashes = ["", "6 4", "2 3"];
const directions = ["read", "write", "trim"].filter(d => points.some(p => p.total && p.total[d]));
const options = Object.keys(points[0].options), drives = new Set(points.map(p => p.drive)).size > 1;
points.forEach((p, i) => {
  p.color = `var(--${hues[i % hues.length]})`;
  p.dash = dashes[Math.floor(i / hues.length) % dashes.length];
  p.name = [drives || !options.length ? p.drive : "", ...options.map(o => (options.length > 1 ? o.replace(/^[^.]*\./, "") + " " : "") + p.options[o])].filter(Boolean).join(", ");
  p.good = !!p.total && Object.keys(p.total).length > 0;
  p.shown = false;
});
points.filter(p => p.good).slice(0, SHOWN_FIRST).forEach(p => { p.shown = true; });

const figures = [["IOPS", t => t.iops, count], ["bandwidth", t => t.bw_bytes, rate], ["mean", t => t.lat_ns.mean, time], ["p50", t => t.lat_ns.p50, time],
  ["p99", t => t.lat_ns.p99, time], ["p99.9", t => t.lat_ns["p99.9"], time], ["slowest", t => t.lat_ns.max, time]];
const amplification = p => p.measured ? p.measured.write_amplification : undefined;
const amplified = points.some(p => amplification(p) !== undefined);

function ratio(value, first) {
  return first > 0 && value !== undefined ? `<small>${times(value / first)}</small>` : "";
}

function header() {
  const h = document.createElement("header"), good = points.filter(p => p.good), lost = points.filter(p => p.error || p.interrupted);
  const names = drives ? [...new Set(points.map(p => p.drive))].join(", ") : points[0].drive;
  h.innerHTML = `<h1>${esc(clip(names, 900))}: ${points.length} runs</h1><p class="sub">${options.length ? esc(options.join(" × ")) + "; " : ""}${esc(data.jobs.slice(0, 4).join(", "))}${data.jobs.length > 4 ? ` and ${data.jobs.length - 4} more` : ""}; seed ${esc(data.seed)}, drivelab ${esc(data.version)}${data.time ? ", " + esc(data.time) : ""}</p>` +
    lost.map(p => `<p class="bad">${esc(p.name)}: ${p.error ? esc(p.error) : "interrupted, the results are of a part"}</p>`).join("") +
    (data.missing ? `<p class="bad">Interrupted: ${data.missing} more runs were not begun.</p>` : "");
  page.append(h);
  document.title = "drivelab: " + names + ", " + points.length + " runs";
  return good.length > 0;
}

function row(p, d, first) {
  const t = p.total && p.total[d], base = first && first.total[d];
  const cells = figures.map(f => t ? `<td>${f[2](f[1](t))} ${p === first ? "" : ratio(f[1](t), base && f[1](base))}</td>` : "<td>-</td>").join("");
  const waf = amplification(p);
  return `<td><label class="key"><input type="checkbox" data-p="${points.indexOf(p)}"${p.shown ? " checked" : ""}${p.good ? "" : " disabled"}>${dot(p.color)}${esc(p.name)}</label></td>` +
    (directions.length > 1 ? `<td>${d}</td>` : "") + cells + (amplified ? `<td>${waf === undefined ? "-" : three(waf)} ${p === first || waf === undefined ? "" : ratio(waf, amplification(first))}</td>` : "");
}

function summary() {
  heading("Results");
  const table = document.createElement("section"), first = points.find(p => p.good);
  table.className = "card scroll several";
  table.innerHTML = `<p class="note">Ratios are to the first. The charts show what is ticked, at most ${SHOWN_MOST} at once.</p><table><tr><th></th>${directions.length > 1 ? "<th></th>" : ""}${figures.map(f => `<th>${f[0]}</th>`).join("")}${amplified ? "<th>WAF</th>" : ""}</tr>` +
    points.map(p => directions.filter(d => !p.good || p.total[d]).map((d, i) => p.good || !i ? `<tr>${row(p, d, first)}</tr>` : "").join("")).join("") + "</table>";
  table.addEventListener("change", event => {
    const p = points[event.target.dataset.p];
    p.shown = event.target.checked && points.filter(q => q.shown).length < SHOWN_MOST;
    table.querySelectorAll("input").forEach(box => { box.checked = points[box.dataset.p].shown; });
    draw();
  });
  page.append(table);
}

// ---- charts of what is ticked ----

let body = null;

/* A series of a point as [[ns, value]...], joined to at most so many; how: "mean" or "most". */
function over(p, list, how, weights) {
  const s = p.series, elapsed = p.elapsed_ns, n = list ? list.length : 0, per = Math.max(1, Math.ceil(n / 128)), out = [];
  for (let i = 0; i < n; i += per) {
    const end = Math.min(n, i + per), at = (i * s.window_ns + Math.min(elapsed, end * s.window_ns)) / 2;
    let sum = 0, weight = 0, most = null;
    for (let k = i; k < end; k++) {
      if (list[k] === null) continue;
      const w = weights ? weights[k] : 1;
      sum += list[k] * w;
      weight += w;
      most = most === null || list[k] > most ? list[k] : most;
    }
    out.push([at, how === "most" ? most : weight ? sum / weight : null]);
  }
  return out;
}

function amplificationOver(p) {
  const s = p.series, n = s.write ? s.write.bw_bytes.length : 0, seconds = s.window_ns / 1e9, out = [];
  let written = 0, programmed = 0;
  for (let i = 0; i < n; i++) {
    written += s.write.bw_bytes[i] * seconds;
    for (const cause in s.programmed_bytes || {}) programmed += s.programmed_bytes[cause][i];
    out.push([(i + .5) * s.window_ns, written ? programmed / written : null]);
  }
  return out;
}

function timeChart(into, title, note, shown, make, yFormat, log) {
  const lines = shown.filter(p => p.series).map(p => ({ name: p.name, color: p.color, dash: p.dash, elapsed: p.elapsed_ns || 1, points: make(p) })).filter(l => l.points.some(q => q[1] !== null));
  if (!lines.length) return;
  const lengths = shown.filter(p => p.series).map(p => p.elapsed_ns || 1), apart = Math.max(...lengths) > 8 * Math.min(...lengths), longest = apart ? 1 : Math.max(...lengths);
  const c = card(title, [note, apart ? "From the beginning to the end of each run, as they differ much in length." : ""].join(" ").trim(), lines.map(l => [l.name, l.color, l.dash]));
  into.append(c);
  if (apart) lines.forEach(l => { l.points = l.points.map(q => [q[0] / l.elapsed, q[1]]); });
  const all = lines.flatMap(l => l.points.map(q => q[1])).filter(v => v !== null);
  const y = log ? logarithmic(Math.max(1, Math.min(...all.filter(v => v > 0)) * .8), Math.max(...all) * 1.15) : linear(0, highest(lines) || 1);
  const x = width => { const s = linear(0, longest, Math.max(2, Math.floor(width / 110))); return { at: v => v / longest, ticks: s.ticks.filter(t => t <= longest) }; };
  lineChart(c.lastChild, { lines, x, y, xFormat: apart ? percent : time, yFormat, nearest: true, tipTitle: apart ? percent : time, label: title });
}

function direction(d, shown) {
  const here = shown.filter(p => p.total[d]);
  if (!here.length) return;
  heading(directions.length > 1 ? d[0].toUpperCase() + d.slice(1) + "s" : "Charts");
  const g = group();
  for (const f of [figures[0], figures[2], figures[4], figures[5]])
    lyingBars(g, f[0] === "IOPS" ? "IOPS" : "Latency, " + f[0], "", here.map(p => ({ name: p.name, color: p.color, value: f[1](p.total[d]) })), f[2]);
  const curved = here.filter(p => p.curves && p.curves[d] && p.curves[d].length);
  if (curved.length)
    latencyCharts(g, curved.map(p => ({ name: p.name, color: p.color, dash: p.dash, curve: p.curves[d], count: p.total[d].ios, most: p.total[d].lat_ns.max })), "");
  const timed = here.filter(p => p.series && p.series[d]);
  timeChart(g, "Requests per second over time", "", timed, p => over(p, p.series[d].iops, "mean"), count);
  timeChart(g, "99 % latency over time", "Slowest of the windows that a point stands for.", timed, p => over(p, p.series[d].p99_ns, "most"), time, true);
}

function writing(shown) {
  const some = shown.filter(p => amplification(p) !== undefined);
  if (!some.length) return;
  heading("Writing to flash");
  const g = group();
  lyingBars(g, "Write amplification", "Bytes programmed over bytes the host wrote.", some.map(p => ({ name: p.name, color: p.color, value: amplification(p) })), three);
  timeChart(g, "Write amplification over time", "From the beginning until then.", some, amplificationOver, plain);
}

/* What each process had, run by run. */
function processes(shown) {
  const runs = shown.map(p => ({ p, list: processesOf(p.processes) })).filter(r => r.list.length);
  if (!runs.length) return;
  const names = [...new Set(runs.flatMap(r => r.list.map(q => q.title)))], hue = i => i < hues.length ? `var(--${hues[i]})` : "var(--light)";
  const of = (r, name, pick) => { const q = r.list.find(x => x.title === name); return (q && pick(q)) || 0; };
  const parts = names.map((name, i) => ({ name, color: hue(i) })), bandwidth = q => q.bw_bytes ? q.bw_bytes.read + q.bw_bytes.write : 0;
  heading("Processes");
  const g = group();
  stackedRows(g, "Share of the drive's time", "", parts, runs.map(r => ({ name: r.p.name, values: names.map(n => of(r, n, q => q.share)) })), percent);
  stackedRows(g, "Bandwidth by process", "To the right, of all together.", parts, runs.map(r => ({ name: r.p.name, values: names.map(n => of(r, n, bandwidth)),
    text: rate(r.list.reduce((a, q) => a + bandwidth(q), 0)) })), rate);
  processTable(g, ["", "process"], runs.flatMap(r => r.list.slice(0, 16).map((q, i) => [[i ? "" : r.p.name, q.title], q, hue(names.indexOf(q.title))])));
}

function breakdowns(shown) {
  const kinds = Object.keys(kindNames).filter(k => shown.some(p => p.stages && p.stages[k]));
  if (!kinds.length) return;
  heading("Where the time went");
  const g = group();
  for (const k of kinds) {
    const here = shown.filter(p => p.stages && p.stages[k]);
    for (const [part, of] of [["mean", "all"], ["slowest", "the slowest 0.1 %"]])
      if (here.some(p => p.stages[k][part].latency_ns > 0)) {
        const all = here.map(p => p.stages[k][part].latency_ns), common = Math.max(...all) < 20 * Math.min(...all);
        stageChart(g, `${kindNames[k][0].toUpperCase()}${kindNames[k].slice(1)}: ${of}`,
          common ? "All bars have the same scale." : "Each bar is scaled to its own whole.", here.map(p => [p.name, p.stages[k][part]]), { common });
      }
  }
}

function draw() {
  const shown = points.filter(p => p.shown);
  if (body) body.remove();
  charts = [];
  body = document.createElement("div");
  page.append(body);
  target = body;
  directions.forEach(d => direction(d, shown));
  processes(shown);
  writing(shown);
  breakdowns(shown);
  redraw();
}

if (header()) {
  summary();
  draw();
}
}

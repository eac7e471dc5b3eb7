// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Pauses of moves over time, forecast beside measured, on a canvas; the same as a table for who cannot see it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { dark } from "../lib/theme.js";
import { duration, moment } from "../lib/words.js";
import { styled } from "./styled.js";
import { to } from "../lib/route.js";

const SPREAD = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000];

/** The pauses that entries of the journal tell, oldest first, in milliseconds. */
export function pauses(entries) {
  return entries
    .filter((one) => one.guest && one.downtime_ms != null)
    .map((one) => ({
      id: one.id, guest: one.guest, from: one.from, to: one.to, at: one.ended ?? one.started,
      measured: Math.max(1, one.downtime_ms),
      forecast: one.forecast?.pause != null ? Math.max(1, one.forecast.pause * 1000) : null,
    }))
    .sort((a, b) => (a.at < b.at ? -1 : 1));
}

function options(width, color) {
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const dots = (name, shade, hollow) => ({
    label: name, stroke: color(shade), paths: () => null,
    points: { show: true, size: hollow ? 9 : 6, width: 2, stroke: color(shade), fill: hollow ? "transparent" : color(shade) },
    value: (_, value) => duration(value == null ? null : value / 1000),
  });
  return {
    width, height: 220, legend: { live: true }, cursor: { drag: { x: true, y: false } },
    scales: { y: { distr: 3 } },
    axes: [axis, { ...axis, size: 60, splits: (u) => SPREAD.filter((one) => one >= u.scales.y.min && one <= u.scales.y.max),
      filter: (_, splits) => splits, values: (_, splits) => splits.map((one) => duration(one / 1000)) }],
    series: [{ value: (_, time) => (time == null ? "–" : moment(time * 1000)) }, dots("forecast", "--info", true), dots("measured", "--accent", false)],
  };
}

/** Colours of the style sheet as a canvas takes them. */
function paint(place) {
  const probe = place.appendChild(document.createElement("i"));
  const colors = Object.fromEntries(["--muted", "--line", "--info", "--accent"].map((name) => {
    probe.style.color = `var(${name})`;
    return [name, getComputedStyle(probe).color];
  }));
  probe.remove();
  return (name) => colors[name];
}

function Canvas({ rows }) {
  const place = useRef(null);
  const shade = dark.value;
  useEffect(() => {
    let plot = null;
    let gone = false;
    const data = [rows.map((one) => Date.parse(one.at) / 1000), rows.map((one) => one.forecast), rows.map((one) => one.measured)];
    const sizes = new ResizeObserver(([{ contentRect }]) => plot?.setSize({ width: Math.max(200, contentRect.width), height: 220 }));
    Promise.all([import("uplot"), styled("vendor/uplot-1.6.32/dist/uPlot.min.css")]).then(([{ default: Plot }]) => {
      if (gone) return;
      plot = new Plot(options(place.current.clientWidth, paint(place.current)), data, place.current);
      sizes.observe(place.current);
    });
    return () => {
      gone = true;
      sizes.disconnect();
      plot?.destroy();
    };
  }, [rows.map((one) => one.id).join(), shade]);
  const worst = Math.max(...rows.map((one) => one.measured));
  const text = `Pauses of ${rows.length} moves, forecast and measured; the longest ${duration(worst / 1000)}. The table has all values.`;
  return html`<div class="plot" role="img" aria-label=${text} ref=${place}></div>`;
}

function Table({ rows }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Pauses of moves"><table>
    <thead><tr><th>When</th><th>Guest</th><th>Way</th><th class="number">Forecast</th><th class="number">Measured</th></tr></thead>
    <tbody>${rows.toReversed().map((one) => html`<tr key=${one.id}><td>${moment(one.at)}</td><td><a href=${to("guests", one.guest)}>${one.guest}</a></td>
      <td>${one.from} → ${one.to}</td><td class="number">${duration(one.forecast == null ? null : one.forecast / 1000)}</td>
      <td class="number">${duration(one.measured / 1000)}</td></tr>`)}</tbody>
  </table></div>`;
}

export function Pauses({ entries }) {
  const [table, show] = useState(false);
  const rows = pauses(entries);
  if (!rows.length) return html`<p class="hint">No move has been measured yet.</p>`;
  return html`<div class="pauses">
    <div class="switch" role="group" aria-label="Shown as">
      <button type="button" aria-pressed=${!table} onClick=${() => show(false)}>Plot</button>
      <button type="button" aria-pressed=${table} onClick=${() => show(true)}>Table</button>
    </div>
    ${table ? html`<${Table} rows=${rows} />` : html`<${Canvas} rows=${rows} />`}
  </div>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Pauses of moves over time, forecast beside measured, on a canvas; the same as a table for who cannot see it. */
import { useMemo, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";
import { duration, moment } from "../lib/words.js";
import { Canvas, axis } from "./canvas.js";
import { Switch } from "./switch.js";

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
  const plain = axis(color);
  const dots = (name, shade, hollow) => ({
    label: name, stroke: color(shade), paths: () => null,
    points: { show: true, size: hollow ? 9 : 6, width: 2, stroke: color(shade), fill: hollow ? "transparent" : color(shade) },
    value: (_, value) => duration(value == null ? null : value / 1000),
  });
  return {
    width, height: 220, legend: { live: true }, cursor: { drag: { x: true, y: false } },
    scales: { y: { distr: 3 } },
    axes: [plain, { ...plain, size: 60, splits: (u) => SPREAD.filter((one) => one >= u.scales.y.min && one <= u.scales.y.max),
      filter: (_, splits) => splits, values: (_, splits) => splits.map((one) => duration(one / 1000)) }],
    series: [{ value: (_, time) => (time == null ? "–" : moment(time * 1000)) }, dots("forecast", "--info", true), dots("measured", "--accent", false)],
  };
}

function Plot({ rows }) {
  const data = useMemo(
    () => [rows.map((one) => Date.parse(one.at) / 1000), rows.map((one) => one.forecast), rows.map((one) => one.measured)],
    [rows.map((one) => one.id).join()],
  );
  const worst = Math.max(...rows.map((one) => one.measured));
  const text = `Pauses of ${rows.length} moves, forecast and measured; the longest ${duration(worst / 1000)}. The table has all values.`;
  return html`<${Canvas} label=${text} data=${data} options=${options} of="pauses" />`;
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
    <${Switch} table=${table} onShow=${show} />
    ${table ? html`<${Table} rows=${rows} />` : html`<${Plot} rows=${rows} />`}
  </div>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The last hour of a node or guest: processors, memory, network, disks, as plots or as a table of five minutes each. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { get } from "../lib/api.js";
import { bytes, list, part, portion, rate, time } from "../lib/words.js";
import { Canvas, axis } from "./canvas.js";
import { Failure, Waiting } from "./empty.js";
import { useLoaded } from "./loaded.js";
import { Switch } from "./switch.js";

/** Seconds of the plots, between two records at most that belong together, and of a line of the table; and until a record
 *  is too old to say how it is now. */
const HOUR = 3600;
const APART = 40;
const LINE = 300;
const OLD = 60;
/** Milliseconds between two readings. */
const EVERY = 15_000;
const POWERS = Array.from({ length: 48 }, (_, power) => 2 ** power);
const TENTHS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

const CHARTS = [
  { title: "Processors", top: "cpus", least: 0.1, steps: [...TENTHS, ...POWERS], say: (value) => `${Number(value.toFixed(2))}`, of: part, lines: [["cpu", "busy"]] },
  { title: "Memory", top: "memory_total", least: 2 ** 20, steps: POWERS, say: bytes, of: portion, lines: [["memory", "in use"]] },
  { title: "Network", least: 1024, steps: POWERS, say: rate, lines: [["received", "received"], ["sent", "sent"]] },
  { title: "Disks", least: 1024, steps: POWERS, say: rate, lines: [["read", "read"], ["written", "written"]] },
];

/** Columns as uPlot takes them, with nothing where nothing was recorded. */
function columns(past, times, names) {
  const data = [[], ...names.map(() => [])];
  times.forEach((at, number) => {
    if (number && at - times[number - 1] > APART) {
      data[0].push(times[number - 1] + 1);
      names.forEach((_, line) => data[line + 1].push(null));
    }
    data[0].push(at);
    names.forEach((name, line) => data[line + 1].push(past[name][number]));
  });
  return data;
}

function options(chart, lines, top, moves, onHover) {
  return (width, color) => {
    const plain = axis(color);
    const marks = (u) => moves.forEach((at) => {
      const x = Math.round(u.valToPos(at, "x", true));
      u.ctx.fillStyle = color("--edge");
      u.ctx.fillRect(x, u.bbox.top, Math.ceil(devicePixelRatio), u.bbox.height);
    });
    return {
      width, height: 160, padding: [8, 28, 0, 0], legend: { show: false },
      cursor: { drag: { x: false, y: false }, sync: { key: "hour" } },
      hooks: { draw: [marks], setCursor: [(u) => onHover(u.cursor.idx ?? null)] },
      scales: { x: { range: () => [Date.now() / 1000 - HOUR, Date.now() / 1000] }, y: { range: (_, __, found) => [0, Math.max(top ?? (found ?? 0) * 1.1, found ?? 0, chart.least)] } },
      axes: [{ ...plain, size: 28, space: 90, values: (_, found) => found.map((at) => time(at * 1000)) },
        { ...plain, size: 74, space: 28, incrs: chart.steps, values: (_, found) => found.map((one) => (one ? chart.say(one) : "0")) }],
      series: [{}, ...lines.map((_, line) => ({ stroke: color(line ? "--info" : "--accent"), width: 1.5, dash: line ? [5, 3] : [],
        fill: lines.length > 1 ? undefined : color("--accent-soft"), points: { show: false } }))],
    };
  };
}

function Chart({ chart, past, times, tops, moves, name }) {
  const [hovered, hover] = useState(null);
  const lines = chart.lines.filter(([column]) => past[column]);
  const data = useMemo(() => columns(past, times, lines.map(([column]) => column)), [past]);
  if (!lines.length) return null;
  const top = tops[chart.top];
  const say = (value) => (value == null ? "–" : chart.of && top ? chart.of(value, top) : chart.say(value));
  const at = hovered ?? data[0].length - 1;
  const known = hovered != null || Date.now() / 1000 - data[0][at] < OLD;
  const words = lines.map(([, label], line) => `${say(data[line + 1][at])} ${label}`);
  const text = `${chart.title} of ${name} in the last hour${known ? `; now ${words.join(", ")}` : ""}. The table has the values.`;
  return html`<section class="chart"><h3>${chart.title}</h3>
    <p class="hint">${known ? words.map((one, line) => html`<span key=${line} class=${line ? "other" : ""}>${lines.length > 1 && html`<i></i>`}${one}</span>`) : "nothing is known now"}${hovered != null && html`<span>${time(data[0][at] * 1000)}</span>`}</p>
    <${Canvas} label=${text} data=${data} of=${`${name} ${moves} ${top}`} options=${options(chart, lines, top, moves, hover)} /></section>`;
}

function mean(values) {
  const known = values.filter((value) => value != null);
  return known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null;
}

function Table({ past, times, name }) {
  const shown = CHARTS.flatMap(({ title, say, lines }) => lines.filter(([column]) => past[column]).map(([column, label]) => ({ column, label: `${title}, ${label}`, say })));
  const starts = [...new Set(times.map((at) => Math.floor(at / LINE) * LINE))].reverse();
  const of = (start, column) => past[column].filter((_, number) => Math.floor(times[number] / LINE) * LINE === start);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Load of ${name}, the mean of five minutes each`}><table>
    <thead><tr><th>From</th>${past.node && html`<th>Node</th>`}${shown.map(({ column, label }) => html`<th key=${column} class="number">${label}</th>`)}</tr></thead>
    <tbody>${starts.map((start) => html`<tr key=${start}><td>${time(start * 1000)}</td>${past.guest && html`<td>${list([...new Set(of(start, "node"))])}</td>`}
      ${shown.map(({ column, say }) => { const value = mean(of(start, column)); return html`<td key=${column} class="number">${value == null ? "–" : say(value)}</td>`; })}</tr>`)}</tbody>
  </table></div>`;
}

/** `has` is how much a guest has, by the name of the column; a node tells it by itself. */
function Shown({ past, has, name, table }) {
  const times = useMemo(() => past.at.map((at) => Date.parse(at) / 1000), [past]);
  if (!times.length) return html`<p class="hint">Nothing is known of the last hour. Where it runs, the first values come within half a minute.</p>`;
  const tops = has ?? { cpus: past.cpus?.at(-1), memory_total: past.memory_total?.at(-1) };
  const moves = past.guest ? times.filter((_, number) => number && past.node[number] !== past.node[number - 1]) : [];
  const stays = moves.map((at) => { const number = times.indexOf(at); return `${time(at * 1000)} from ${past.node[number - 1]} to ${past.node[number]}`; });
  return html`${stays.length > 0 && html`<p class="hint">It moved: ${list(stays)}.</p>`}
    ${past.missing?.length > 0 && html`<p class="hint">${list(past.missing)} did not answer: what it used there is not shown.</p>`}
    ${table ? html`<${Table} past=${past} times=${times} name=${name} />`
      : html`<div class="charts">${CHARTS.map((chart) => html`<${Chart} key=${chart.title} chart=${chart} past=${past} times=${times} tops=${tops} moves=${moves} name=${name} />`)}</div>`}`;
}

export function LastHour({ kind, name, state, has }) {
  const [table, show] = useState(false);
  const path = kind === "nodes" ? (stop) => get(`/nodes/${encodeURIComponent(name)}/load`, stop) : (stop) => get(`/guests/${encodeURIComponent(name)}/load`, stop);
  const [body, error, again] = useLoaded(path, `${name} ${state}`);
  useEffect(() => {
    const timer = setInterval(again, EVERY);
    return () => clearInterval(timer);
  }, []);
  return html`<section class="panel hour" aria-labelledby="hour"><header><h2 id="hour">The last hour</h2><${Switch} table=${table} onShow=${show} /></header>
    ${error && html`<${Failure} error=${error} again=${again} />`}
    ${body ? html`<${Shown} past=${body.load} has=${has} name=${name} table=${table} />` : !error && html`<${Waiting} what="Reading …" />`}</section>`;
}

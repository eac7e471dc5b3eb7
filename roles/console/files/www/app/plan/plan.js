// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A plan, as a person reads it: what moves where, what stops, what would have no room afterwards, what to know. */
import { html } from "../lib/html.js";
import { count, duration, list } from "../lib/words.js";
import { Icon } from "../parts/icon.js";
import { Learn } from "../parts/learn.js";

const HOW = { live: "moves live", restart: "restarts there" };

function headline({ action, subject, moves, stops, starts }) {
  const parts = [];
  if (moves.length) parts.push(`${count(moves.length, "guest")} ${moves.length === 1 ? "moves" : "move"}`);
  if (stops.length) parts.push(`${count(stops.length, "guest")} ${stops.length === 1 ? "stops" : "stop"}`);
  if (parts.length) return `${parts.join(", ")}.`;
  if (action === "create") return starts?.length ? `${subject} would start on ${starts[0].to}.` : `${subject} would not start.`;
  if (action === "start") return `${subject} starts.`;
  return "No guest moves or stops.";
}

/** Said only where it is known of all: of containers' restarts nothing is forecast, and these take longest. */
function longest(moves) {
  const pauses = moves.map((move) => move.forecast?.pause);
  return pauses.length && !pauses.some((pause) => pause == null) ? ` The longest pause is forecast at ${duration(Math.max(...pauses))}.` : "";
}

function Moves({ moves, before }) {
  const old = new Map((before?.moves ?? moves).map((move) => [move.guest, move.to]));
  const sorted = moves.toSorted((a, b) => (a.order ?? 0) - (b.order ?? 0));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Moves of this plan"><table class="plan">
    <thead><tr><th class="number">#</th><th>Guest</th><th>To</th><th>How</th><th class="number">Pause</th><th class="number wide">Takes</th></tr></thead>
    <tbody>${sorted.map((move, index) => html`<tr key=${move.guest} class=${old.get(move.guest) === move.to ? "" : "changed"}>
      <td class="number">${(move.order ?? index) + (sorted[0]?.order === 0 || move.order == null ? 1 : 0)}</td><th scope="row">${move.guest}</th>
      <td>${move.to}${old.get(move.guest) !== move.to && html` <em>(${old.get(move.guest) ? `before: ${old.get(move.guest)}` : "new"})</em>`}</td>
      <td>${HOW[move.how] ?? move.how}</td><td class="number">${duration(move.forecast?.pause)}</td><td class="number wide">${duration(move.forecast?.seconds)}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

function Reasons({ title, items, kind }) {
  if (!items?.length) return null;
  return html`<section class=${`reasons ${kind}`}><h3>${title}</h3>
    <ul>${items.map(({ guest, why }) => html`<li key=${guest}><b>${guest}</b> ${why}</li>`)}</ul></section>`;
}

export function Plan({ plan, before }) {
  const unplaced = plan.unplaced_after ?? [];
  return html`<div class="reading">
    ${plan.refused && html`<div class="note error"><${Icon} name="alert" /><div><p class="strong">This cannot be done now.</p><p>${plan.refused}</p></div></div>`}
    <p class="lead">${headline(plan)}${longest(plan.moves)}</p>
    ${plan.moves.length > 0 && html`<${Moves} moves=${plan.moves} before=${before} />`}
    <${Reasons} title="These stop" items=${plan.stops} kind="error" />
    <${Reasons} title="These stay" items=${plan.stays} kind="idle" />
    ${unplaced.length > 0 && html`<section class="reasons warning"><h3>If one more node died afterwards</h3>
      <ul>${unplaced.map(({ node, guests }) => html`<li key=${node}><b>${node}</b> ${list(guests)} would have no room.</li>`)}</ul></section>`}
    ${plan.notes?.length > 0 && html`<ul class="notes">${plan.notes.map((note) => html`<li key=${note}><${Icon} name="check" />${note}</li>`)}</ul>`}
    <${Learn} forms=${plan} />
  </div>`;
}

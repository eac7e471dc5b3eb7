// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** An operation: what it does, how far it is, how it ended. */
import { html } from "../lib/html.js";
import { clock } from "../lib/state.js";
import { ago, duration, title } from "../lib/words.js";
import { Progress } from "../parts/bar.js";
import { Icon } from "../parts/icon.js";
import { State } from "../parts/state.js";

/** How much of an operation is done, from 0 to 1; null if its steps do not tell. */
export function finished({ steps }) {
  return steps?.length ? steps.filter((step) => step.state !== "running" && step.state !== "waiting").length / steps.length : null;
}

export function Steps({ steps }) {
  if (!steps?.length) return null;
  const icons = { done: "check", failed: "alert", running: "move" };
  return html`<ol class="steps">${steps.map((step) => html`<li key=${step.text} class=${step.state}>
    <${Icon} name=${icons[step.state] ?? "history"} /><span>${step.text}</span><span class="unseen">: ${step.state}</span></li>`)}</ol>`;
}

export function Operation({ operation }) {
  const { state, by, from, since, ended, message, remedy, steps } = operation;
  const took = ended ? `, took ${duration((Date.parse(ended) - Date.parse(since)) / 1000)}` : "";
  return html`<li class="task" id=${`operation-${operation.id}`}><div class="row"><b>${title(operation)}</b><${State} state=${state} as="operation" />
    <span class="hint">by ${by}${from ? ` from ${from}` : ""}, ${ago(since, clock.value)}${took}</span></div>
    ${state === "running" && html`<${Progress} label=${title(operation)} value=${finished(operation)} />`}
    ${state === "running" ? html`<${Steps} steps=${steps} />` : steps?.length > 0 && html`<details><summary>${steps.length} steps</summary><${Steps} steps=${steps} /></details>`}
    ${message && html`<p>${message}</p>`}${remedy && state === "failed" && html`<p class="remedy">${remedy}</p>`}
  </li>`;
}

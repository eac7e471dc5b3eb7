// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What happens at this moment: guests on their way, operations that run. */
import { html } from "../lib/html.js";
import { clock, look, running } from "../lib/state.js";
import { to } from "../lib/route.js";
import { ago, title } from "../lib/words.js";
import { Progress } from "../parts/bar.js";
import { Steps, finished } from "../history/operation.js";

function Move({ move }) {
  return html`<li class="task"><div class="row"><a class="strong" href=${to("guests", move.guest)}>${move.guest}</a>
    <span>${move.from} → ${move.to}</span><span class="hint">${ago(move.since, clock.value)}</span></div>
    <${Progress} label=${`Move of ${move.guest}`} value=${move.progress} /></li>`;
}

function Operation({ operation }) {
  return html`<li class="task"><div class="row"><b>${title(operation)}</b>
    <span class="hint">by ${operation.by}, ${ago(operation.since, clock.value)}</span></div>
    <${Progress} label=${title(operation)} value=${finished(operation)} /><${Steps} steps=${operation.steps} /></li>`;
}

export function Now() {
  const moves = look.value.moves;
  if (!moves.length && !running.value.length) return null;
  return html`<section class="panel" aria-labelledby="now"><h2 id="now">Now</h2><ul class="tasks">
    ${running.value.map((operation) => html`<${Operation} key=${operation.id} operation=${operation} />`)}
    ${moves.map((move) => html`<${Move} key=${move.id} move=${move} />`)}
  </ul></section>`;
}

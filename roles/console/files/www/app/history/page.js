// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Tasks and history: operations as they run, the pauses of all moves, the journal. */
import { useEffect, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { journal, operations, readJournal } from "../lib/state.js";
import { Empty, Failure, Waiting } from "../parts/empty.js";
import { Pauses } from "../parts/plot.js";
import { Failovers } from "./failovers.js";
import { Journal } from "./journal.js";
import { Operation } from "./operation.js";

export function History() {
  const [error, fail] = useState(null);
  const read = () => {
    fail(null);
    readJournal().catch(fail);
  };
  useEffect(read, []);
  const entries = journal.value;
  return html`
    <h1 tabindex="-1">Tasks and history</h1>
    <section class="panel" aria-labelledby="tasks"><h2 id="tasks">Tasks</h2>
      ${operations.value.length
        ? html`<ul class="tasks">${operations.value.slice(0, 20).map((one) => html`<${Operation} key=${one.id} operation=${one} />`)}</ul>`
        : html`<p class="hint">Nobody has asked for anything lately. What is asked for, here or by a play, stands here on every node.</p>`}
    </section>
    <${Failovers} />
    ${error && html`<${Failure} error=${error} again=${read} />`}
    ${!entries && !error && html`<${Waiting} what="Reading the journal …" />`}
    ${entries && html`
      <section class="panel" aria-labelledby="pauses"><h2 id="pauses">Pauses of moves</h2><${Pauses} entries=${entries} /></section>
      <section class="panel" aria-labelledby="journal"><h2 id="journal">Journal</h2>
        ${entries.length ? html`<${Journal} entries=${entries} />` : html`<${Empty} title="The journal is empty.">Each move and each change of a node's power is written down here.<//>`}
      </section>`}`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The moves of one guest: its pauses, and each entry of the journal. */
import { html } from "../lib/html.js";
import { Journal } from "../history/journal.js";
import { Empty } from "../parts/empty.js";
import { Pauses } from "../parts/plot.js";

export function Moves({ entries = [] }) {
  const newest = entries.toSorted((a, b) => ((a.ended ?? a.started) < (b.ended ?? b.started) ? 1 : -1));
  if (!newest.length) return html`<${Empty} title="It has never moved.">Its first move stands here as soon as it has ended.<//>`;
  return html`<section class="panel" aria-labelledby="pauses"><h2 id="pauses">Pauses</h2><${Pauses} entries=${newest} /></section>
    <section class="panel" aria-labelledby="moves"><h2 id="moves">Journal</h2><${Journal} entries=${newest} /></section>`;
}

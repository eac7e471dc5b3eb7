// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** All guests: searched, narrowed by tag, sorted, and acted upon many at a time. */
import { computed, signal } from "@preact/signals";
import { html } from "../lib/html.js";
import { go } from "../lib/route.js";
import { guests, obstacle } from "../lib/state.js";
import { count } from "../lib/words.js";
import { Button } from "../parts/button.js";
import { Empty } from "../parts/empty.js";
import { Search, matches } from "../parts/search.js";
import { ask } from "../plan/dialog.js";
import { Table } from "./table.js";

/** They live as long as the page: who comes back to the table finds it as it was. */
const words = signal("");
const tag = signal(null);
const order = signal({ column: "name", down: false });
const picked = signal(new Set());

const tags = computed(() => [...new Set(guests.value.flatMap((guest) => guest.tags))].sort());
const found = computed(() => guests.value.filter((guest) => (!tag.value || guest.tags.includes(tag.value))
  && matches(words.value, [guest.name, guest.node, guest.state, guest.kind, guest.problem, ...guest.tags, ...guest.addresses])));

const compare = new Intl.Collator(undefined, { numeric: true }).compare;

function sorted({ column, down }) {
  const by = (a, b) => (typeof a[column] === "number" ? a[column] - b[column] : compare(a[column] ?? "", b[column] ?? ""));
  return found.value.toSorted((a, b) => (down ? by(b, a) : by(a, b)) || compare(a.name, b.name));
}

function Tags() {
  if (!tags.value.length) return null;
  return html`<div class="chips" role="group" aria-label="Tags">${tags.value.map((name) => html`<button key=${name} type="button" class="chip"
    aria-pressed=${tag.value === name} onClick=${() => (tag.value = tag.value === name ? null : name)}>${name}</button>`)}</div>`;
}

function Bulk({ chosen }) {
  const act = (action) => () => ask({ action, subjects: chosen.map((guest) => guest.name) });
  return html`<div class="bulk" role="group" aria-label="For those selected"><b>${count(chosen.length, "guest")} selected</b>
    <${Button} icon="start" label="Start" kind="small" role="operator" onPress=${act("start")} />
    <${Button} icon="move" label="Move" kind="small" role="operator" onPress=${act("migrate")} />
    <${Button} icon="stop" label="Stop" kind="small" role="operator" onPress=${act("stop")} />
    <${Button} label="Select none" kind="quiet small" onPress=${() => (picked.value = new Set())} /></div>`;
}

export function Guests() {
  const rows = sorted(order.value);
  const chosen = rows.filter((guest) => picked.value.has(guest.name));
  return html`
    <div class="heading"><h1 tabindex="-1">Guests</h1><span class="hint" role="status">${rows.length === guests.value.length ? rows.length : `${rows.length} of ${guests.value.length}`}</span>
      <div class="actions"><${Button} icon="add" label="New guest" kind="primary" role="operator" onPress=${() => go("new-guest")} /></div></div>
    <div class="tools"><${Search} label="Search by name, node, tag, address, state" value=${words.value} onSearch=${(text) => (words.value = text)} /><${Tags} /></div>
    ${chosen.length > 0 && html`<${Bulk} chosen=${chosen} />`}
    ${rows.length
      ? html`<${Table} rows=${rows} order=${order} picked=${picked} pickable=${!obstacle("operator")} />`
      : html`<${Empty} title=${guests.value.length ? "No guest matches." : "There are no guests yet."}>
          ${guests.value.length ? "Search for less, or choose another tag." : "Declare one in guests.yml, or begin with New guest, and run the play guests.yml: it appears here by itself."}<//>`}`;
}

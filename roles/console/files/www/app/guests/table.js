// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The table of guests. Rows are kept by name, so that focus and selection stay where they are while states change. */
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";
import { bytes, part, portion } from "../lib/words.js";
import { Icon } from "../parts/icon.js";
import { State } from "../parts/state.js";

const COLUMNS = [
  { column: "name", label: "Name" },
  { column: "state", label: "State" },
  { column: "node", label: "Node" },
  { column: "memory", label: "Memory", kind: "number wide" },
  { column: "vcpus", label: "CPUs", kind: "number wide" },
  { column: "priority", label: "Priority", kind: "number wider" },
];

function Head({ column, label, kind = "", order }) {
  const { column: by, down } = order.value;
  const turn = () => (order.value = { column, down: by === column && !down });
  return html`<th class=${kind} aria-sort=${by === column ? (down ? "descending" : "ascending") : undefined}>
    <button type="button" class="sort" onClick=${turn}>${label}<i aria-hidden="true"></i></button></th>`;
}

function Row({ guest, picked, pickable }) {
  const { name, load } = guest;
  const pick = (event) => {
    const next = new Set(picked.value);
    if (event.target.checked) next.add(name);
    else next.delete(name);
    picked.value = next;
  };
  return html`<tr class=${picked.value.has(name) ? "picked" : ""}>
    ${pickable && html`<td class="pick"><input type="checkbox" aria-label=${`Select ${name}`} checked=${picked.value.has(name)} onChange=${pick} /></td>`}
    <th scope="row"><a class="guest" href=${to("guests", name)}><${Icon} name=${guest.kind} /><span><b>${name}</b><small>${guest.addresses[0] ?? (guest.kind === "vm" ? "VM" : "container")}</small></span></a></th>
    <td><${State} state=${guest.state} />${guest.problem && html`<small class="bad">${guest.problem}</small>`}</td>
    <td>${guest.node ? html`<a href=${to("nodes", guest.node)}>${guest.node}</a>` : "–"}</td>
    <td class="number wide">${load?.memory == null ? bytes(guest.memory) : portion(load.memory, guest.memory)}</td>
    <td class="number wide">${load?.cpu == null ? guest.vcpus : part(load.cpu, guest.vcpus)}</td><td class="number wider">${guest.priority}</td>
    <td class="wider"><span class="chips">${guest.tags.map((tag) => html`<span key=${tag} class="chip">${tag}</span>`)}${!guest.declared && html`<span class="chip other">not declared</span>`}</span></td>
  </tr>`;
}

export function Table({ rows, order, picked, pickable }) {
  const all = rows.every((guest) => picked.value.has(guest.name));
  const some = rows.some((guest) => picked.value.has(guest.name));
  const pickAll = () => (picked.value = all ? new Set() : new Set(rows.map((guest) => guest.name)));
  return html`<div class="panel flush"><table class="guests">
    <thead><tr>
      ${pickable && html`<th class="pick"><input type="checkbox" aria-label="Select all" checked=${all} indeterminate=${some && !all} onChange=${pickAll} /></th>`}
      ${COLUMNS.map((column) => html`<${Head} key=${column.column} ...${column} order=${order} />`)}
      <th class="wider">Tags</th></tr></thead>
    <tbody>${rows.map((guest) => html`<${Row} key=${guest.name} guest=${guest} picked=${picked} pickable=${pickable} />`)}</tbody>
  </table></div>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What a node is made of, and what runs on it. What it does not know of itself is not shown. */
import { html } from "../lib/html.js";
import { get } from "../lib/api.js";
import { bits, bytes, count } from "../lib/words.js";
import { Failure, Waiting } from "../parts/empty.js";
import { useLoaded } from "../parts/loaded.js";

const ACCELERATORS = { kvm: "KVM", tcg: "QEMU's own processor (TCG), which is slow" };

const joined = (words) => words.filter(Boolean).join(", ");

/** "1 socket, 8 cores, 16 threads, VT-x" */
function parts({ sockets, cores, threads, numa, virtualisation }) {
  const all = [[sockets, "socket"], [cores, "core"], [threads, "thread"], [numa > 1 ? numa : null, "NUMA node"]];
  return joined([...all.map(([number, word]) => number && count(number, word)), virtualisation]);
}

/** What, and what more about it; what is not known moves up. */
function facts({ system, processor, memory, software }) {
  return [
    ["Machine", system.model],
    ["Board", system.board],
    ["Firmware", system.boot, joined([system.firmware, system.firmware_date])],
    ["Processor", processor.model, parts(processor)],
    ["Memory", memory && bytes(memory)],
    ["System", software.system, software.release],
    ["Kernel", software.kernel, software.architecture],
    ["VMs run on", ACCELERATORS[software.accelerator] ?? software.accelerator],
    ...Object.entries(software.versions ?? {}),
  ].map(([what, ...values]) => [what, ...values.filter(Boolean)]).filter(([, value]) => value);
}

function Table({ title, head, rows }) {
  if (!rows.length) return null;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${title}><table>
    <caption class="unseen">${title}</caption>
    <thead><tr>${head.map((one) => html`<th key=${one}>${one}</th>`)}</tr></thead>
    <tbody>${rows.map(([name, ...values]) => html`<tr key=${name}><th scope="row">${name}</th>${values.map((value, at) => html`<td key=${at} class=${at === values.length - 1 ? "last" : ""}>${value || "–"}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

export function Hardware({ name, state }) {
  const [body, error, again] = useLoaded((stop) => get(`/nodes/${encodeURIComponent(name)}/hardware`, stop), `${name} ${state}`);
  const found = body?.hardware;
  return html`<section class="panel hardware" aria-labelledby="hardware"><h2 id="hardware">Hardware and software</h2>
    ${error ? html`<${Failure} error=${error} again=${again} />` : !found ? html`<${Waiting} what="Asking the node …" />` : html`
      <dl class="facts">${facts(found).map(([what, value, more]) => html`<div key=${what}><dt>${what}</dt><dd>${value}${more && html`<small>${more}</small>`}</dd></div>`)}</dl>
      <div class="two"><${Table} title="Disks" head=${["Disk", "Model", "Kind", "Size"]} rows=${found.disks.map((one) => [one.name, one.model, one.kind, bytes(one.size)])} />
      <${Table} title="Network cards" head=${["Network card", "Driver", "Speed", "State"]} rows=${found.cards.map((one) => [one.name, one.driver, one.speed && bits(one.speed), one.state])} /></div>`}
  </section>`;
}

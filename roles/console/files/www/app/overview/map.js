// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The map: each node with its load and its guests as blocks, the wider the more memory they have. */
import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { guests, look, nodes } from "../lib/state.js";
import { to } from "../lib/route.js";
import { bytes, count, part } from "../lib/words.js";
import { Icon } from "../parts/icon.js";
import { State, tone } from "../parts/state.js";
import { Usage } from "../parts/usage.js";
import { fate } from "./death.js";

function Block({ guest, after }) {
  const move = look.value.moves.find((one) => one.guest === guest.name);
  const busy = guest.load?.cpu == null ? "" : `, ${part(guest.load.cpu, guest.vcpus)} CPUs in use`;
  const what = `${guest.kind}, ${guest.state}${after ? `, ${after.words}` : ""}`;
  return html`<a class=${`block ${tone(guest.state)} ${after?.kind ?? ""}`} href=${to("guests", guest.name)}
    title=${`${guest.name}: ${what}, ${bytes(guest.memory)}${busy}`} style=${{ flexGrow: Math.max(1, Math.round(guest.memory / 2 ** 28)) }}>
    <${Icon} name=${guest.kind} /><span>${guest.name}</span><span class="unseen">, ${what}</span>${move && html`<small>→ ${move.to}</small>`}${after && html`<small>${after.short}</small>`}
  </a>`;
}

function Load({ node }) {
  return html`<div class="load"><${Usage} node=${node}>${({ what, text, promised, whole }, bar) => html`<div key=${what}>
    <span><small>${what}</small> ${text ?? ""}</span><small>${text ? promised : whole} promised</small>${bar}</div>`}<//></div>`;
}

function Node({ node, dead, onDie }) {
  const here = guests.value.filter((guest) => guest.node === node.name);
  const fates = dead ? fate(node, here, nodes.value) : null;
  return html`<section class=${`node ${dead ? "dead" : ""}`} aria-labelledby=${`node-${node.name}`}>
    <header><h3 id=${`node-${node.name}`}><a href=${to("nodes", node.name)}>${node.name}</a></h3><${State} state=${node.state} />
      <button type="button" class="button quiet small" aria-pressed=${dead} onClick=${onDie} aria-label=${`If it died now: ${node.name}`}><${Icon} name="bolt" /><span>If it died now</span></button></header>
    <${Load} node=${node} />
    ${fates && html`<p class="fate" role="status">${fates.text}</p>`}
    <div class="blocks">${here.map((guest) => html`<${Block} key=${guest.name} guest=${guest} after=${fates?.of[guest.name]} />`)}
      ${!here.length && html`<p class="hint">No guest runs here.</p>`}</div>
  </section>`;
}

export function ClusterMap() {
  const [dead, die] = useState(null);
  const nowhere = guests.value.filter((guest) => !guest.node);
  return html`<section aria-labelledby="map"><div class="heading"><h2 id="map">Where everything runs</h2>
      <p class="legend"><span><${Icon} name="vm" /> VM</span><span><${Icon} name="container" /> container</span>
        <span><i class="swatch"></i> in use</span><span><i class="swatch promised"></i> promised</span></p></div>
    <div class="map">${nodes.value.map((node) => html`<${Node} key=${node.name} node=${node} dead=${dead === node.name}
      onDie=${() => die(dead === node.name ? null : node.name)} />`)}</div>
    ${nowhere.length > 0 && html`<section class="node nowhere" aria-labelledby="nowhere"><header><h3 id="nowhere">Nowhere</h3><span class="hint">${count(nowhere.length, "guest")}</span></header>
      <div class="blocks">${nowhere.map((guest) => html`<${Block} key=${guest.name} guest=${guest} />`)}</div></section>`}
  </section>`;
}

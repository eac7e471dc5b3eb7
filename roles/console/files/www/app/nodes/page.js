// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Nodes: how loaded, whether their fencing is proven, and the way into maintenance and back. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { clock, guests, nodes } from "../lib/state.js";
import { to } from "../lib/route.js";
import { ago, bytes, count, portion } from "../lib/words.js";
import { Bar } from "../parts/bar.js";
import { Button, Obstacle } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { State } from "../parts/state.js";
import { ask } from "../plan/dialog.js";

const AWAY = ["standby", "maintenance"];

function actionOf({ state, name }) {
  if (AWAY.includes(state)) return { action: "return", label: "Return", icon: "return", kind: "primary", why: "" };
  return { action: "drain", label: "Drain", icon: "drain", kind: "", why: state === "online" ? "" : `${name} is ${state}: there is nothing to move away.` };
}

function Fencing({ fencing }) {
  if (fencing.problem) return html`<span class="bad"><${Icon} name="alert" />${fencing.problem}</span>`;
  const devices = fencing.devices.length ? fencing.devices.join(", ") : "none";
  return html`${devices}; ${fencing.proof ? `proven ${ago(fencing.proof, clock.value)}` : "never proven"}`;
}

function Node({ node, chosen }) {
  const place = useRef(null);
  useEffect(() => void (chosen && place.current.scrollIntoView({ block: "center" })), [chosen]);
  const here = guests.value.filter((guest) => guest.node === node.name);
  const { action, label, icon, kind, why } = actionOf(node);
  return html`<article class=${`panel machine ${chosen ? "chosen" : ""}`} aria-labelledby=${`machine-${node.name}`} ref=${place}>
    <header><h2 id=${`machine-${node.name}`}>${node.name}</h2><${State} state=${node.state} />
      <${Button} icon=${icon} label=${label} kind=${kind} role="operator" why=${why} onPress=${() => ask({ action, subject: node.name })} name=${`${label} ${node.name}`} /></header>
    <dl class="facts">
      <div><dt>Address</dt><dd>${node.address ?? "–"}</dd></div>
      <div><dt>Memory</dt><dd>${portion(node.memory.promised, node.memory.total)}
        <${Bar} label=${`Memory of ${node.name}`} part=${node.memory.promised} whole=${node.memory.total} text=${`${bytes(node.memory.promised)} promised`} /></dd></div>
      <div><dt>CPUs</dt><dd>${node.cpus.promised} of ${node.cpus.total}
        <${Bar} label=${`CPUs of ${node.name}`} part=${node.cpus.promised} whole=${node.cpus.total} high=${2} text=${`${node.cpus.promised} promised`} /></dd></div>
      <div><dt>Fencing</dt><dd><${Fencing} fencing=${node.fencing} /></dd></div>
      <div class="whole"><dt>${count(here.length, "guest")}</dt><dd class="chips">${here.map((guest) => html`<a key=${guest.name} class="chip" href=${to("guests", guest.name)}><${Icon} name=${guest.kind} />${guest.name}</a>`)}</dd></div>
    </dl>
  </article>`;
}

export function Nodes({ chosen }) {
  return html`
    <h1 tabindex="-1">Nodes</h1>
    <${Obstacle} role="operator" />
    <div class="machines">${nodes.value.map((node) => html`<${Node} key=${node.name} node=${node} chosen=${node.name === chosen} />`)}</div>`;
}

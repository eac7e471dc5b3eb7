// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A node, as its own page and the page of all show it: its facts, and the way into maintenance and back. */
import { html } from "../lib/html.js";
import { clock, guests } from "../lib/state.js";
import { to } from "../lib/route.js";
import { ago, count } from "../lib/words.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { Usage } from "../parts/usage.js";
import { ask } from "../plan/dialog.js";

const AWAY = ["standby", "maintenance"];

function actionOf({ state, name }) {
  if (AWAY.includes(state)) return { action: "return", label: "Return", icon: "return", kind: "primary", why: "" };
  return { action: "drain", label: "Drain", icon: "drain", kind: "", why: state === "online" ? "" : `${name} is ${state}: there is nothing to move away.` };
}

export function Maintain({ node }) {
  const { action, label, icon, kind, why } = actionOf(node);
  return html`<${Button} icon=${icon} label=${label} kind=${kind} role="operator" why=${why} onPress=${() => ask({ action, subject: node.name })} name=${`${label} ${node.name}`} />`;
}

function Fencing({ fencing }) {
  if (fencing.problem) return html`<span class="bad"><${Icon} name="alert" />${fencing.problem}</span>`;
  const devices = fencing.devices.length ? fencing.devices.join(", ") : "none";
  return html`${devices}; ${fencing.proof ? `proven ${ago(fencing.proof, clock.value)}` : "never proven"}`;
}

export function Facts({ node }) {
  const here = guests.value.filter((guest) => guest.node === node.name);
  return html`<dl class="facts">
    <div><dt>Address</dt><dd>${node.address ?? "–"}</dd></div>
    <${Usage} node=${node}>${({ what, text, whole }, bar) => html`<div key=${what}><dt>${what}</dt><dd>${text ? `${text} in use` : `${whole} promised`}${bar}${text && html`<small>${whole} promised</small>`}</dd></div>`}<//>
    <div><dt>Fencing</dt><dd><${Fencing} fencing=${node.fencing} /></dd></div>
    <div class="whole"><dt>${count(here.length, "guest")}</dt><dd class="chips">${here.map((guest) => html`<a key=${guest.name} class="chip" href=${to("guests", guest.name)}><${Icon} name=${guest.kind} />${guest.name}</a>`)}</dd></div>
  </dl>`;
}

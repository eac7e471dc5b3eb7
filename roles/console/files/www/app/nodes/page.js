// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** All nodes: how loaded, whether their fencing is proven, and the way into maintenance and back. */
import { html } from "../lib/html.js";
import { nodes } from "../lib/state.js";
import { to } from "../lib/route.js";
import { Obstacle } from "../parts/button.js";
import { State } from "../parts/state.js";
import { Facts, Maintain } from "./machine.js";

function Node({ node }) {
  return html`<article class="panel machine" aria-labelledby=${`machine-${node.name}`}>
    <header><h2 id=${`machine-${node.name}`}><a href=${to("nodes", node.name)}>${node.name}</a></h2><${State} state=${node.state} /><${Maintain} node=${node} /></header>
    <${Facts} node=${node} />
  </article>`;
}

export function Nodes() {
  return html`
    <h1 tabindex="-1">Nodes</h1>
    <${Obstacle} role="operator" />
    <div class="machines">${nodes.value.map((node) => html`<${Node} key=${node.name} node=${node} />`)}</div>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** One node: how it is, its last hour, and what it is made of. */
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";
import { nodes } from "../lib/state.js";
import { Obstacle } from "../parts/button.js";
import { Empty } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { LastHour } from "../parts/hour.js";
import { State } from "../parts/state.js";
import { Hardware } from "./hardware.js";
import { Facts, Maintain } from "./machine.js";

export function Node({ name }) {
  const node = nodes.value.find((one) => one.name === name);
  if (!node) return html`<h1 tabindex="-1">${name}</h1><${Empty} title="There is no such node."><a href=${to("nodes")}>All nodes</a> are on their page.<//>`;
  return html`
    <a class="up" href=${to("nodes")}><${Icon} name="back" />Nodes</a>
    <div class="heading subject"><span class="badge"><${Icon} name="nodes" /></span>
      <div><h1 tabindex="-1">${name}</h1><p class="row"><${State} state=${node.state} /><span class="hint">node</span></p></div>
      <div class="actions"><${Maintain} node=${node} /></div></div>
    <${Obstacle} role="operator" />
    <section class="panel" aria-labelledby="facts"><h2 id="facts">Facts</h2><${Facts} node=${node} /></section>
    <${LastHour} kind="nodes" name=${name} state=${node.state} />
    <${Hardware} name=${name} state=${node.state} />`;
}

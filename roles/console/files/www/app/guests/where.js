// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Why a guest is where it is, and why it is not elsewhere: one sentence for each node. */
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { ask } from "../plan/dialog.js";

export function Where({ guest, where }) {
  if (!where?.length) return html`<p class="hint">The cluster does not say.</p>`;
  return html`<ul class="where">${where.map(({ node, ok, why }) => {
    const here = node === guest.node;
    return html`<li key=${node} class=${here ? "here" : ok ? "ok" : "no"}>
      <${Icon} name=${here || ok ? "check" : "close"} /><div><p><a class="strong" href=${to("nodes", node)}>${node}</a> ${here ? html`<span class="chip">here</span>` : html`<span class="unseen">${ok ? "possible" : "not possible"}</span>`}</p><p class="hint">${why}</p></div>
      ${!here && ok && guest.node && html`<${Button} label="Move" kind="small" role="operator" name=${`Move to ${node}`} onPress=${() => ask({ action: "migrate", subject: guest.name, target: node })} />`}
    </li>`;
  })}</ul>`;
}

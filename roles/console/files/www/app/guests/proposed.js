// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What somebody is to commit: the YAML or a patch, a merge request of it, and what would come of it. */
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";
import { Code } from "../parts/code.js";
import { Icon } from "../parts/icon.js";
import { Plan } from "../plan/plan.js";
import { MergeRequest } from "./merge_request.js";

function Rooms({ rooms }) {
  return html`<section aria-labelledby="rooms"><h3 id="rooms">Where it could be</h3>
    <ul class="where">${rooms.map(({ node, ok, why }) => html`<li key=${node} class=${ok ? "ok" : "no"}><${Icon} name=${ok ? "check" : "close"} />
      <div><p><a class="strong" href=${to("nodes", node)}>${node}</a> <span class="unseen">${ok ? "possible" : "not possible"}</span></p><p class="hint">${why}</p></div></li>`)}</ul></section>`;
}

/** `wish` is what a merge request is asked for with: {changes} or {declaration}. */
export function Proposed({ title, place, said, wish, name, forge }) {
  const { rooms } = said.plan;
  return html`<section aria-labelledby="proposed"><h3 id="proposed">${title}</h3>
    <p class="hint">${said.patch ? "Apply it with git apply, commit it, and run the play guests.yml." : `Put this into ${place}, commit it, and run the play guests.yml.`}</p>
    <${Code} text=${said.patch || said.yaml} />${forge && html`<${MergeRequest} name=${name} forge=${forge} wish=${wish} yaml=${said.yaml} />`}
    <${Plan} plan=${said.plan} />${rooms && html`<${Rooms} rooms=${rooms} />`}
    ${said.unjudged && html`<section aria-labelledby="unjudged"><h3 id="unjudged">What the play alone judges</h3><ul class="names">${said.unjudged.map((one) => html`<li key=${one}>${one}</li>`)}</ul></section>`}</section>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What can be done with a guest: each opens the plan of it first. */
import { html } from "../lib/html.js";
import { Button } from "../parts/button.js";
import { ask } from "../plan/dialog.js";

/** Why an action makes no sense in this state, as a sentence; empty if it does. */
function against(action, { name, state, node }) {
  if (state === "moving") return `${name} is on its way: wait until it has arrived.`;
  if (action === "start") return state === "stopped" || state === "failed" ? "" : `${name} is ${state} already.`;
  if (action === "stop") return state === "stopped" ? `${name} is stopped already.` : "";
  return node ? "" : `${name} runs nowhere: start it first.`;
}

export function Actions({ guest }) {
  const act = (action) => ({ role: "operator", why: against(action, guest), onPress: () => ask({ action, subject: guest.name }) });
  return html`<div class="actions" role="group" aria-label=${`Actions on ${guest.name}`}>
    <${Button} icon="start" label="Start" ...${act("start")} />
    <${Button} icon="move" label="Move" ...${act("migrate")} />
    <${Button} icon="stop" label="Stop" ...${act("stop")} />
  </div>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Notices in passing, at the lower edge; screen readers are told of each. */
import { html } from "../lib/html.js";
import { dismiss, notices } from "../lib/state.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";

export function Notices() {
  return html`<div class="notices" role="log" aria-label="Notices">
    ${notices.value.map(({ id, text, kind, remedy }) => html`<div key=${id} class=${`notice ${kind}`}>
      <${Icon} name=${kind === "ok" ? "check" : "alert"} />
      <div><p>${text}</p>${remedy && html`<p class="hint">${remedy}</p>`}</div>
      <${Button} icon="close" label="Dismiss" hidden kind="quiet small" onPress=${() => dismiss(id)} />
    </div>`)}
  </div>`;
}

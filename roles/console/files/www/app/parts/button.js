// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Buttons. One that may not be pressed stays in reach of the keyboard and says why. */
import { html } from "../lib/html.js";
import { obstacle } from "../lib/state.js";
import { Icon } from "./icon.js";

/**
 * `why` is what speaks against pressing it now; with `role`, also that the role is missing. `name` is what it is called
 * where its label alone does not say whose button it is; `hidden`: the label is not seen; `submit`: it sends its form.
 */
export function Button({ icon, label, onPress, kind = "", why = "", role = null, busy = false, hidden = false, name = null, submit = false }) {
  const reason = (role ? obstacle(role) : "") || why;
  const called = name ?? (hidden ? label : undefined);
  const press = (event) => {
    if (reason || busy) event.preventDefault();
    else onPress?.();
  };
  return html`<button type=${submit ? "submit" : "button"} class=${`button ${kind}`} onClick=${press} aria-disabled=${Boolean(reason)}
    aria-busy=${busy} title=${reason || (hidden ? label : undefined)} aria-label=${reason ? `${called ?? label}: ${reason}` : called}>
    ${busy ? html`<span class="spinner"></span>` : icon && html`<${Icon} name=${icon} />`}
    ${!hidden && html`<span>${label}</span>`}
  </button>`;
}

/** What stands once beside a group of buttons that this person may not press. */
export function Obstacle({ role }) {
  const reason = obstacle(role);
  return reason ? html`<p class="hint obstacle">${reason}</p>` : null;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What stands where there is nothing to show: nothing yet, nothing at all, or an error. */
import { html } from "../lib/html.js";
import { Icon } from "./icon.js";

export function Waiting({ what }) {
  return html`<div class="blank" aria-busy="true"><span class="spinner"></span><p>${what}</p></div>`;
}

export function Empty({ title, children }) {
  return html`<div class="blank"><p class="strong">${title}</p><p>${children}</p></div>`;
}

/** An error in place: cause, remedy, and a way to try again. */
export function Failure({ error, again }) {
  return html`<div class="note error" role="alert">
    <${Icon} name="alert" />
    <div>
      <p class="strong">${error.message}</p>
      ${error.remedy && html`<p>${error.remedy}</p>`}
      ${again && html`<button type="button" class="button small" onClick=${again}><span>Try again</span></button>`}
    </div>
  </div>`;
}

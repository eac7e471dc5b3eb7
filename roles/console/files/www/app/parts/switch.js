// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Plot or table: the same, for who cannot see the one. */
import { html } from "../lib/html.js";

export function Switch({ table, onShow }) {
  return html`<div class="switch" role="group" aria-label="Shown as">
    <button type="button" aria-pressed=${!table} onClick=${() => onShow(false)}>Plot</button>
    <button type="button" aria-pressed=${table} onClick=${() => onShow(true)}>Table</button>
  </div>`;
}

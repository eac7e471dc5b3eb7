// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A load bar: how much of something is in use, and, paler behind it, how much of it is promised to guests. */
import { html } from "../lib/html.js";

const wide = (share) => ({ width: `${Math.min(100, Math.round(share * 100))}%` });

/** `label` says what of ("Memory of node1"), `text` how much in words. `used` and `promised` are shares of the whole; what
 *  is in use may not be known (null). Past `high` it warns. */
export function Bar({ label, used, promised, text, high = 0.85 }) {
  const share = used ?? promised;
  const percent = Math.round(share * 100);
  const tone = Math.max(share, promised) > 1 ? "error" : used > high ? "warning" : "";
  return html`<div class=${`bar ${tone}`} role="meter" aria-label=${label}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.min(100, percent)} aria-valuetext=${`${text}, ${percent} %`}>
    <i class="promised" style=${wide(promised)}></i>${used != null && html`<i style=${wide(used)}></i>`}
  </div>`;
}

/** Progress from 0 to 1, or without an end in sight (null). */
export function Progress({ label, value }) {
  const known = value != null;
  return html`<div class=${`progress ${known ? "" : "open"}`} role="progressbar" aria-label=${label} aria-valuemin="0"
    aria-valuemax="100" aria-valuenow=${known ? Math.round(value * 100) : undefined}>
    <i style=${{ width: known ? `${Math.round(value * 100)}%` : "30%" }}></i>
  </div>`;
}

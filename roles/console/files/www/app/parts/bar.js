// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A load bar: how much of something is taken. */
import { html } from "../lib/html.js";

/** `label` says what of ("Memory of node1"), `text` how much in words. Past `high` of the whole it warns. */
export function Bar({ label, part, whole, text, high = 0.85 }) {
  const share = whole > 0 ? part / whole : 0;
  const percent = Math.round(share * 100);
  return html`<div class=${`bar ${share > 1 ? "error" : share > high ? "warning" : ""}`} role="meter" aria-label=${label}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.min(100, percent)} aria-valuetext=${`${text}, ${percent} %`}>
    <i style=${{ width: `${Math.min(100, percent)}%` }}></i>
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

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A search field, and what it finds: every word has to be in one of the texts. */
import { html } from "../lib/html.js";
import { Icon } from "./icon.js";

export function matches(words, texts) {
  const whole = texts.filter(Boolean).join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => whole.includes(word));
}

export function Search({ label, value, onSearch }) {
  return html`<label class="search"><${Icon} name="search" /><span class="unseen">${label}</span>
    <input type="search" placeholder=${label} value=${value} onInput=${(event) => onSearch(event.target.value)} spellcheck=${false} autocomplete="off" /></label>`;
}

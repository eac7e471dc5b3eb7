// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Text to read and to copy. */
import { html } from "../lib/html.js";
import { notice } from "../lib/state.js";
import { Button } from "./button.js";

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notice("Copied.");
  } catch {
    notice("This browser does not let the page copy.", "warning", "Select the text and copy it yourself.");
  }
}

export function Code({ text }) {
  return html`<div class="code"><pre tabindex="0"><code>${text}</code></pre>
    <${Button} icon="copy" label="Copy" hidden kind="quiet small" onPress=${() => copy(text)} /></div>`;
}

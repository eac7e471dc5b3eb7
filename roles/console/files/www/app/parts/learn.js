// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The same action elsewhere: as a play, as curl, as YAML, to read and to copy. */
import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { notice } from "../lib/state.js";
import { Button } from "./button.js";
import { Tabs } from "./tabs.js";

const FORMS = [
  { id: "play", label: "Play" },
  { id: "curl", label: "curl" },
  { id: "yaml", label: "YAML" },
];

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notice("Copied.");
  } catch {
    notice("This browser does not let the page copy.", "warning", "Select the text and copy it yourself.");
  }
}

export function Learn({ forms }) {
  const known = FORMS.filter(({ id }) => forms[id]);
  const [chosen, choose] = useState(known[0]?.id);
  if (!known.length) return null;
  return html`<details class="learn">
    <summary>The same from elsewhere: ${known.map(({ label }) => label).join(", ")}</summary>
    <${Tabs} label="Form" tabs=${known} chosen=${chosen} onChoose=${choose}>
      <div class="code"><pre tabindex="0"><code>${forms[chosen]}</code></pre>
        <${Button} icon="copy" label="Copy" hidden kind="quiet small" onPress=${() => copy(forms[chosen])} /></div>
    <//>
  </details>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The same action elsewhere: as a play, as curl, as YAML, to read and to copy. */
import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { Code } from "./code.js";
import { Tabs } from "./tabs.js";

const FORMS = [
  { id: "play", label: "Play" },
  { id: "curl", label: "curl" },
  { id: "yaml", label: "YAML" },
];

export function Learn({ forms }) {
  const known = FORMS.filter(({ id }) => forms[id]);
  const [chosen, choose] = useState(known[0]?.id);
  if (!known.length) return null;
  return html`<details class="learn">
    <summary>The same from elsewhere: ${known.map(({ label }) => label).join(", ")}</summary>
    <${Tabs} label="Form" tabs=${known} chosen=${chosen} onChoose=${choose}>
      <${Code} text=${forms[chosen]} />
    <//>
  </details>`;
}

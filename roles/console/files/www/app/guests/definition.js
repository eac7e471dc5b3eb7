// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What a guest is defined as, in the YAML that a play would take. */
import { html } from "../lib/html.js";
import { yaml } from "../lib/yaml.js";
import { Learn } from "../parts/learn.js";

export function Definition({ guest, definition }) {
  const text = yaml({ guests: { [guest.name]: definition ?? {} } });
  const words = guest.declared
    ? "This guest is declared: change its YAML in your repository and run the play guests.yml."
    : "This guest is not declared: plays leave it alone. To adopt it, put this YAML among your guests.";
  return html`<section class="panel" aria-labelledby="definition"><h2 id="definition">Definition</h2><p class="hint">${words}</p>
    <div class="code"><pre tabindex="0"><code>${text}</code></pre></div>
    <${Learn} forms=${{ play: `ansible-playbook cspp.drover.guests --check --diff`, curl: `curl -H "Authorization: Bearer $TOKEN" ${new URL(`api/v1/guests/${guest.name}`, document.baseURI)}` }} /></section>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What a guest is, in the YAML that a play would take, and the way to change it. */
import { html } from "../lib/html.js";
import { yaml } from "../lib/yaml.js";
import { Button } from "../parts/button.js";
import { Code } from "../parts/code.js";
import { Learn } from "../parts/learn.js";
import { ask } from "../plan/dialog.js";
import { Edit } from "./edit.js";

const WORDS = {
  true: "This guest is declared: its YAML is its truth. A change made here is a proposal: judged, foretold, and for you to commit.",
  false: "This guest is not declared: it is edited here, and plays leave it alone. To adopt it, put this YAML among your guests.",
};

export function Definition({ guest, definition, declaration, editable, forge }) {
  const { name, declared } = guest;
  const text = yaml({ guests: { [name]: declaration ?? definition ?? {} } });
  return html`<div class="two"><section class="panel" aria-labelledby="definition"><h2 id="definition">Definition</h2><p class="hint">${WORDS[declared]} What your inventory alone has names for (pools, images to boot from) is paraphrased.</p>
    <${Code} text=${text} />
    <${Learn} forms=${{ play: `ansible-playbook cspp.drover.guests --check --diff`, curl: `curl -H "Authorization: Bearer $TOKEN" ${new URL(`api/v1/guests/${name}`, document.baseURI)}` }} /></section>
    <section class="panel" aria-labelledby="edit"><h2 id="edit">${declared ? "Propose a change" : "Edit"}</h2>
      ${declaration ? html`<${Edit} key=${JSON.stringify(declaration)} guest=${guest} declaration=${declaration} editable=${editable} forge=${forge} />` : html`<p class="hint">Too little is known of this guest: declare it in YAML and run the play guests.yml.</p>`}
      ${declared && html`<p class="hint">Is its YAML gone?</p><${Button} label="Edit it here from now on" kind="quiet small" role="admin" onPress=${() => ask({ action: "release", subject: name })} />`}</section></div>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Changes of a guest. One that no YAML declares is edited; of a declared one a change is proposed, to be committed. */
import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { change } from "../lib/api.js";
import { Button } from "../parts/button.js";
import { Failure } from "../parts/empty.js";
import { ask } from "../plan/dialog.js";
import { Field, More, at, file, of, others, put, sorted } from "./fields.js";
import { Proposed } from "./proposed.js";

/** The changes that a form says, against the declaration as it is. Throws what to show for other keys that are no JSON. */
function changes(form, declaration, kind) {
  const found = {};
  for (const { path, usual = "", read = String } of of(kind)) {
    const text = form.get(path).trim();
    if (text !== String(at(declaration, path) ?? usual)) put(found, path, text === "" ? null : read(text));
  }
  if (kind === "vm" && form.has("screen") !== Boolean(declaration.screen)) found.screen = form.has("screen");
  return { ...found, ...others(form) };
}

export function Edit({ guest, declaration, editable, forge }) {
  const [[faults, error], fail] = useState([{}, null]);
  const [said, tell] = useState(null);
  const [busy, wait] = useState(false);
  const { name, kind, declared } = guest;
  const role = declared ? "operator" : "admin";
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    fail([{}, null]);
    tell(null);
    try {
      const wanted = changes(form, declaration, kind);
      if (!Object.keys(wanted).length) throw { message: "Nothing differs from how it is.", remedy: "Change something first." };
      if (!declared) return ask({ action: "edit", subject: name, changes: wanted });
      wait(true);
      tell({ ...(await change("POST", `/guests/${encodeURIComponent(name)}/proposal`, { changes: wanted, ...file(form) })), changes: wanted });
    } catch (failed) {
      fail(sorted(failed, name, event.target));
    }
    wait(false);
  };
  return html`<form class="edit" onSubmit=${submit} aria-label=${declared ? `Change proposed of ${name}` : `Edit ${name}`}>
    <div class="fields">${of(kind).map(({ path, label, usual = "" }) => html`<${Field} key=${path} path=${path} label=${label} value=${at(declaration, path) ?? usual} faults=${faults} />`)}
      ${kind === "vm" && html`<label class="inline"><input type="checkbox" name="screen" defaultChecked=${Boolean(declaration.screen)} />A screen</label>`}</div>
    <${More} keys=${editable} name=${name} patched=${declared} words="; null takes one out" />
    ${error && html`<${Failure} error=${error} />`}
    <${Button} label=${declared ? "Propose the change" : "Read the plan of the edit"} kind="primary" role=${role} busy=${busy} submit />
    ${said && html`<${Proposed} title="The change, to be committed" place=${`the YAML of ${name}`} name=${name} said=${said} forge=${forge} wish=${{ changes: said.changes }} />`}
  </form>`;
}

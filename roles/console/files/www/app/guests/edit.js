// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Changes of a guest. One that no YAML declares is edited; of a declared one a change is proposed, to be committed. */
import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { change } from "../lib/api.js";
import { Button } from "../parts/button.js";
import { Code } from "../parts/code.js";
import { Failure } from "../parts/empty.js";
import { ask } from "../plan/dialog.js";
import { Plan } from "../plan/plan.js";
import { MergeRequest } from "./merge_request.js";

/** A number; what is none, the server judges. */
const number = (text) => (/^\d+$/.test(text) ? Number(text) : text);

/** What has a field of its own. `path` is its place in the YAML; `read` makes of the text what the YAML says. */
const FIELDS = [
  { path: ["description"], label: "Description" },
  { path: ["vcpus"], label: "CPUs", usual: 1, read: number },
  { path: ["memory"], label: "Memory, such as 2GiB" },
  { path: ["max_memory"], label: "Memory it may grow to", kind: "vm" },
  { path: ["ha", "priority"], label: "Priority, the higher first", usual: 0, read: number },
];

const at = (declaration, [key, inner]) => (inner ? declaration[key]?.[inner] : declaration[key]);

/** The changes that a form says, against the declaration as it is. Raises SyntaxError for other keys that are no JSON. */
function changes(form, declaration, fields) {
  const found = {};
  for (const { path, usual = "", read = String } of fields) {
    const text = form.get(path.join(".")).trim();
    if (text === String(at(declaration, path) ?? usual)) continue;
    const value = text === "" ? null : read(text);
    const [key, inner] = path;
    found[key] = inner ? { ...found[key], [inner]: value } : value;
  }
  if (form.has("screen") !== Boolean(declaration.screen) && fields.some(({ kind }) => kind === "vm")) found.screen = form.has("screen");
  const others = form.get("others").trim();
  return others ? { ...found, ...JSON.parse(others) } : found;
}

function Proposed({ name, said, forge }) {
  return html`<section aria-labelledby="proposed"><h3 id="proposed">The change, to be committed</h3>
    <p class="hint">${said.patch ? "Apply it with git apply, commit it, and run the play guests.yml." : `Put this into the YAML of ${name}, commit it, and run the play guests.yml.`}</p>
    <${Code} text=${said.patch || said.yaml} />${forge && html`<${MergeRequest} name=${name} forge=${forge} changes=${said.changes} yaml=${said.yaml} />`}<${Plan} plan=${said.plan} /></section>`;
}

export function Edit({ guest, declaration, editable, forge }) {
  const [error, fail] = useState(null);
  const [said, tell] = useState(null);
  const [busy, wait] = useState(false);
  const { name, kind, declared } = guest;
  const role = declared ? "operator" : "admin";
  const fields = FIELDS.filter((field) => !field.kind || field.kind === kind);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    fail(null);
    tell(null);
    try {
      const wanted = changes(form, declaration, fields);
      if (!Object.keys(wanted).length) throw { message: "Nothing differs from how it is.", remedy: "Change something first." };
      if (!declared) return ask({ action: "edit", subject: name, changes: wanted });
      wait(true);
      const yaml = form.get("yaml").trim();
      tell({ ...(await change("POST", `/guests/${encodeURIComponent(name)}/proposal`, { changes: wanted, ...(yaml ? { yaml: `${yaml}\n` } : {}) })), changes: wanted });
    } catch (failed) {
      fail(failed instanceof SyntaxError ? { message: "The other keys are no JSON.", remedy: 'Such as {"placement": {"prefer": ["node1"]}}.' } : failed);
    }
    wait(false);
  };
  return html`<form class="edit" onSubmit=${submit} aria-label=${declared ? `Change proposed of ${name}` : `Edit ${name}`}>
    <div class="fields">${fields.map(({ path, label, usual = "" }) => html`<label key=${path.join(".")}>${label}<input name=${path.join(".")} defaultValue=${String(at(declaration, path) ?? usual)} autocomplete="off" spellcheck=${false} /></label>`)}
      ${kind === "vm" && html`<label class="inline"><input type="checkbox" name="screen" defaultChecked=${Boolean(declaration.screen)} />A screen</label>`}</div>
    <details><summary>Other keys</summary><label>As JSON, of ${editable.join(", ")}; null takes one out<textarea name="others" rows="3" spellcheck=${false}></textarea></label></details>
    ${declared && html`<details><summary>Your file, for a patch of it</summary><label>The file that declares ${name}; its comments stay<textarea name="yaml" rows="8" spellcheck=${false}></textarea></label></details>`}
    ${error && html`<${Failure} error=${error} />`}
    <${Button} label=${declared ? "Propose the change" : "Read the plan of the edit"} kind="primary" role=${role} busy=${busy} submit />
    ${said && html`<${Proposed} name=${name} said=${said} forge=${forge} />`}
  </form>`;
}

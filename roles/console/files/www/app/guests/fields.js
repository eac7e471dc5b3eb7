// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The fields of a guest's declaration, in the forms that change one and that make one. A field's name is its place in the YAML: "disks[0].size". */
import { html } from "../lib/html.js";

/** A number; what is none, the server judges. */
export const number = (text) => (/^\d+$/.test(text) ? Number(text) : text);

/** Keys with a field of their own, of guests of both kinds. `usual` is what stands for a key that is not there, `read` makes of the text what the YAML says. */
export const FIELDS = [
  { path: "description", label: "Description" },
  { path: "vcpus", label: "CPUs", usual: 1, read: number },
  { path: "memory", label: "Memory, such as 2GiB" },
  { path: "max_memory", label: "Memory it may grow to", kind: "vm" },
  { path: "ha.priority", label: "Priority, the higher first", usual: 0, read: number },
];

export const of = (kind) => FIELDS.filter((field) => !field.kind || field.kind === kind);

const steps = (path) => path.match(/[^.[\]]+/g);

/** What a declaration says at a place. */
export const at = (declaration, path) => steps(path).reduce((place, step) => place?.[step], declaration);

/** Has a declaration say something at a place. */
export function put(declaration, path, value) {
  const way = steps(path);
  const last = way.pop();
  const place = way.reduce((inside, step, index) => (inside[step] ??= /^\d+$/.test(way[index + 1] ?? last) ? [] : {}), declaration);
  place[last] = value;
}

/** The keys that a form gives as JSON. Throws what to show for what is none. */
export function others(form) {
  try {
    return JSON.parse(form.get("others").trim() || "{}");
  } catch {
    throw { message: "The other keys are no JSON.", remedy: 'Such as {"placement": {"prefer": ["node1"]}}.' };
  }
}

/** The file to make a patch of, as a request has it. */
export function file(form) {
  const text = form.get("yaml")?.trim();
  return text ? { yaml: `${text}\n` } : {};
}

/** What the server has against a declaration: the sentences about each field, and the error that is left for those without one. */
export function sorted(error, name, form) {
  const about = {};
  const left = [];
  for (const { path, message } of error.faults ?? []) {
    const place = path === `guests.${name}` ? "name" : path.startsWith(`guests.${name}.`) ? path.slice(name.length + 8) : path;
    if (form.elements.namedItem(place)) (about[place] ??= []).push(message);
    else left.push(`${place}: ${message}`);
  }
  const count = error.faults?.length;
  return [about, count ? { message: count === 1 ? "One thing is wrong." : `${count} things are wrong.`, remedy: left.join(" ") || "Each is told at its field." } : error];
}

/** A field with its label; what is wrong with it stands below. `options`: it is chosen from these, and kept by whoever hears of it; `area`: it has several lines. */
export function Field({ path, label, value = "", faults, options, area, ...more }) {
  const wrong = faults?.[path];
  const told = { name: path, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": wrong ? `fault-${path}` : undefined, ...more };
  const input = options
    ? html`<select ...${told} value=${more.onChange ? value : undefined}>${options.map(([its, words]) => html`<option key=${its} value=${its}>${words}</option>`)}</select>`
    : area
      ? html`<textarea ...${told} rows=${area} spellcheck=${false}></textarea>`
      : html`<input ...${told} defaultValue=${String(value)} autocomplete="off" spellcheck=${false} />`;
  return html`<div class="field"><label>${label}${input}</label>${wrong && html`<p class="bad hint" id=${`fault-${path}`}>${wrong.join(" ")}</p>`}</div>`;
}

/** What has no field of its own, and the file that a patch is to be of. */
export function More({ keys, name, patched, faults, words = "" }) {
  return html`<details><summary>Other keys</summary><p class="hint">Of ${keys.join(", ")}${words}</p><${Field} path="others" label="As JSON" area="3" faults=${faults} /></details>
    ${patched && html`<details><summary>Your file, for a patch of it</summary><${Field} path="yaml" label=${`The file that declares ${name}; its comments stay`} area="8" /></details>`}`;
}

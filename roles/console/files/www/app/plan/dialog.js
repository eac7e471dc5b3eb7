// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/**
 * A plan to read before anything happens, and the button that carries out exactly that. If the cluster has moved on
 * in between, nothing happens, and the plan as it is now takes the old one's place.
 */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { change, uuid } from "../lib/api.js";
import { follow, guests, nodes, notice } from "../lib/state.js";
import { title } from "../lib/words.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Failure, Waiting } from "../parts/empty.js";
import { Plan } from "./plan.js";

/** What is asked for: {action, subject, target?, changes?}, or several of one action: {action, subjects}. */
const wanted = signal(null);

/** Opens the dialog: what would happen if this were done? */
export function ask(what) {
  wanted.value = what;
}

const bare = (body, key) => body[key] ?? body;

/** Where a guest may be moved: nothing chosen leaves it to the planner. */
function Target({ subject, target, onChoose }) {
  const now = guests.value.find((one) => one.name === subject)?.node;
  const others = nodes.value.filter((node) => node.name !== now);
  return html`<label class="inline">To<select value=${target ?? ""} onChange=${(event) => onChoose(event.target.value || null)}>
    <option value="">the best node</option>
    ${others.map(({ name, state }) => html`<option key=${name} value=${name} disabled=${state !== "online"}>${name}${state === "online" ? "" : ` (${state})`}</option>`)}
  </select></label>`;
}

/** Reads a plan; `stale` is the one it came in place of. */
function usePlan(what, target) {
  const [seen, set] = useState({ plan: null, error: null, stale: null });
  const read = () => {
    let gone = false;
    set({ plan: null, error: null, stale: null });
    change("POST", "/plans", { action: what.action, subject: what.subject, ...(target ? { target } : {}), ...(what.changes ? { changes: what.changes } : {}) }).then(
      (body) => gone || set({ plan: bare(body, "plan"), error: null, stale: null }),
      (error) => gone || set({ plan: null, error, stale: null }),
    );
    return () => (gone = true);
  };
  useEffect(read, [what, target]);
  return [seen, set, read];
}

async function carryOut(plan, key) {
  const operation = bare(await change("POST", `/plans/${encodeURIComponent(plan.id)}/carry-out`, {}, key), "operation");
  follow(operation);
  notice(`${title(plan)}: begun.`);
}

function Asked({ what, onDone }) {
  const [target, aim] = useState(what.target ?? null);
  const [{ plan, error, stale }, set, read] = usePlan(what, target);
  const [busy, wait] = useState(false);
  const [key, renew] = useState(uuid);
  const confirm = async () => {
    wait(true);
    try {
      await carryOut(plan, key);
      onDone();
    } catch (failed) {
      if (failed.plan) {
        set({ plan: failed.plan, error: null, stale: plan });
        renew(uuid());
      } else set({ plan, error: failed, stale: null });
      wait(false);
    }
  };
  const against = plan ? plan.refused : "The plan has to be there first.";
  const actions = html`
    <${Button} label="Cancel" onPress=${onDone} />
    <${Button} label=${title(what)} kind=${plan?.stops.length ? "danger" : "primary"} role=${plan?.role ?? "operator"} busy=${busy} onPress=${confirm}
      why=${against ?? ""} />`;
  return html`<${Dialog} title=${`${title(what)}?`} onClose=${onDone} actions=${actions}>
    ${what.action === "migrate" && html`<${Target} subject=${what.subject} target=${target} onChoose=${aim} />`}
    ${error && html`<${Failure} error=${error} again=${plan ? null : read} />`}
    ${stale && html`<div class="note warning" role="alert"><div><p class="strong">The cluster has moved on since you asked: nothing was done.</p>
      <p>This is the plan as it is now; what differs is marked.</p></div></div>`}
    ${plan ? html`<${Plan} plan=${plan} before=${stale} />` : !error && html`<${Waiting} what="Planning …" />`}
  <//>`;
}

/** One action for many guests: a plan each, carried out one after another; what fails does not stop the rest. */
function Many({ what, onDone }) {
  const [busy, wait] = useState(false);
  const label = `${title({ action: what.action, subject: "" })}${what.subjects.length} guests`;
  const confirm = async () => {
    wait(true);
    for (const subject of what.subjects) {
      try {
        await carryOut(bare(await change("POST", "/plans", { action: what.action, subject }), "plan"), uuid());
      } catch (error) {
        notice(`${subject}: ${error.message}`, "error", error.remedy);
      }
    }
    onDone();
  };
  const actions = html`<${Button} label="Cancel" onPress=${onDone} />
    <${Button} label=${label} kind=${what.action === "stop" ? "danger" : "primary"} role="operator" busy=${busy} onPress=${confirm} />`;
  return html`<${Dialog} title=${`${label}?`} onClose=${onDone} actions=${actions}>
    <p>Each gets a plan of its own, judged by the cluster, one after another:</p>
    <ul class="names">${what.subjects.map((name) => html`<li key=${name}>${name}</li>`)}</ul>
  <//>`;
}

export function PlanDialog() {
  const what = wanted.value;
  if (!what) return null;
  const done = () => (wanted.value = null);
  return what.subjects
    ? html`<${Many} key=${what.subjects.join()} what=${what} onDone=${done} />`
    : html`<${Asked} key=${`${what.action} ${what.subject}`} what=${what} onDone=${done} />`;
}

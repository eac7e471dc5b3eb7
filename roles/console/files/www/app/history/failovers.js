// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Failovers, each replayed on a line of time: lost, noticed, fenced, started, first answer. */
import { useEffect, useState } from "preact/hooks";
import { get } from "../lib/api.js";
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";
import { duration, moment } from "../lib/words.js";

const WORDS = { lost: "lost its power", noticed: "the cluster noticed", fenced: "known to be off", started: "started", answered: "answered again" };

function Step({ step, whole }) {
  const { what, guest, seconds } = step;
  return html`<li class="done" title=${moment(step.at)}><span class="when">${seconds ? `+ ${duration(seconds)}` : "0"}</span>
    <progress max=${whole || 1} value=${seconds} aria-hidden="true"></progress>
    <span>${guest && html`<a href=${to("guests", guest)}>${guest}</a> `}${WORDS[what] ?? what}</span></li>`;
}

function Failover({ failover }) {
  const { node, drill, text, steps } = failover;
  const whole = steps.at(-1)?.seconds ?? 0;
  return html`<li class="task" id=${`failover-${failover.id}`}><div class="row"><b><a href=${to("nodes", node)}>${node}</a></b>
    <span class="hint">${steps.length ? moment(steps[0].at) : ""}${drill ? `, drill ${drill}` : ""}, over after ${duration(whole)}</span></div>
    <p>${text}</p><ol class="steps">${steps.map((step) => html`<${Step} key=${`${step.what}${step.guest}`} step=${step} whole=${whole} />`)}</ol></li>`;
}

/** Nothing while there are none, or nobody can tell: the journal below says what there is. */
export function Failovers() {
  const [found, keep] = useState([]);
  useEffect(() => {
    const end = new AbortController();
    get("/failovers", end.signal).then((answer) => keep(answer.failovers)).catch(() => {});
    return () => end.abort();
  }, []);
  if (!found.length) return null;
  return html`<section class="panel" aria-labelledby="failovers"><h2 id="failovers">Failovers</h2>
    <ul class="tasks">${found.map((one) => html`<${Failover} key=${one.id} failover=${one} />`)}</ul></section>`;
}

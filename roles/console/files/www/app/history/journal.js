// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The journal: what happened to whom, and how it went. */
import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { to } from "../lib/route.js";
import { duration, moment } from "../lib/words.js";
import { Button } from "../parts/button.js";
import { Search, matches } from "../parts/search.js";
import { State } from "../parts/state.js";

const PAGE = 50;
const POWER = { proof: "Fencing proven", confirmation: "Confirmed to be off" };

/** One entry in words: what it was about, what happened, details. */
function told(entry) {
  if (entry.guest && (entry.from || entry.to)) {
    const pause = entry.downtime_ms == null ? "" : `pause ${duration(entry.downtime_ms / 1000)}`;
    const whole = entry.seconds == null ? "" : `in ${duration(entry.seconds)}`;
    return { about: entry.guest, room: "guests", what: `${entry.from} → ${entry.to}`, more: entry.reason || [pause, whole].filter(Boolean).join(", ") };
  }
  const what = POWER[entry.kind] ?? entry.verb ?? entry.kind ?? "";
  const who = entry.by ? `by ${entry.by}${entry.address ? ` from ${entry.address}` : ""}` : "";
  const about = entry.guest ?? entry.node ?? entry.subject ?? "";
  return { about, room: entry.guest ? "guests" : entry.node ? "nodes" : null, what, more: [who, entry.reason ?? entry.message].filter(Boolean).join(": "), link: entry.link };
}

function Row({ entry }) {
  const { about, room, what, more, link } = told(entry);
  return html`<tr><td class="when">${moment(entry.ended ?? entry.started)}</td><th scope="row">${room ? html`<a href=${to(room, about)}>${about}</a>` : about}</th>
    <td>${what}</td><td><${State} state=${entry.result ?? "ok"} /></td><td class="wide">${more}${link && html` <a href=${link} target="_blank" rel="noopener noreferrer">${link}</a>`}</td></tr>`;
}

export function Journal({ entries }) {
  const [words, search] = useState("");
  const [most, show] = useState(PAGE);
  const found = entries.filter((entry) => matches(words, [entry.guest, entry.node, entry.subject, entry.from, entry.to, entry.result, entry.by, entry.kind]));
  return html`
    <${Search} label="Search the journal" value=${words} onSearch=${search} />
    <div class="scroll" tabindex="0" role="region" aria-label="Journal"><table class="journal">
      <thead><tr><th>When</th><th>What</th><th>Happened</th><th>Result</th><th class="wide">Details</th></tr></thead>
      <tbody>${found.slice(0, most).map((entry) => html`<${Row} key=${entry.id} entry=${entry} />`)}</tbody>
    </table></div>
    ${!found.length && html`<p class="hint">Nothing in the journal matches “${words}”.</p>`}
    ${found.length > most && html`<${Button} label=${`Show more (${found.length - most})`} onPress=${() => show(most + PAGE)} />`}`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** One guest: how it is, what can be done, why it is where it is, its moves, its definition, its console. */
import { html } from "../lib/html.js";
import { get } from "../lib/api.js";
import { go, to } from "../lib/route.js";
import { guests, look } from "../lib/state.js";
import { bytes } from "../lib/words.js";
import { Progress } from "../parts/bar.js";
import { Obstacle } from "../parts/button.js";
import { Empty, Failure, Waiting } from "../parts/empty.js";
import { LastHour } from "../parts/hour.js";
import { Icon } from "../parts/icon.js";
import { useLoaded } from "../parts/loaded.js";
import { State } from "../parts/state.js";
import { Tabs } from "../parts/tabs.js";
import { Actions } from "./actions.js";
import { Console } from "./console.js";
import { Definition } from "./definition.js";
import { Moves } from "./moves.js";
import { Where } from "./where.js";

const TABS = [
  { id: "overview", label: "Overview" },
  { id: "load", label: "Load" },
  { id: "moves", label: "Moves" },
  { id: "definition", label: "Definition" },
  { id: "console", label: "Console" },
];

function Facts({ guest }) {
  const facts = [
    ["Node", guest.node ? html`<a href=${to("nodes", guest.node)}>${guest.node}</a>` : "nowhere"],
    ["Wanted", guest.wanted],
    ["Memory", bytes(guest.memory)],
    ["CPUs", guest.vcpus],
    ["Addresses", guest.addresses.join(", ") || "none known"],
    ["Storage", guest.storage ?? "–"],
    ["High availability", guest.ha ? `yes, priority ${guest.priority}` : "no: it stays down when its node dies"],
    ["Declared", guest.declared ? "yes: its YAML is its truth" : "no: this cluster alone knows it"],
  ];
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    ${guest.tags.length > 0 && html`<div class="whole"><dt>Tags</dt><dd class="chips">${guest.tags.map((tag) => html`<span key=${tag} class="chip">${tag}</span>`)}</dd></div>`}</dl>`;
}

/** A tab's content: the console needs nothing but the name, the others what the guest's own request tells. */
function Part({ part, guest }) {
  const { name, node, state } = guest;
  const [body, error, again] = useLoaded((stop) => get(`/guests/${encodeURIComponent(name)}`, stop), `${name} ${JSON.stringify([node, state, guest.memory, guest.vcpus, guest.priority, guest.declared])}`);
  const more = body && (body.guest ?? body);
  if (part === "load") return html`<${LastHour} kind="guests" name=${name} state=${`${node} ${state}`} has=${{ cpus: guest.vcpus, memory_total: guest.memory }} />`;
  if (part === "console") return html`<${Console} guest=${guest} />`;
  if (error && !more) return html`<${Failure} error=${error} again=${again} />`;
  if (part === "overview") return html`<div class="two"><section class="panel" aria-labelledby="facts"><h2 id="facts">Facts</h2><${Facts} guest=${guest} /></section>
    <section class="panel" aria-labelledby="where"><h2 id="where">Why here, why not there</h2>${more ? html`<${Where} guest=${guest} where=${more.where} />` : html`<${Waiting} what="Asking the scheduler …" />`}</section></div>`;
  if (!more) return html`<${Waiting} what="Reading …" />`;
  if (part === "moves") return html`<${Moves} entries=${more.moves} />`;
  return html`<${Definition} guest=${guest} definition=${more.definition} declaration=${more.declaration} editable=${more.editable ?? []} forge=${more.forge} />`;
}

export function Guest({ name, part = "overview" }) {
  const guest = guests.value.find((one) => one.name === name);
  if (!guest) return html`<h1 tabindex="-1">${name}</h1><${Empty} title="There is no such guest."><a href=${to("guests")}>All guests</a> are in their table.<//>`;
  const move = look.value.moves.find((one) => one.guest === name);
  return html`
    <a class="up" href=${to("guests")}><${Icon} name="back" />Guests</a>
    <div class="heading subject"><span class=${`badge ${guest.kind}`}><${Icon} name=${guest.kind} /></span>
      <div><h1 tabindex="-1">${name}</h1><p class="row"><${State} state=${guest.state} /><span class="hint">${guest.kind === "vm" ? "virtual machine" : "container"}${guest.node ? ` on ${guest.node}` : ""}</span></p></div>
      <${Actions} guest=${guest} /></div>
    <${Obstacle} role="operator" />
    ${guest.problem && html`<div class="note error"><${Icon} name="alert" /><div><p class="strong">${guest.problem}</p></div></div>`}
    ${move && html`<div class="note busy"><${Icon} name="move" /><div><p>On its way from ${move.from} to ${move.to}</p><${Progress} label=${`Move of ${name}`} value=${move.progress} /></div></div>`}
    <${Tabs} label=${`About ${name}`} tabs=${TABS} chosen=${part} onChoose=${(id) => go("guests", name, id)}><${Part} part=${part} guest=${guest} /><//>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The frame: navigation, what is wrong with the cluster or the connection, the page itself, notices, the plan's dialog. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { route } from "../lib/route.js";
import { look, session } from "../lib/state.js";
import { Waiting } from "../parts/empty.js";
import { LogIn } from "../login/page.js";
import { Overview } from "../overview/page.js";
import { Guests } from "../guests/page.js";
import { Guest } from "../guests/guest.js";
import { NewGuest } from "../guests/new.js";
import { Node } from "../nodes/node.js";
import { Nodes } from "../nodes/page.js";
import { History } from "../history/page.js";
import { PlanDialog } from "../plan/dialog.js";
import { Banners } from "./banners.js";
import { Navigation } from "./navigation.js";
import { Notices } from "./notices.js";

const TITLES = { guests: "Guests", "new-guest": "New guest", nodes: "Nodes", history: "Tasks and history" };

function page([room, name, part]) {
  if (room === "guests" && name) return html`<${Guest} key=${name} name=${name} part=${part} />`;
  if (room === "guests") return html`<${Guests} />`;
  if (room === "new-guest") return html`<${NewGuest} />`;
  if (room === "nodes" && name) return html`<${Node} key=${name} name=${name} />`;
  if (room === "nodes") return html`<${Nodes} />`;
  if (room === "history") return html`<${History} />`;
  return html`<${Overview} />`;
}

/** Moves the focus to a new page's heading, as a browser does for a new document. */
function useArrival(where, main) {
  const first = useRef(true);
  useEffect(() => {
    const [room, name] = where;
    document.title = `${name ?? TITLES[room] ?? "Overview"} · Drover`;
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.querySelector("h1")?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [where.slice(0, 2).join("/")]);
}

function Inside() {
  const main = useRef(null);
  const where = route.value;
  useArrival(where, main);
  const skip = (event) => {
    event.preventDefault();
    main.current.focus();
  };
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${skip}>Skip to the page</a>
    <${Navigation} room=${where[0] === "new-guest" ? "guests" : where[0] ?? ""} />
    <main id="main" tabindex="-1" ref=${main}>
      <${Banners} />
      ${look.value ? page(where) : html`<${Waiting} what="Reading the cluster …" />`}
    </main>
    <${PlanDialog} />
  </div>`;
}

export function Frame({ asked }) {
  const [error, fail] = useState(null);
  useEffect(() => void asked.catch(fail), []);
  const who = session.value;
  // Why nobody could log in is of no interest once somebody has.
  useEffect(() => void (who && fail(null)), [Boolean(who)]);
  return html`
    ${who === undefined && html`<${Waiting} what="Asking who you are …" />`}
    ${who === null && html`<${LogIn} error=${error} />`}
    ${who && html`<${Inside} />`}
    <${Notices} />`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The way around: beside the page, or at the lower edge of a phone. */
import { html } from "../lib/html.js";
import { logOut, look, connection, notice, running, session } from "../lib/state.js";
import { theme, turn } from "../lib/theme.js";
import { to } from "../lib/route.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";

const ROOMS = [
  { room: "", label: "Overview", icon: "overview" },
  { room: "guests", label: "Guests", icon: "guests" },
  { room: "nodes", label: "Nodes", icon: "nodes" },
  { room: "history", label: "History", icon: "history" },
];

function Mark({ room }) {
  const problems = look.value?.problems.length ?? 0;
  if (room === "" && problems) return html`<b class="mark warning">${problems}<span class="unseen"> problems</span></b>`;
  if (room === "history" && running.value.length) return html`<b class="mark busy">${running.value.length}<span class="unseen"> running</span></b>`;
  return null;
}

const leave = () => logOut().catch((error) => notice(error.message, "error", error.remedy));

export function Navigation({ room }) {
  const { state } = connection.value;
  return html`<header class="side">
    <a class="brand" href=${to()}><img src="./icon.svg" alt="" width="28" height="28" /><span><b>Drover</b><small>${look.value?.cluster.name ?? " "}</small></span></a>
    <nav aria-label="Pages">
      ${ROOMS.map((one) => html`<a key=${one.room} href=${one.room ? to(one.room) : to()} aria-current=${one.room === room ? "page" : undefined}>
        <${Icon} name=${one.icon} /><span>${one.label}</span><${Mark} room=${one.room} /></a>`)}
    </nav>
    <div class="me">
      <p class=${`link ${state}`}><i></i>${state === "live" ? "Live" : state === "lost" ? "Connection lost" : "Connecting …"}</p>
      <p class="who"><b>${session.value.user}</b><small>${session.value.role}</small></p>
      <${Button} icon=${theme.value} label=${`Colours: ${theme.value}`} hidden kind="quiet" onPress=${turn} />
      <${Button} icon="leave" label="Log out" hidden kind="quiet" onPress=${leave} />
    </div>
  </header>`;
}

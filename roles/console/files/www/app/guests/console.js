// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A guest's console, which follows it: a connection that ends is made again, wherever the guest is then. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { get } from "../lib/api.js";
import { lacking } from "../lib/state.js";
import { Button } from "../parts/button.js";
import { Empty } from "../parts/empty.js";
import { Tabs } from "../parts/tabs.js";

/** Close codes after which nothing is tried again unasked, with what to say where the server does not. */
const FINAL = {
  4403: "Your role has no consoles.",
  4404: "This guest is gone.",
  4409: "This guest has no such console.",
  4410: "The shell has ended.",
  4422: "This guest has no such console.",
};
const LOGGED_OUT = 4401;
const PAUSES = [100, 250, 500, 1000, 2000, 4000];
const KINDS = [
  { id: "vnc", label: "Screen" },
  { id: "serial", label: "Serial port" },
];

export function endpoint(name, kind) {
  const url = new URL(`api/v1/guests/${encodeURIComponent(name)}/${kind}`, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

/**
 * Keeps a console connected. `open(place, url, told)` returns what ends it; `told("live")` or
 * `told("ended", code, reason)`. `tell` gets {state, reason}.
 */
function useScreen(place, name, kind, round, tell) {
  useEffect(() => {
    let gone = false;
    let tries = 0;
    let timer = null;
    let end = () => {};
    const again = (reason) => {
      tell({ state: "again", reason });
      timer = setTimeout(connect, PAUSES[Math.min(tries++, PAUSES.length - 1)]);
    };
    const told = (state, code, reason) => {
      if (gone) return;
      if (state === "live") {
        tries = 0;
        tell({ state });
      } else if (FINAL[code]) tell({ state: "over", reason: reason || FINAL[code] });
      // A session that was renewed since is taken; without one, the page asks for a log-in by itself.
      else if (code === LOGGED_OUT) get("/session").then(() => gone || again(reason), () => gone || tell({ state: "over", reason: "Your session has ended: log in again." }));
      else again(reason);
    };
    const connect = async () => {
      try {
        const { open } = await (kind === "vnc" ? import("./vnc.js") : import("./terminal.js"));
        if (gone) return;
        end();
        end = await open(place.current, endpoint(name, kind), told);
        if (gone) end();
      } catch {
        told("ended");
      }
    };
    connect();
    return () => {
      gone = true;
      clearTimeout(timer);
      end();
    };
  }, [name, kind, round]);
}

const WORDS = {
  begin: "Connecting …",
  live: "Connected.",
  again: "Connecting again …",
};

function Screen({ name, kind }) {
  const place = useRef(null);
  const [{ state, reason }, tell] = useState({ state: "begin" });
  const [round, renew] = useState(0);
  useScreen(place, name, kind, round, tell);
  const words = state === "live" && kind === "vnc" ? "Connected. The keyboard is the guest's while the screen has the focus." : WORDS[state] ?? "";
  return html`<div class="console"><div class="row"><p class=${`link ${state === "live" ? "live" : "lost"}`} role="status"><i></i>${[words, reason].filter(Boolean).join(" ")}</p>
    ${state === "over" && html`<${Button} label="Connect again" kind="small" onPress=${() => renew(round + 1)} />`}</div>
    <div class=${`screen ${kind}`} ref=${place}></div></div>`;
}

function OfVm({ guest }) {
  const [kind, choose] = useState(guest.screen ? "vnc" : "serial");
  return html`<${Tabs} label=${`Consoles of ${guest.name}`} tabs=${KINDS} chosen=${kind} onChoose=${choose}><${Screen} key=${kind} name=${guest.name} kind=${kind} /><//>`;
}

export function Console({ guest }) {
  const reason = lacking("operator");
  if (reason) return html`<${Empty} title="No console for you here.">${reason}<//>`;
  // One that is on its way is nowhere for a moment.
  if (!guest.node && guest.wanted === "stopped") return html`<${Empty} title=${`${guest.name} does not run.`}>Its console is here as soon as it does.<//>`;
  return guest.kind === "vm" ? html`<${OfVm} guest=${guest} />` : html`<${Screen} name=${guest.name} kind="terminal" />`;
}

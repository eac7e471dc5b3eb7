// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A guest's console, which follows it: a connection that ends is made again, wherever the guest is then. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { obstacle } from "../lib/state.js";
import { Empty } from "../parts/empty.js";

/** Close codes after which there is nothing to try again, with what to say. */
const FINAL = {
  4401: "Your session has ended: log in again.",
  4403: "Your role has no consoles.",
  4404: "This guest is gone.",
};
const PAUSES = [100, 250, 500, 1000, 2000, 4000];

export function endpoint(name, kind) {
  const url = new URL(`api/v1/guests/${encodeURIComponent(name)}/${kind}`, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

/** Keeps a screen connected. `open(place, url, told)` returns what ends it; `told("live")` or `told("ended", code)`. */
function useScreen(place, name, kind, tell) {
  useEffect(() => {
    let gone = false;
    let tries = 0;
    let timer = null;
    let end = () => {};
    const told = (state, code) => {
      if (gone) return;
      if (state === "live") {
        tries = 0;
        return tell("live");
      }
      if (FINAL[code]) return tell(FINAL[code]);
      tell("again");
      timer = setTimeout(connect, PAUSES[Math.min(tries++, PAUSES.length - 1)]);
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
  }, [name, kind]);
}

function Screen({ name, kind }) {
  const place = useRef(null);
  const [state, tell] = useState("begin");
  useScreen(place, name, kind, tell);
  const words = { begin: "Connecting …", live: kind === "vnc" ? "Connected. The keyboard is the guest's while the screen has the focus." : "Connected.", again: "Connecting again …" };
  return html`<div class="console"><p class=${`link ${state === "live" ? "live" : "lost"}`} role="status"><i></i>${words[state] ?? state}</p>
    <div class=${`screen ${kind}`} ref=${place}></div></div>`;
}

export function Console({ guest }) {
  const reason = obstacle("admin");
  if (reason) return html`<${Empty} title="No console for you here.">${reason}<//>`;
  if (!guest.node) return html`<${Empty} title=${`${guest.name} does not run.`}>Its console is here as soon as it does.<//>`;
  return html`<${Screen} name=${guest.name} kind=${guest.kind === "vm" ? "vnc" : "terminal"} />`;
}

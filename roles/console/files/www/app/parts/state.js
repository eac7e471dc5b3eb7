// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** States of guests, nodes and operations: a word, with a shape and a colour that say the same. */
import { html } from "../lib/html.js";

const TONES = {
  running: "ok", online: "ok", done: "ok", moved: "ok", fenced: "ok", ok: "ok",
  starting: "busy", moving: "busy", pending: "busy",
  stopped: "idle", standby: "idle", maintenance: "idle", waiting: "warning",
  failed: "error", offline: "error", unclean: "error",
};

export function tone(state) {
  return TONES[state] ?? "idle";
}

export function State({ state, as = state }) {
  return html`<span class=${`state ${as === "operation" && state === "running" ? "busy" : tone(state)}`}><i></i>${state}</span>`;
}

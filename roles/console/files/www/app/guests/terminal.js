// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A container's terminal, or a VM's serial port. What it has shown stays while the connection is made again. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { styled } from "../parts/styled.js";
import { strict, strictly } from "./strict.js";

const FONT = 'ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace';
/** The terminal of each place, which lives as long as its place. */
const terminals = new WeakMap();

async function terminal(place) {
  if (terminals.has(place)) return terminals.get(place);
  await styled("vendor/xterm-xterm-6.0.0/css/xterm.css");
  const made = new Terminal({ fontFamily: FONT, fontSize: 14, screenReaderMode: true, cursorBlink: false, theme: { background: "#0c0f0d" }, scrollback: 5000, documentOverride: strict(document) });
  const fit = new FitAddon();
  made.loadAddon(fit);
  strictly(document, () => made.open(place));
  fit.fit();
  made.focus();
  new ResizeObserver(() => place.isConnected && fit.fit()).observe(place);
  terminals.set(place, made);
  return made;
}

/** Connects it; returns what ends the connection. */
export async function open(place, url, told) {
  const shown = await terminal(place);
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const bytes = new TextEncoder();
  const size = () => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ resize: [shown.cols, shown.rows] }));
  const listeners = [
    shown.onData((text) => socket.readyState === WebSocket.OPEN && socket.send(bytes.encode(text))),
    shown.onResize(size),
  ];
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") return shown.write(new Uint8Array(data));
    const said = JSON.parse(data);
    // What was shown before comes again, so that a page that was loaded anew has it too.
    if (said.replay) shown.reset();
    if (said.open) {
      size();
      told("live");
    }
  };
  socket.onclose = ({ code, reason }) => {
    listeners.forEach((one) => one.dispose());
    told("ended", code, reason);
  };
  return () => {
    if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket.close();
  };
}

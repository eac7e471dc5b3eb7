// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A VM's screen by VNC. */
import RFB from "@novnc/novnc";

function show(place, socket, told) {
  let over = null;
  // It comes before the library hears of it, and says why.
  socket.addEventListener("close", (event) => (over = event));
  const screen = new RFB(place, socket, { shared: true });
  screen.scaleViewport = true;
  screen.background = "transparent";
  screen.addEventListener("connect", () => told("live"));
  screen.addEventListener("disconnect", () => told("ended", over?.code, over?.reason));
  return () => over === null && screen.disconnect();
}

/** Shows it in `place`; returns what ends it. */
export async function open(place, url, told) {
  place.replaceChildren();
  const socket = new WebSocket(url);
  let gone = false;
  let end = () => {};
  socket.onclose = ({ code, reason }) => told("ended", code, reason);
  socket.onopen = () => {
    if (gone) socket.close();
    else end = show(place, socket, told);
  };
  return () => {
    gone = true;
    end();
  };
}

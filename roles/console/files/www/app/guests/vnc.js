// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A VM's screen by VNC. */
import RFB from "@novnc/novnc";

/** Shows it in `place`; returns what ends it. */
export async function open(place, url, told) {
  place.replaceChildren();
  const socket = new WebSocket(url);
  let gone = false;
  let over = null;
  let screen = null;
  // It comes before the library hears of it, and says why.
  socket.addEventListener("close", (event) => {
    over = event;
    if (!screen) told("ended", event.code, event.reason);
  });
  socket.addEventListener("open", () => {
    if (gone) return socket.close();
    screen = new RFB(place, socket, { shared: true });
    screen.scaleViewport = true;
    screen.background = "transparent";
    screen.addEventListener("connect", () => told("live"));
    screen.addEventListener("disconnect", () => told("ended", over?.code, over?.reason));
  });
  return () => {
    gone = true;
    if (screen && !over) screen.disconnect();
  };
}

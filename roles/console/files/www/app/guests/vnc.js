// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A VM's screen by VNC. */
import RFB from "@novnc/novnc";

/** Shows it in `place`; returns what ends it. */
export async function open(place, url, told) {
  place.replaceChildren();
  const screen = new RFB(place, url, { shared: true });
  screen.scaleViewport = true;
  screen.background = "transparent";
  let code = null;
  let over = false;
  screen.addEventListener("connect", () => told("live"));
  screen.addEventListener("securityfailure", () => (code = 4403));
  screen.addEventListener("disconnect", () => {
    over = true;
    told("ended", code);
  });
  return () => over || screen.disconnect();
}

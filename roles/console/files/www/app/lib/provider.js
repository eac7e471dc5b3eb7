// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/**
 * Log-in by a provider (OpenID Connect): the browser goes there and comes back to the path /oidc of this page, with a code
 * in its address. The page ends the log-in by a request of its own, so that cookies go along which no other page can send.
 */
import { ApiError, change, get } from "./api.js";

const RETURN = "/oidc";
/** Where one wanted to go, while one is away. */
const PLACE = "drover-place";

/** The provider's name for the button, or null. */
export async function provider() {
  return (await get("/session/ways")).oidc?.name ?? null;
}

/** Goes to the provider, and does not come back unless that fails. */
export async function leave() {
  const { location: there } = await change("POST", "/session/oidc", { url: location.origin });
  sessionStorage.setItem(PLACE, location.hash);
  location.assign(there);
}

/** Whether the browser has just come back from the provider. */
export const isBack = () => location.pathname === RETURN && location.search !== "";

/** What the provider has given, as a session; and the address bar forgets it. */
export async function arrive() {
  const given = new URLSearchParams(location.search);
  const place = sessionStorage.getItem(PLACE) ?? "";
  sessionStorage.removeItem(PLACE);
  history.replaceState(null, "", `/${place}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
  // In the page's own words: an address is made by anybody, and its sentences are not to be believed.
  const word = given.get("error");
  if (word !== null || !given.get("code") || !given.get("state")) {
    const known = /^[a-z_]{1,40}$/.test(word ?? "") ? `: ${word}` : "";
    throw new ApiError(0, {
      code: "provider",
      message: `The provider did not log you in${known}.`,
      remedy: "Try again, or log in with a password.",
    });
  }
  const iss = given.get("iss");
  const said = { code: given.get("code"), state: given.get("state"), ...(iss === null ? {} : { iss }) };
  return change("POST", "/session/oidc/end", said);
}

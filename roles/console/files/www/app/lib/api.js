// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Requests to the console's API. Every failure is an ApiError with a cause and a remedy to show. */

/** What the server, or the way there, had against a request. `plan` is the new plan where an old one is out of date, `faults` what is wrong where in a declaration. */
export class ApiError extends Error {
  constructor(status, { message, remedy = "", code = "" }, plan = null, faults = null) {
    super(message);
    Object.assign(this, { status, remedy, code, plan, faults });
  }
}

const PREFIX = "api/v1";
const UNREACHABLE = {
  code: "unreachable",
  message: "The console does not answer.",
  remedy: "If its node has died, its address moves to another within seconds: try again.",
};
let onLoggedOut = () => {};

/** Calls `what` whenever the server says that nobody is logged in any more. */
export function whenLoggedOut(what) {
  onLoggedOut = what;
}

export function address(path) {
  return new URL(`${PREFIX}${path}`, document.baseURI);
}

/** The error that a response carries, or one that says what little is known. */
export async function failure(response) {
  const body = await response.json().catch(() => null);
  const told = body?.error ?? {
    message: `The console answered ${response.status} ${response.statusText}.`.replace(" .", "."),
    remedy: "The journal of drover-console on that node says more.",
  };
  if (response.status === 401) onLoggedOut();
  return new ApiError(response.status, told, body?.plan ?? told.plan ?? null, body?.faults ?? null);
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(address(path), { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, UNREACHABLE);
  }
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : response.json();
}

export function get(path, signal) {
  return send(path, { signal, headers: { Accept: "application/json" } });
}

/** A request that changes something; `key` makes its repetition harmless. */
export function change(method, path, body = {}, key = uuid()) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "Idempotency-Key": key };
  return send(path, { method, headers, body: JSON.stringify(body) });
}

export function uuid() {
  return crypto.randomUUID();
}

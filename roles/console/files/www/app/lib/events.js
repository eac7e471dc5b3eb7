// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The stream of events: reconnects for ever, and asks for what it has missed by the id it has seen last. */
import { address, failure } from "./api.js";

/** Milliseconds without a sign of life after which a stream counts as dead, and between attempts. */
const SILENCE = 45_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8_000;

/** Splits a stream of text into events: `feed(text)` calls `emit({type, data, id})` for each that is complete. */
export function parser(emit) {
  let rest = "";
  let event = { type: "message", data: [], id: null };
  const line = (text) => {
    if (text === "") {
      if (event.data.length) emit({ ...event, data: event.data.join("\n") });
      event = { type: "message", data: [], id: event.id };
      return;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(text);
    if (field === "data") event.data.push(value);
    else if (field === "event") event.type = value;
    else if (field === "id") event.id = value;
  };
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

/** Reads one connection until it ends; `alive` is called at each piece that comes. */
async function readOnce(last, stop, emit, alive) {
  const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
  const response = await fetch(address("/events"), { headers, signal: stop, cache: "no-store" });
  if (!response.ok) throw await failure(response);
  alive();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const feed = parser(emit);
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    alive();
    feed(value);
  }
}

/**
 * Listens until `close()`. `on(type, data)` gets each event, `state(name, error)` "live" or "lost".
 * Who is logged out is not tried again: the page asks for the log-in.
 */
export function listen(on, state) {
  let last = null;
  let pause = FIRST_PAUSE;
  let closed = false;
  let current = null;
  const emit = ({ type, data, id }) => {
    if (id) last = id;
    on(type, JSON.parse(data));
  };
  const attempt = async () => {
    current = new AbortController();
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => current.abort(), SILENCE);
      pause = FIRST_PAUSE;
      state("live", null);
    };
    try {
      watchdog = setTimeout(() => current.abort(), LONGEST_PAUSE);
      await readOnce(last, current.signal, emit, alive);
      state("lost", null);
    } catch (error) {
      if (closed || error.status === 401) return;
      state("lost", error);
    } finally {
      clearTimeout(watchdog);
    }
    if (closed) return;
    setTimeout(attempt, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
  attempt();
  return () => {
    closed = true;
    current?.abort();
  };
}

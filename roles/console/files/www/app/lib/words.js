// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Numbers and times as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value) {
  if (value == null) return "–";
  let unit = 0;
  let left = value;
  while (left >= 1024 && unit < UNITS.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${left >= 100 || Number.isInteger(left) ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

/** Bytes a second. */
export function rate(value) {
  return value == null ? "–" : `${bytes(Math.round(value))}/s`;
}

/** The speed of a wire, bits a second: "10 Gbit/s". */
export function bits(value) {
  return value >= 1e9 ? `${Number((value / 1e9).toFixed(1))} Gbit/s` : `${Math.round(value / 1e6)} Mbit/s`;
}

/** A duration in seconds: "38 ms", "1.4 s", "12 min". */
export function duration(seconds) {
  if (seconds == null) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A part of a size, both in the whole's unit: "8.5 of 20 GiB". */
export function portion(part, whole) {
  const [size, unit] = bytes(whole).split(" ");
  const scale = 1024 ** UNITS.indexOf(unit);
  return scale > 0 ? `${Number((part / scale).toFixed(1))} of ${size} ${unit}` : bytes(part);
}

/** A part of a number of processors: "1.5 of 4". */
export function part(some, whole) {
  return `${Number(some.toFixed(1))} of ${whole}`;
}

export function ago(time, now) {
  const passed = Math.max(0, (now - Date.parse(time)) / 1000);
  return passed < 2 ? "now" : `${duration(Math.floor(passed))} ago`;
}

const SHORT = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function moment(time) {
  return time ? SHORT.format(new Date(time)) : "–";
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** The time of day. */
export function time(when) {
  return CLOCK.format(new Date(when));
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Names as a sentence lists them: "a, b and c". */
export function list(names, most = 4) {
  const shown = names.length > most ? [...names.slice(0, most - 1), `${names.length - most + 1} more`] : names;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

const VERBS = { drain: "Drain", return: "Return", migrate: "Move", start: "Start", stop: "Stop", edit: "Edit", release: "Release" };

/** What an operation does, as a title: "Drain node1". */
export function title({ verb, action, subject }) {
  const name = verb ?? action;
  return `${VERBS[name] ?? name} ${subject}`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What would become of a node's guests if it died now, as far as memory tells: where each starts is Pacemaker's to say. */
import { bytes, count, list } from "../lib/words.js";

const ROOM = { kind: "back", short: "restarts", words: "would start again elsewhere" };
const NONE = { kind: "lost", short: "no room", words: "would have no room elsewhere" };
const PLAIN = { kind: "lost", short: "stays down", words: "is not highly available and would stay down" };

/** The fate of each guest by name, and a sentence about them all. Greedy, highest priority first. */
export function fate(node, here, nodes) {
  const left = nodes
    .filter((other) => other.name !== node.name && other.state === "online")
    .map((other) => ({ name: other.name, free: other.memory.total - other.memory.promised }));
  const of = {};
  const ranked = here.toSorted((a, b) => b.priority - a.priority || b.memory - a.memory);
  for (const guest of ranked) {
    const target = left.filter((one) => one.free >= guest.memory).sort((a, b) => b.free - a.free)[0];
    of[guest.name] = !guest.ha ? PLAIN : target ? ROOM : NONE;
    if (guest.ha && target) target.free -= guest.memory;
  }
  const named = (what) => ranked.filter((guest) => of[guest.name] === what).map((guest) => guest.name);
  return { of, text: sentence(node, named(ROOM), named(NONE), named(PLAIN), left) };
}

function sentence(node, back, none, plain, left) {
  if (!back.length && !none.length && !plain.length) return "Nothing runs here that would be missed.";
  const free = bytes(Math.max(0, left.reduce((sum, one) => sum + one.free, 0)));
  const parts = [];
  if (back.length) parts.push(`${count(back.length, "guest")} would start again elsewhere.`);
  if (none.length) parts.push(`${list(none)} would find no room.`);
  if (plain.length) parts.push(`${list(plain)} would stay down, not being highly available.`);
  if (node.fencing.problem) parts.push(`First it would have to be fenced, and: ${node.fencing.problem}`);
  return `${parts.join(" ")} By memory alone; ${free} would be left.`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What of a node's memory and processors is in use, and what is promised to guests: each as words and as a bar. */
import { html } from "../lib/html.js";
import { bytes, part, portion } from "../lib/words.js";
import { Bar } from "./bar.js";

const share = (some, whole) => (whole > 0 ? some / whole : 0);

function usages({ name, memory, cpus, load }) {
  return [
    { what: "Memory", label: `Memory of ${name}`, promised: bytes(memory.promised), whole: portion(memory.promised, memory.total), behind: share(memory.promised, memory.total),
      used: load?.memory == null ? null : share(load.memory, load.memory_total), text: load?.memory == null ? null : portion(load.memory, load.memory_total) },
    { what: "CPUs", label: `CPUs of ${name}`, promised: String(cpus.promised), whole: `${cpus.promised} of ${cpus.total}`, behind: share(cpus.promised, cpus.total),
      used: load?.cpu == null ? null : share(load.cpu, load.cpus), text: load?.cpu == null ? null : part(load.cpu, load.cpus) },
  ];
}

/** `children(usage, bar)` puts them where they belong: `text` is what is in use, null where nobody knows; `promised` is
 *  what is promised, and `whole` that with what there is. */
export function Usage({ node, children }) {
  return usages(node).map((one) => {
    const text = one.text ? `${one.text} in use, ${one.promised} promised` : `${one.whole} promised`;
    return children(one, html`<${Bar} label=${one.label} used=${one.used} promised=${one.behind} text=${text} />`);
  });
}

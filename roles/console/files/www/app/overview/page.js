// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Is everything well, what happens now, and what runs where. */
import { html } from "../lib/html.js";
import { guests, look, nodes } from "../lib/state.js";
import { count } from "../lib/words.js";
import { Icon } from "../parts/icon.js";
import { ClusterMap } from "./map.js";
import { Now } from "./now.js";
import { Problems } from "./problems.js";

function verdict({ problems, cluster }) {
  const errors = problems.filter((one) => one.severity === "error").length;
  if (!cluster.quorum) return ["error", "No quorum"];
  if (errors) return ["error", `${count(errors, "problem")} to solve now`];
  if (problems.length) return ["warning", `${count(problems.length, "thing")} to look at`];
  return ["ok", "All is well"];
}

/** Which commit runs, and what has drifted from it. */
function Declaration({ declaration }) {
  if (!declaration?.commit) return null;
  const { commit, dirty, drift, unknown } = declaration;
  const names = Object.keys(drift ?? {});
  const how = !drift ? unknown : names.length ? `not as declared: ${names.join(", ")}` : "no drift";
  return html`<p class="hint">Declared in commit ${commit.slice(0, 12)}${dirty ? ", with changes that are not committed" : ""}; ${how}.</p>`;
}

export function Overview() {
  const seen = look.value;
  const [kind, text] = verdict(seen);
  const run = guests.value.filter((one) => one.state === "running").length;
  const up = nodes.value.filter((one) => one.state === "online").length;
  return html`
    <div class=${`verdict ${kind}`}>
      <span class="seal"><${Icon} name=${kind === "ok" ? "check" : "alert"} /></span>
      <div><h1 tabindex="-1">${text}</h1>
        <p>${run} of ${count(guests.value.length, "guest")} running, ${up} of ${count(nodes.value.length, "node")} online, told by ${seen.cluster.served_by}</p>
        <${Declaration} declaration=${seen.declaration} /></div>
    </div>
    <${Problems} problems=${seen.problems} />
    <${Now} />
    <${ClusterMap} />`;
}

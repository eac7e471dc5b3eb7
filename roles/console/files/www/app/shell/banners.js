// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What is wrong with all that the page shows: no quorum, a partial answer, a lost connection, a pause of the cluster. */
import { html } from "../lib/html.js";
import { clock, connection, look, trouble } from "../lib/state.js";
import { ago, list } from "../lib/words.js";
import { Icon } from "../parts/icon.js";

/** Milliseconds that a connection may be away before the page makes words of it: a failover takes some seconds. */
const PATIENCE = 1500;

function Banner({ kind, title, children }) {
  return html`<div class=${`note ${kind}`}><${Icon} name="alert" /><div><p class="strong">${title}</p><p>${children}</p></div></div>`;
}

function quorum({ cluster, nodes }) {
  const away = nodes.filter((node) => ["offline", "unclean"].includes(node.state)).map((node) => node.name);
  return html`<${Banner} kind="error" title="This cluster has no quorum: what it ran is stopped, and nothing can be changed.">
    You see what ${cluster.served_by} alone knows, to read only. ${away.length ? `${list(away)} cannot be reached. ` : ""}
    Bring back so many nodes that a majority runs: power, then network, then <code>systemctl status corosync</code> on each. Guests start again by themselves.
  <//>`;
}

export function Banners() {
  const seen = look.value;
  const { state, since, error } = connection.value;
  const lost = state === "lost" && clock.value - since > PATIENCE;
  return html`<div class="banners" role="status">
    ${lost && html`<${Banner} kind="warning" title=${error?.message ?? "The connection to the console is lost; the page goes on trying."}>
      ${error?.remedy || "If its node has died, the address moves to another node within seconds."}
      ${seen && ` What you see is from ${ago(new Date(since).toISOString(), clock.value)}.`}
    <//>`}
    ${trouble.value && html`<${Banner} kind="error" title=${trouble.value.message}>${trouble.value.remedy}<//>`}
    ${seen && !seen.cluster.quorum && quorum(seen)}
    ${seen?.cluster.partial && html`<${Banner} kind="warning" title="This is not the whole picture.">${seen.cluster.partial}<//>`}
    ${seen?.cluster.paused && html`<${Banner} kind="warning" title="The cluster is paused.">Pacemaker watches, but starts and moves nothing until that is taken back.<//>`}
  </div>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A proposal opened as a merge request at the forge that has the YAML: the button, what it does elsewhere, the link. */
import { useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { address, change } from "../lib/api.js";
import { Button } from "../parts/button.js";
import { Failure } from "../parts/empty.js";
import { Learn } from "../parts/learn.js";

const STATES = {
  opened: "It is opened. Once it is merged, the play guests.yml carries it out.",
  found: "It was opened before. Once it is merged, the play guests.yml carries it out.",
};

/** The same request by curl; a quote within the JSON would end the shell's own. */
function curl(path, wish) {
  const body = JSON.stringify(wish).replaceAll("'", "'\\''");
  return `curl -X POST -H "Authorization: Bearer $DROVER_TOKEN" -H "Idempotency-Key: $(uuidgen)" -H 'Content-Type: application/json' -d '${body}' ${address(path)}`;
}

/** `wish` is {changes} of a guest, or the {declaration} of a new one. */
export function MergeRequest({ name, forge, wish, yaml }) {
  const [error, fail] = useState(null);
  const [made, tell] = useState(null);
  const [busy, wait] = useState(false);
  const open = async () => {
    wait(true);
    fail(null);
    try {
      tell((await change("POST", `/guests/${encodeURIComponent(name)}/merge-request`, wish)).merge_request);
    } catch (failed) {
      fail(failed);
    }
    wait(false);
  };
  const forms = { play: "# once it is merged\nansible-playbook cspp.drover.guests", curl: curl(`/guests/${encodeURIComponent(name)}/merge-request`, wish), yaml };
  return html`<section class="request" aria-labelledby="request"><h3 id="request">At ${forge.name}</h3>
    ${made
      ? html`<p role="status"><a href=${made.url} target="_blank" rel="noopener noreferrer">${made.url}</a> ${STATES[made.state]}</p>`
      : html`<p class="hint">As a branch of one commit in ${forge.project}, for somebody to read and merge.</p>
          <${Button} label="Open a merge request" role="operator" busy=${busy} onPress=${open} />`}
    ${error && html`<${Failure} error=${error} />`}
    <${Learn} forms=${forms} /></section>`;
}

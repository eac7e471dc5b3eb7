// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The log-in. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { leave, provider } from "../lib/provider.js";
import { logIn } from "../lib/state.js";
import { Failure } from "../parts/empty.js";

export function LogIn({ error: before }) {
  const [busy, wait] = useState(false);
  const [error, fail] = useState(null);
  const [other, offer] = useState(null);
  const password = useRef(null);
  // Who cannot be asked for it is told so by the log-in itself.
  useEffect(() => void provider().then(offer, () => {}), []);
  const away = async () => {
    if (busy) return;
    wait(true);
    fail(null);
    await leave().catch((failed) => {
      fail(failed);
      wait(false);
    });
  };
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    const form = new FormData(event.target);
    wait(true);
    fail(null);
    try {
      await logIn(form.get("user"), form.get("password"));
    } catch (failed) {
      fail(failed);
      wait(false);
      password.current?.select();
    }
  };
  const shown = error ?? before;
  return html`<main class="login"><form onSubmit=${submit} aria-labelledby="welcome">
    <img src="./icon.svg" alt="" width="48" height="48" />
    <h1 id="welcome">Drover</h1>
    <p class="hint">Log in as on the nodes, or as a user declared for the console.</p>
    ${shown && html`<${Failure} error=${shown} />`}
    <label>User<input name="user" autocomplete="username" autocapitalize="none" spellcheck=${false} required autofocus /></label>
    <label>Password<input name="password" type="password" autocomplete="current-password" required ref=${password} /></label>
    <button class="button primary" aria-busy=${busy}>${busy && html`<span class="spinner"></span>`}<span>Log in</span></button>
    ${other && html`<button type="button" class="button" onClick=${away}><span>Log in with ${other}</span></button>`}
  </form></main>`;
}

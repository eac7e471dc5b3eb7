// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A dialog on the browser's own <dialog>: it keeps the focus, Escape closes it, the page behind is inert. */
import { useEffect, useId, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { Button } from "./button.js";

export function Dialog({ title, onClose, children, actions }) {
  const element = useRef(null);
  const id = useId();
  useEffect(() => {
    const shown = element.current;
    shown.showModal();
    // It gives the focus back to where it was, which nothing else can while the page is inert.
    return () => shown.close();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog ref=${element} aria-labelledby=${id} onCancel=${cancel}>
    <header><h2 id=${id} tabindex="-1">${title}</h2><${Button} icon="close" label="Close" hidden kind="quiet" onPress=${onClose} /></header>
    <div class="content">${children}</div>
    <footer>${actions}</footer>
  </dialog>`;
}

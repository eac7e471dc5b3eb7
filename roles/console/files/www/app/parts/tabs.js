// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Tabs after the ARIA pattern: one stop for the Tab key, arrows between them. */
import { useId, useRef } from "preact/hooks";
import { html } from "../lib/html.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export function Tabs({ label, tabs, chosen, onChoose, children }) {
  const id = useId();
  const strip = useRef(null);
  const onKey = (event) => {
    const here = tabs.findIndex((tab) => tab.id === chosen);
    const ends = { Home: 0, End: tabs.length - 1 };
    const next = event.key in STEPS ? (here + STEPS[event.key] + tabs.length) % tabs.length : ends[event.key];
    if (next === undefined) return;
    event.preventDefault();
    onChoose(tabs[next].id);
    strip.current.children[next].focus();
  };
  return html`<div class="tabs">
    <div role="tablist" aria-label=${label} ref=${strip} onKeyDown=${onKey}>
      ${tabs.map((tab) => html`<button key=${tab.id} type="button" role="tab" id=${`${id}-${tab.id}`} aria-controls=${`${id}-panel`}
        aria-selected=${tab.id === chosen} tabindex=${tab.id === chosen ? 0 : -1} onClick=${() => onChoose(tab.id)}>${tab.label}</button>`)}
    </div>
    <div role="tabpanel" id=${`${id}-panel`} aria-labelledby=${`${id}-${chosen}`}>${children}</div>
  </div>`;
}

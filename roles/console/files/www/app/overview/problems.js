// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Problems, the worst first, each with what to do. */
import { html } from "../lib/html.js";
import { Icon } from "../parts/icon.js";

const RANK = { error: 0, warning: 1 };

export function Problems({ problems }) {
  if (!problems.length) return null;
  const sorted = problems.toSorted((a, b) => (RANK[a.severity] ?? 2) - (RANK[b.severity] ?? 2));
  return html`<section aria-label="Problems" class="problems">
    ${sorted.map(({ text, remedy, severity }) => html`<article key=${text} class=${`note ${severity}`}>
      <${Icon} name="alert" /><div><p class="strong"><span class="unseen">${severity}: </span>${text}</p>${remedy && html`<p>${remedy}</p>`}</div>
    </article>`)}
  </section>`;
}

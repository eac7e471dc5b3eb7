// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Preact's elements as tagged templates: html`<p>${text}</p>`. */
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);

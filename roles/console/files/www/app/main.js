// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** The page begins here: who is logged in, then the frame around its pages. */
import { render } from "preact";
import { html } from "./lib/html.js";
import { resume } from "./lib/state.js";
import { Frame } from "./shell/frame.js";

const place = document.getElementById("app");
place.replaceChildren();
render(html`<${Frame} asked=${resume()} />`, place);

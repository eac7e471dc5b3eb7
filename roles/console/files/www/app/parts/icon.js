// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Small line drawings, 16 by 16, in the colour of the text around them. They are decoration: the words stand beside. */
import { html } from "../lib/html.js";

const PATHS = {
  overview: "M2.5 2.5h4.5v5H2.5zM9 2.5h4.5v3H9zM9 7.5h4.5v6H9zM2.5 9.5h4.5v4H2.5z",
  guests: "M2.5 4.5 8 2l5.5 2.5L8 7zM2.5 8 8 10.5 13.5 8M2.5 11.5 8 14l5.5-2.5",
  nodes: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01M8 5h3M8 11h3",
  history: "M8 4.5V8l2.5 1.5M2.5 8a5.5 5.5 0 1 0 1.8-4.1L2.5 5.5M2.5 2.5v3h3",
  vm: "M2 3h12v8H2zM6 13.5h4M8 11v2.5",
  container: "M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.5 5 8 8.2 13.5 5M8 8.2v6",
  start: "M5 3.2v9.6l7.5-4.8z",
  stop: "M4 4h8v8H4z",
  move: "M2.5 8h10M9 4.5 12.5 8 9 11.5",
  drain: "M8 2v7.5M4.5 6.5 8 10l3.5-3.5M2.5 13.5h11",
  return: "M8 10.5V3M4.5 6 8 2.5 11.5 6M2.5 13.5h11",
  add: "M8 3v10M3 8h10",
  check: "M3 8.5 6.5 12 13 4.5",
  alert: "M8 2 14.5 13.5h-13zM8 6.5v3.5M8 12h.01",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.3l3.2 3.2",
  system: "M8 2.5a5.5 5.5 0 1 1 0 11zM8 2.5v11M8 2.5a5.5 5.5 0 0 0 0 11",
  light: "M8 5.3a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  dark: "M13 9.6A5.5 5.5 0 1 1 6.4 3a4.5 4.5 0 0 0 6.6 6.6z",
  leave: "M9.5 2.5h-6v11h6M6.5 8h7M11 5.5 13.5 8 11 10.5",
  terminal: "M2 3h12v10H2zM4.5 6 6.5 8l-2 2M8.5 10.5h3",
  back: "M13.5 8h-10M7 4.5 3.5 8 7 11.5",
  bolt: "M9 1.8 3.5 9H8l-1 5.2L12.5 7H8z",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Light, dark, or as the system has it; remembered by this browser. */
import { effect, signal } from "@preact/signals";

const KEY = "drover-theme";
const SYSTEM = matchMedia("(prefers-color-scheme: dark)");
const NEXT = { system: "light", light: "dark", dark: "system" };

export const theme = signal(localStorage.getItem(KEY) ?? "system");
/** What is seen now, for what paints on a canvas. */
export const dark = signal(SYSTEM.matches);

const look = () => (dark.value = theme.value === "system" ? SYSTEM.matches : theme.value === "dark");
SYSTEM.addEventListener("change", look);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  look();
});

export function turn() {
  theme.value = NEXT[theme.value];
  localStorage.setItem(KEY, theme.value);
}

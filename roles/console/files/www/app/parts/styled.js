// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** Style sheets of parts that only some pages need, each loaded once. */

const loaded = new Map();

export function styled(path) {
  if (!loaded.has(path)) {
    loaded.set(path, new Promise((resolve) => {
      const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL(path, document.baseURI) });
      link.onload = link.onerror = resolve;
      document.head.append(link);
    }));
  }
  return loaded.get(path);
}

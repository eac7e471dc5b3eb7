// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/**
 * The document as xterm.js gets it, so that it works under a policy without unsafe-inline: its style elements become
 * constructed style sheets, its style attributes properties, both of which a policy lets scripts set.
 */

function sheet(element, document) {
  const made = new CSSStyleSheet();
  let text = "";
  document.adoptedStyleSheets.push(made);
  Object.defineProperty(element, "textContent", {
    get: () => text,
    set: (next) => {
      text = next;
      made.replaceSync(next);
    },
  });
  const remove = element.remove.bind(element);
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== made);
    remove();
  };
}

function create(document, name, options) {
  const element = document.createElement(name, options);
  if (name === "style") sheet(element, document);
  const set = element.setAttribute.bind(element);
  element.setAttribute = (attribute, value) => (attribute === "style" ? void (element.style.cssText = value) : set(attribute, value));
  return element;
}

export function strict(document) {
  return new Proxy(document, {
    get(target, key) {
      if (key === "createElement") return (name, options) => create(target, name, options);
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

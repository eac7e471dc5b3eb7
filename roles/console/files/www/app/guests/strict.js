// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/**
 * The document as xterm.js gets it, so that it works under a policy without unsafe-inline: constructed style sheets
 * take the place of its style elements, properties that of its style attributes; a policy lets scripts set both.
 */

const make = Document.prototype.createElement;

/** What stands in for a style element: even an empty one would offend the policy. */
function sheet(document) {
  const element = Object.assign(make.call(document, "span"), { hidden: true });
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
  return element;
}

function create(document, name, options) {
  if (name === "style") return sheet(document);
  const element = make.call(document, name, options);
  const set = element.setAttribute.bind(element);
  element.setAttribute = (attribute, value) => (attribute === "style" ? void (element.style.cssText = value) : set(attribute, value));
  return element;
}

/** Runs `what` while the document itself creates elements so: a part of xterm.js asks no other. */
export function strictly(document, what) {
  document.createElement = (name, options) => create(document, name, options);
  try {
    what();
  } finally {
    delete document.createElement;
  }
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

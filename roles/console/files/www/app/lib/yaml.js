// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** YAML of plain data, for reading and copying; what could be misread is quoted as JSON is. */

const PLAIN = /^([A-Za-z_/][\w ./-]*|\d+(\.\d+)?[KMGT]iB)$/;
const WORDS = /^(true|false|yes|no|on|off|null|y|n)$/i;

function scalar(value) {
  if (typeof value !== "string") return JSON.stringify(value);
  return PLAIN.test(value) && !WORDS.test(value) && !value.endsWith(" ") ? value : JSON.stringify(value);
}

const nested = (value) => value !== null && typeof value === "object" && Object.keys(value).length > 0;

function lines(value, indent) {
  const pad = " ".repeat(indent);
  if (Array.isArray(value)) {
    return value.flatMap((one) => {
      if (!nested(one)) return [`${pad}- ${empty(one)}`];
      const [first, ...others] = lines(one, indent + 2);
      return [`${pad}- ${first.trimStart()}`, ...others];
    });
  }
  return Object.entries(value).flatMap(([key, one]) => (nested(one) ? [`${pad}${scalar(key)}:`, ...lines(one, indent + 2)] : [`${pad}${scalar(key)}: ${empty(one)}`]));
}

function empty(value) {
  if (value !== null && typeof value === "object") return Array.isArray(value) ? "[]" : "{}";
  return scalar(value ?? null);
}

export function yaml(value) {
  return `${lines(value, 0).join("\n")}\n`;
}

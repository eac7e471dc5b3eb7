// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What a page reads when it is opened: [value, error, again]. Read anew when `key` changes; the old value stays until then. */
import { useCallback, useEffect, useState } from "preact/hooks";

export function useLoaded(read, key) {
  const [{ value, error, of }, set] = useState({ value: null, error: null, of: key });
  const [turn, next] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    read(stop.signal).then(
      (found) => set({ value: found, error: null, of: key }),
      (failed) => failed.name === "AbortError" || set((before) => ({ ...before, error: failed })),
    );
    return () => stop.abort();
  }, [key, turn]);
  return [of === key ? value : null, error, useCallback(() => next((n) => n + 1), [])];
}

// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A plot on a canvas by uPlot, which is loaded when the first is needed. Who cannot see it is given a table beside. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { dark } from "../lib/theme.js";
import { styled } from "./styled.js";

/** Colours of the style sheet as a canvas takes them. */
function paint(place) {
  return (name) => {
    const probe = place.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    const color = getComputedStyle(probe).color;
    probe.remove();
    return color;
  };
}

/** The look of both axes. */
export function axis(color) {
  return { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
}

/** `options(width, color)` are uPlot's; it is made anew when `of` changes, and given new `data` as it comes. */
export function Canvas({ label, data, options, of }) {
  const place = useRef(null);
  const plot = useRef(null);
  const newest = useRef(data);
  const shade = dark.value;
  newest.current = data;
  useEffect(() => {
    let gone = false;
    let height = 0;
    const sizes = new ResizeObserver(([{ contentRect }]) => plot.current?.setSize({ width: Math.max(200, contentRect.width), height }));
    Promise.all([import("uplot"), styled("vendor/uplot-1.6.32/dist/uPlot.min.css")]).then(([{ default: Plot }]) => {
      if (gone) return;
      const chosen = options(place.current.clientWidth, paint(place.current));
      ({ height } = chosen);
      plot.current = new Plot(chosen, newest.current, place.current);
      sizes.observe(place.current);
    });
    return () => {
      gone = true;
      sizes.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [of, shade]);
  useEffect(() => void plot.current?.setData(data), [data]);
  return html`<div class="plot" role="img" aria-label=${label} ref=${place}></div>`;
}

// A chart's frame: its size, its axes, and the ground that marks are drawn on.

import { el, join, px, say, set } from "./svg.js";
import { tick } from "./words.js";

/**
 * Returns a function that draws a history by `draw(plot, history)`, and again when the figure is resized
 * or its table opened. `margin` is [top, right, bottom, left] in pixels.
 */
export function chart(figure, margin, draw) {
  const plot = new Plot(figure, margin);
  let shown = null;
  const again = () => shown && draw(plot, shown);
  new ResizeObserver(([{ contentRect }]) => {
    plot.measure(contentRect);
    again();
  }).observe(plot.svg);
  figure.querySelector("details")?.addEventListener("toggle", again);
  return (history) => {
    shown = history;
    again();
  };
}

/** A figure's SVG, its units equal to pixels, and what tells the same in words. */
class Plot {
  constructor(figure, margin) {
    const svg = figure.querySelector("svg");
    Object.assign(this, { figure, svg, margin });
    this.grid = el(svg, "g", { class: "grid" });
    this.numbers = el(svg, "g");
    this.ground = el(svg, "svg");
    this.labels = el(svg, "g", { class: "labels" });
    this.unit = el(svg, "text", { x: 0, y: 11 });
    this.title = el(svg, "text", { "text-anchor": "end" });
    this.measure(svg.getBoundingClientRect());
  }

  /** Sets the room at the right, for labels. */
  widen(right) {
    if (right === this.margin[1]) return;
    this.margin[1] = right;
    this.measure({ width: this.outer, height: this.tall });
  }

  /** Takes the size of the SVG. */
  measure({ width, height }) {
    const [top, right, bottom, left] = this.margin;
    Object.assign(this, { outer: width, tall: height, left, top });
    this.width = Math.max(10, width - left - right);
    this.height = Math.max(10, height - top - bottom);
    set(this.svg, { viewBox: `0 0 ${Math.max(1, px(width))} ${Math.max(1, px(height))}` });
    set(this.ground, { x: left, y: top, width: px(this.width), height: px(this.height) });
    set(this.title, { x: px(left + this.width), y: px(height - 2) });
  }

  /** The height of a value above the ground's foot, in the ground's own coordinates. */
  y(value, scale) {
    return px(this.height * (1 - value / scale.top));
  }

  /** Draws both axes: `across` is [[x, label], ...] in the ground's coordinates. */
  axes(scale, across, unit, title) {
    say(this.unit, unit);
    say(this.title, title);
    const [left, foot] = [this.left, this.top + this.height];
    const rows = scale.ticks.map((value) => [px(this.top + this.y(value, scale)), tick(value)]);
    join(this.grid, "line", rows, (line, [y]) => set(line, { x1: left, x2: px(left + this.width), y1: y, y2: y }));
    const texts = [
      ...rows.map(([y, text]) => [left - 8, y + 4, "end", text]),
      ...across.map(([x, text, anchor = "middle"]) => [px(left + x), foot + 16, anchor, text]),
    ];
    join(this.numbers, "text", texts, (node, [x, y, anchor, text]) => {
      say(set(node, { x, y, "text-anchor": anchor }), text);
    });
  }

  /** Tells the chart in words, and in `rows` where its table is open; or that there is nothing. */
  tell(words, nothing, rows = []) {
    set(this.svg, { "aria-label": words });
    this.figure.querySelector("[data-part=empty]").hidden = !nothing;
    if (!this.figure.querySelector("details")?.open) return;
    join(this.figure.querySelector("tbody"), "tr", rows, (row, cells) => join(row, "td", cells, say));
  }
}

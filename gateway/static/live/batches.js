// How many micro-batches of each size were run in five minutes.

import { count, sum } from "./history.js";
import { chart } from "./plot.js";
import { Scale } from "./scale.js";
import { join, px, say, set } from "./svg.js";
import { figure, many, whole } from "./words.js";

const SINGLE = 16; // up to this size each has a bar; beyond, ranges that double

/** Returns a function that draws the chart in a figure from a history. */
export function batches(node) {
  const scale = new Scale(4, true);
  let largest = 4;

  return chart(node, [22, 1, 38, 44], (plot, { samples }) => {
    const run = samples.flatMap((sample) => Object.entries(sample.batches).map(([size, n]) => [Number(size), n]));
    largest = Math.max(largest, ...run.map(([size]) => size));
    const bars = classes(largest).map(([from, to]) => [
      from === to ? String(from) : `${from}–${to}`,
      sum(run.filter(([size]) => size >= from && size <= to).map(([, n]) => n)),
    ]);
    scale.fit(Math.max(...bars.map(([, n]) => n)));

    const step = plot.width / bars.length;
    const width = Math.min(step - 4, 64);
    const sparse = step < 22 ? 2 : 1;
    const across = bars.map(([name], i) => [step * (i + 0.5), (i + 1) % sparse ? "" : name]);
    plot.axes(scale, across, "batches", "pictures in a batch");
    join(plot.ground, "rect", bars, (bar, [, n], i) => {
      const height = n && Math.max(2, plot.height - plot.y(n, scale));
      const x = step * (i + 0.5) - width / 2;
      set(bar, { x: px(x), width: px(width), y: px(plot.height - height), height: px(height) });
    });

    const all = sum(run.map(([, n]) => n));
    const pictures = sum(run.map(([size, n]) => size * n));
    const joined = Math.round(count(samples, ({ shared }) => shared));
    const size = all ? `, ${figure(pictures / all)} pictures each` : "";
    const words = `${many(all, "batch", "batches")}${size}; ${many(joined, "request")} joined an equal one`;
    say(node.querySelector("[data-part=note]"), words);
    const rows = bars.filter(([, n]) => n).map(([name, n]) => [name, whole(n)]);
    plot.tell(`Micro-batches by size over five minutes: ${words}.`, !all, rows);
  });
}

/** Ranges of sizes for the bars: each size alone while they are few. */
function classes(largest) {
  if (largest <= SINGLE) return Array.from({ length: largest }, (_, i) => [i + 1, i + 1]);
  const found = [[1, 1]];
  for (let from = 2; from <= largest; from = found.at(-1)[1] + 1) found.push([from, 2 * (from - 1)]);
  return found;
}

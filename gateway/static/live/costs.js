// Each worker's measured cost against batch size, and the line fitted to it.

import { chart } from "./plot.js";
import { Scale } from "./scale.js";
import { join, px, say, set } from "./svg.js";
import { cost, figure, many } from "./words.js";

const WIDE = 420; // pixels; from here on a line's label has room for its equation
const ROW = 16;
const MANY = 12; // more workers are drawn alike, without labels
const MARKS = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z",
  "M-3.5-3.5h7v7h-7Z",
  "M0-4.5L4.5 3.5H-4.5Z",
  "M0-5L5 0L0 5L-5 0Z",
  "M0 4.5L4.5-3.5H-4.5Z",
  "M-4.5-1.5h3v-3h3v3h3v3h-3v3h-3v-3h-3Z",
];

/** The mark of the n-th worker: its shape and its class of colour. */
export const mark = (n) => ({ d: MARKS[n % MARKS.length], class: `w${(n % MARKS.length) + 1}` });

/** Returns a function that draws the chart in a figure, with the letters that workers go by. */
export function costs(node, letters) {
  const across = new Scale(4, true);
  const up = new Scale(1);

  return chart(node, [22, 30, 38, 44], (plot, { last }) => {
    const workers = last.workers
      .filter((worker) => worker.image_ms > 0 || worker.points.length)
      .map((worker) => ({ ...worker, letter: letters.of(worker.name), ...mark(letters.index(worker.name)) }));
    const crowd = workers.length > MANY;
    if (crowd) workers.forEach((worker) => Object.assign(worker, mark(0), { class: "w0" }));
    const at = (worker, n) => worker.fixed_ms + worker.image_ms * n;
    across.fit(Math.max(0, ...workers.flatMap(({ points }) => points.map(([n]) => n))));
    up.fit(Math.max(0, ...workers.flatMap((w) => [at(w, across.top), ...w.points.map(([, ms]) => ms)])));

    const long = !crowd && plot.outer >= WIDE;
    plot.widen(long ? 136 : 30);
    const x = (n) => px((n / across.top) * plot.width);
    const y = (ms) => plot.y(ms, up);
    plot.axes(up, across.ticks.map((n) => [x(n), n]), "ms a batch", "pictures in a batch");
    const end = (w) => y(at(w, across.top));
    const lines = workers.map((w) => ["", `line ${w.class}`, `M0 ${y(at(w, 0))}L${x(across.top)} ${end(w)}`]);
    const point = (w, n, ms) => [`translate(${x(n)} ${y(ms)})`, `point ${w.class}`, w.d];
    const points = workers.flatMap((w) => w.points.map(([n, ms]) => point(w, n, ms)));
    join(plot.ground, "path", [...lines, ...points], (path, [transform, name, d]) => {
      set(path, { class: name, d, transform });
    });
    const ends = workers.map((w) => [end(w), long ? `${w.letter}  ${cost(w)}` : w.letter]);
    label(plot, crowd ? [] : ends);

    const told = workers.map((w) => `${w.letter} ${cost(w)} ms`).join("; ") || "Nothing measured yet";
    const rows = workers.flatMap((w) => w.points.map(([n, ms]) => [w.letter, n, figure(ms)]));
    plot.tell(`Cost of a batch of n pictures, ${many(workers.length, "worker")}. ${told}.`, !workers.length, rows);
  });
}

/** Names each line at its end, [[y, text], ...]; names that would overlap are moved apart. */
function label(plot, ends) {
  ends.sort(([a], [b]) => a - b);
  ends.forEach((end, i) => i && (end[0] = Math.max(end[0], ends[i - 1][0] + ROW)));
  const over = ends.length ? Math.max(0, ends.at(-1)[0] - plot.height) : 0;
  join(plot.labels, "text", ends, (node, [y, text]) => {
    say(set(node, { x: px(plot.left + plot.width + 10), y: px(plot.top + y - over + 4) }), text);
  });
}

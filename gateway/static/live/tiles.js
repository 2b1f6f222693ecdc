// The row of figures, each with its last five minutes.

import { SPAN_MS, STEP_MS, count, mean, runs, steps, sum } from "./history.js";
import { Scale } from "./scale.js";
import { el, px, say, set } from "./svg.js";
import { figure, waiting, whole } from "./words.js";

const HEIGHT = 36; // of a sparkline, in the units of its viewBox, whose width is 300 seconds

const failing = ({ errors }) => sum(Object.values(errors));
const inState = ({ workers }, ...states) => workers.filter(({ state }) => states.includes(state)).length;
const here = (sample) => inState(sample, "working", "idle");
const latest = (history, name) => figure(mean(history.recent(STEP_MS).map((sample) => sample[name])));
const lately = (history) => Math.round(count(history.recent(60_000), failing));

// For each figure: what one sample has, how those of a step become one, the least top of the scale, how a
// number is written; value and note of the latest, and whether it is alarming.
const FIGURES = {
  rate: {
    of: (sample) => sample.rate,
    value: (history) => latest(history, "rate"),
    note: (history) => [`${latest(history, "asked")} asked`, `${latest(history, "cached")} from the cache`],
  },
  p50: { of: (sample) => sample.p50_ms, value: ({ last }) => figure(last.p50_ms) },
  p99: { of: (sample) => sample.p99_ms, value: ({ last }) => figure(last.p99_ms) },
  waiting: {
    of: (sample) => (sample.away ? null : waiting(sample)),
    fold: (values) => (values.includes(null) ? null : Math.max(...values)),
    least: 4,
    write: whole,
    value: ({ last }) => (last.away ? "–" : whole(waiting(last))),
    note: ({ last: { away, backlog } }) =>
      ["interactive", "bulk"].map((lane) => `${away ? "–" : whole(backlog[lane] ?? 0)} ${lane}`),
  },
  workers: {
    of: (sample) => (sample.away ? null : here(sample)),
    write: whole,
    value: ({ last }) => (last.away ? "–" : whole(here(last))),
    note: ({ last }) => {
      const [working, idle, lost] = ["working", "idle", "lost"].map((state) => inState(last, state));
      return last.away ? ["", ""] : [`${working} working, ${idle} idle`, lost ? `${lost} lost` : ""];
    },
    alarm: ({ last }) => !last.away && (!here(last) || inState(last, "lost") > 0),
  },
  errors: {
    of: (sample) => failing(sample) * 60,
    write: whole,
    value: (history) => whole(lately(history)),
    note: (history) => [`${whole(count(history.samples, failing))} in five minutes`],
    alarm: (history) => lately(history) > 0,
  },
};

/** Returns a function that draws all figures of a page from a history. */
export function tiles(page) {
  const drawn = Object.entries(FIGURES).map(([name, spec]) => tile(page.querySelector(`[data-figure=${name}]`), spec));
  return (history) => drawn.forEach((draw) => draw(history));
}

function tile(box, spec) {
  const { fold = mean, least = 1, write = figure } = spec;
  const part = (name) => box.querySelector(`[data-part=${name}]`);
  const [value, note, peak, spark] = [part("value"), part("note"), part("peak"), box.querySelector(".spark")];
  const line = el(set(spark, { viewBox: `0 0 300 ${HEIGHT}`, preserveAspectRatio: "none" }), "path");
  const scale = new Scale(least);
  return (history) => {
    say(value, spec.value(history));
    spec.note?.(history).forEach((text, i) => say(note.children[i], text));
    box.classList.toggle("bad", Boolean(spec.alarm?.(history)));

    const points = steps(history.samples).map(([start, samples]) => [start, fold(samples.map(spec.of))]);
    const values = points.map(([, each]) => each).filter((each) => each !== null);
    const highest = Math.max(0, ...values);
    set(line, { d: path(points, scale.fit(highest), history.last.at) });
    say(peak, highest ? `max ${write(highest)}` : "");
    const range = values.length ? `${write(Math.min(...values))} to ${write(highest)}` : "nothing";
    set(spark, { "aria-label": `Last five minutes: ${range}.` });
  };
}

function path(points, scale, end) {
  const x = (at) => px((at - end + SPAN_MS) / 1000);
  const y = (value) => px(HEIGHT - 2 - (value / scale.top) * (HEIGHT - 4));
  const line = (run) => run.map(([start, value]) => `${x(Math.min(start + STEP_MS / 2, end))} ${y(value)}`).join("L");
  return runs(points).map((run) => `M${line(run)}${run.length > 1 ? "" : "h2"}`).join("");
}

// Latency by stage over five minutes: stacked areas, in steps of five seconds.

import { SPAN_MS, STEP_MS, runs, steps, sum } from "./history.js";
import { chart } from "./plot.js";
import { Scale } from "./scale.js";
import { join, px, say, set } from "./svg.js";
import { figure } from "./words.js";

const STAGES = ["upload", "queue", "decode", "inference", "reply"];
const TIMES = ["now", 1, 2, 3, 4, "5 min"];

/** Returns a function that draws the chart in a figure from a history. */
export function stages(node) {
  const cell = (name) => node.querySelector(`[data-stage=${name}]`);
  const scale = new Scale(1);
  say(node.querySelector("[data-part=span]"), "Last minute, ms");

  return chart(node, [22, 1, 22, 44], (plot, history) => {
    const end = history.last.at;
    const points = steps(history.samples).map(([start, samples]) => [start, meanOf(samples)]);
    const highest = Math.max(...points.map(([, means]) => sum(means ?? [])));
    scale.fit(highest);
    const x = (at) => px((1 - (end - at) / SPAN_MS) * plot.width);
    const across = TIMES.map((text, i) => [plot.width * (1 - i / 5), text, { 0: "end", 5: "start" }[i]]);
    plot.axes(scale, across, "ms", "");
    join(plot.ground, "path", STAGES, (path, _, i) => {
      set(path, { class: `s${i + 1}`, d: area(points, i, x, (value) => plot.y(value, scale), end) });
    });

    const means = meanOf(history.recent(60_000));
    STAGES.forEach((stage, i) => say(cell(stage), figure(means?.[i])));
    say(cell("total"), figure(means && sum(means)));
    const parts = STAGES.map((stage, i) => `${stage} ${figure(means?.[i])} ms`).join(", ");
    const last = means ? `Last minute: ${figure(sum(means))} ms; ${parts}.` : "No answers in the last minute.";
    plot.tell(`Latency by stage over five minutes. ${last}`, !highest);
  });
}

/** The mean milliseconds of each stage, weighted by answers; null where there were none. */
function meanOf(samples) {
  const known = samples.filter(({ stages_ms: ms }) => STAGES.some((stage) => ms[stage] > 0));
  const weight = ({ rate }) => Math.max(rate, 0.1);
  const weights = sum(known.map(weight));
  return weights ? STAGES.map((stage) => sum(known.map((one) => one.stages_ms[stage] * weight(one))) / weights) : null;
}

/** A stage's outline: its upper edge forth and its lower back, for each run of steps. */
function area(points, stage, x, y, end) {
  const edge = (run, upTo) =>
    run.flatMap(([start, means]) => {
      const height = y(sum(means.slice(0, upTo)));
      return [`${x(start)} ${height}`, `${x(Math.min(start + STEP_MS, end))} ${height}`];
    });
  return runs(points)
    .map((run) => `M${[...edge(run, stage + 1), ...edge(run, stage).reverse()].join("L")}Z`)
    .join("");
}

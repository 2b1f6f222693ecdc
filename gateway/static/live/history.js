// The samples of the last five minutes, in order of time, each once.

/** How far back the page looks. */
export const SPAN_MS = 300_000;
// Samples so much newer than what comes are of a clock that was set back since.
const AHEAD_MS = 3_000;
// Two samples further apart than this have a gap between them.
const GAP_MS = 3_000;
/** What charts over time are drawn in: steps of five seconds. */
export const STEP_MS = 5_000;

/** Keeps what the stream brought; an overlapping history replaces the stretch that it covers. */
export class History {
  samples = [];

  /** The newest sample. */
  get last() {
    return this.samples.at(-1);
  }

  /** Takes in one sample or more: a whole history, or the part that was missed. */
  merge(incoming) {
    const [from, to] = [incoming[0].at, incoming.at(-1).at];
    const others = this.samples.filter(({ at }) => at < from || (at > to && at <= to + AHEAD_MS));
    this.samples = [...others, ...incoming].sort((a, b) => a.at - b.at);
    this.samples = this.recent(SPAN_MS);
  }

  /** The samples of the last `ms`, counted back from the newest. */
  recent(ms) {
    return this.samples.filter(({ at }) => at > this.last.at - ms);
  }
}

/** How often something happened of which samples tell the rate a second. */
export function count(samples, rate) {
  const passed = samples.map(({ at }, i) => (i ? at - samples[i - 1].at : 0));
  return sum(samples.map((sample, i) => rate(sample) * (passed[i] > 0 && passed[i] <= GAP_MS ? passed[i] / 1000 : 1)));
}

/** Groups samples by steps of five seconds: [[start of the step in ms, its samples], ...]. */
export function steps(samples) {
  const found = [];
  for (const sample of samples) {
    const start = Math.floor(sample.at / STEP_MS) * STEP_MS;
    if (found.at(-1)?.[0] !== start) found.push([start, []]);
    found.at(-1)[1].push(sample);
  }
  return found;
}

/** The sum of numbers. */
export const sum = (values) => values.reduce((all, value) => all + value, 0);

/** The mean of what is known, or null. */
export function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? sum(known) / known.length : null;
}

/** Splits [[start, value or null], ...] into runs without a gap. */
export function runs(points) {
  const found = [];
  let next = null;
  for (const [start, value] of points) {
    if (value === null) continue;
    if (start !== next) found.push([]);
    found.at(-1).push([start, value]);
    next = start + STEP_MS;
  }
  return found;
}

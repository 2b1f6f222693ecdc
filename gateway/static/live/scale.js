// Axes that end on a round number and stay where they are until they must move.

const ROUND = [[1, 0.5], [1.5, 0.5], [2, 0.5], [3, 1], [4, 1], [6, 2], [8, 2], [10, 5]];
// It shrinks only when what it shows fills less than this share of it.
const SHRINK = 0.4;

/** A scale from zero, with some steadiness. */
export class Scale {
  /** `least` is the smallest top that it takes; `whole` keeps its ticks at whole numbers. */
  constructor(least, whole = false) {
    this.least = least;
    this.whole = whole;
    this.#to(least);
  }

  /** Fits the scale to a peak; it grows at once and shrinks late. */
  fit(peak) {
    if (peak > this.top || peak < this.top * SHRINK) {
      this.#to(Math.max(peak, this.least));
    }
    return this;
  }

  /** Takes the round number at or above `peak` for its top, with three to five ticks. */
  #to(peak) {
    const size = 10 ** Math.floor(Math.log10(peak));
    const [top, step] = ROUND.find(([factor]) => factor * size >= peak * 0.9999);
    this.top = top * size;
    this.step = this.whole ? Math.max(1, Math.ceil(step * size)) : step * size;
  }

  /** The values to label. */
  get ticks() {
    const found = [];
    for (let value = 0; value <= this.top * 1.0001; value += this.step) found.push(value);
    return found;
  }
}

// The tables beneath the charts: workers, and errors by kind.

import { mark } from "./costs.js";
import { count } from "./history.js";
import { say, set } from "./svg.js";
import { cost, figure, letter, reason, whole } from "./words.js";

/** Letters that workers go by in charts and table; a letter stays with its worker. */
export class Letters {
  #names = [];

  /** Gives new workers the first free letters, and frees those of workers that are gone. */
  follow(workers) {
    const names = new Set(workers.map(({ name }) => name));
    this.#names = this.#names.map((name) => (names.has(name) ? name : null));
    for (const name of names) {
      if (this.#names.includes(name)) continue;
      const free = this.#names.indexOf(null);
      this.#names[free < 0 ? this.#names.length : free] = name;
    }
  }

  /** The place of a worker's letter in the alphabet. */
  index = (name) => this.#names.indexOf(name);

  /** A worker's letter. */
  of = (name) => letter(this.index(name));
}

/** Returns a function that fills the table of workers. */
export function workers(section, letters) {
  return ({ last }) => {
    const order = [...last.workers].sort((a, b) => letters.index(a.name) - letters.index(b.name));
    const nothing = last.away ? "Not known while Redis is away." : "No worker is here.";
    fill(section, order, nothing, (row, worker) => {
      set(row, { "data-state": worker.state });
      set(row.querySelector("path"), mark(letters.index(worker.name)));
      say(row.querySelector("b"), letters.of(worker.name));
      const [name, about] = row.querySelector(".text").children;
      say(name, worker.name);
      say(about, `${worker.engine}, ${worker.model}`);
      [worker.state, figure(worker.images_per_s), cost(worker)].forEach((text, i) => say(row.cells[i + 1], text));
    });
  };
}

/** Returns a function that fills the table of errors. */
export function errors(section) {
  return (history) => {
    const minute = history.recent(60_000);
    const codes = new Set(history.samples.flatMap((sample) => Object.keys(sample.errors)));
    const rows = [...codes].map((code) => {
      const times = (samples) => Math.round(count(samples, (sample) => sample.errors[code] ?? 0));
      return [code, times(minute), times(history.samples)];
    });
    rows.sort((a, b) => b[2] - a[2] || (a[0] < b[0] ? -1 : 1));
    fill(section, rows, "No errors in the last five minutes.", (row, [code, ...times]) => {
      const [words, small] = row.cells[0].children;
      say(words, reason(code));
      say(small, words.textContent === code.replaceAll("-", " ") ? "" : code);
      times.forEach((n, i) => say(row.cells[i + 1], whole(n)));
    });
  };
}

/** Gives a table a row a datum, copies of its template; or says that there is none. */
function fill(section, data, nothing, draw) {
  const [table, none] = [section.querySelector("table"), section.querySelector("[data-part=empty]")];
  const body = table.tBodies[0];
  table.hidden = !data.length;
  none.hidden = !table.hidden;
  say(none, nothing);
  while (body.rows.length > data.length) body.lastElementChild.remove();
  const blank = table.querySelector("template").content.firstElementChild;
  while (body.rows.length < data.length) body.append(blank.cloneNode(true));
  data.forEach((datum, i) => draw(body.rows[i], datum));
}

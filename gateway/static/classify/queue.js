// Which picture is sent when: in the order they came, a bounded number at a time.

export const FEW = 8; // up to here people wait for each answer; more travel as bulk
const IN_FLIGHT = { interactive: 4, bulk: 5 }; // a browser has six connections: one stays free

/** Runs `run(card, signal)` for each card; `changed(card)` hears of those it sets aside. */
export class Queue {
  #waiting = [];
  #flying = new Map();
  #paused = false;
  #run;
  #changed;

  constructor(run, changed) {
    this.#run = run;
    this.#changed = changed;
  }

  get paused() { return this.#paused; }

  /** Adds a card at the end. */
  add(card) {
    card.state = "waiting";
    this.#waiting.push(card);
    this.#changed(card);
    this.#pump();
  }

  /** Starts no more, or goes on; what is under way is finished. */
  pause(paused) {
    this.#paused = paused;
    this.#pump();
  }

  /** Gives up on all that have no answer yet. */
  cancel() {
    const given = [...this.#waiting, ...this.#flying.keys()];
    this.#waiting = [];
    for (const card of given) {
      card.state = "cancelled";
      this.#flying.get(card)?.abort();
      this.#changed(card);
    }
  }

  #pump() {
    while (!this.#paused && this.#waiting.length) {
      if (this.#flying.size >= IN_FLIGHT[this.#waiting[0].lane]) return;
      this.#start(this.#waiting.shift());
    }
  }

  async #start(card) {
    const stop = new AbortController();
    this.#flying.set(card, stop);
    try {
      await this.#run(card, stop.signal);
    } finally {
      if (this.#flying.get(card) === stop) this.#flying.delete(card);
      this.#pump();
    }
  }
}

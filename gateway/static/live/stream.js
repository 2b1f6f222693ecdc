// The stream of samples, and how it is: connecting, live, or stale and why.

const STALE_MS = 3_000;
// A connection that is silent for so long is taken for dead.
const SILENT_MS = 10_000;
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 30_000;

/** Follows a stream; tells `samples(array)`, `state(name, why)` when that changes, `age(seconds)` once a second. */
export class Stream {
  #url;
  #tell;
  #source = null;
  #state = "connecting";
  #why = "";
  #heard = Date.now();
  #newest = 0;
  #opened = 0;
  #again = 0; // when to connect anew, after the browser has given up
  #wait = FIRST_WAIT_MS;

  constructor(url, tell) {
    this.#url = url;
    this.#tell = tell;
    this.#open();
    setInterval(() => this.#tick(), 1000);
    window.addEventListener("pagehide", () => this.#close());
    window.addEventListener("pageshow", (event) => event.persisted && this.#open());
  }

  #open() {
    this.#close();
    this.#again = 0;
    this.#opened = Date.now();
    const source = new EventSource(this.#url);
    source.addEventListener("history", (event) => this.#hear(JSON.parse(event.data)));
    source.addEventListener("sample", (event) => this.#hear([JSON.parse(event.data)]));
    source.addEventListener("error", () => this.#broke());
    this.#source = source;
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #hear(samples) {
    const newest = samples.at(-1)?.at ?? 0;
    const back = newest && this.#newest - newest > STALE_MS; // its clock was set back
    if (newest <= this.#newest && !back) return;
    this.#newest = newest;
    this.#heard = Date.now();
    this.#wait = FIRST_WAIT_MS;
    this.#tell.samples(samples);
    this.#tell.age(0);
    this.#become("live", "");
  }

  /** The browser tries again by itself, unless the answer was not a stream: then this does. */
  #broke() {
    if (this.#source?.readyState === EventSource.CLOSED) {
      this.#close();
      this.#refused();
    } else {
      this.#become("stale", "The connection broke; trying again.");
    }
  }

  async #refused() {
    const [why, least] = await reasonOf(this.#url);
    const wait = Math.max(this.#wait, least);
    this.#again = Date.now() + wait;
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
    this.#become("stale", `${why} Trying again in ${Math.round(wait / 1000)} s.`);
  }

  #tick() {
    const now = Date.now();
    const age = Math.max(0, now - this.#heard);
    const silent = this.#source && age > SILENT_MS && now - this.#opened > SILENT_MS;
    if (silent || (this.#again && now >= this.#again)) this.#open();
    if (age > STALE_MS && this.#state !== "stale") this.#become("stale", "Nothing comes from the service.");
    this.#tell.age(Math.floor(age / 1000));
  }

  #become(state, why) {
    if (state === this.#state && why === this.#why) return;
    this.#state = state;
    this.#why = why;
    this.#tell.state(state, why);
  }
}

/** Why the stream is refused, which an EventSource does not say, and the least wait in ms. */
async function reasonOf(url) {
  const stop = new AbortController();
  try {
    const answer = await fetch(url, { cache: "no-store", signal: stop.signal });
    if (answer.ok) return ["The stream ended.", 0];
    const least = 1000 * (Number(answer.headers.get("retry-after")) || 0);
    return [(await answer.json()).detail, least];
  } catch {
    return ["The service cannot be reached.", 0];
  } finally {
    stop.abort();
  }
}

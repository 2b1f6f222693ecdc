// What all sending waits for: a pause, a full queue, a lost connection.

const FIRST_MS = 500;
const MOST_MS = 8000;

/** Time to wait before the nth try: doubled each time, with jitter. */
export function backoff(tries) {
  return Math.min(MOST_MS, FIRST_MS * 2 ** tries) * (0.75 + Math.random() / 2);
}

/** A promise that settles after some ms, or rejects when the signal aborts. */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => { clearTimeout(timer); reject(signal.reason); };
    const timer = setTimeout(() => { signal?.removeEventListener("abort", stop); resolve(); }, ms);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Lets all through, or none until it is told to or a time has come. */
export class Gate {
  #until = 0;
  #losses = 0;
  #woken = new EventTarget();
  #changed;

  /** `changed(why, until)` is called when it closes, and with "" when it opens. */
  constructor(changed) {
    this.#changed = changed;
    addEventListener("online", () => this.open());
    addEventListener("offline", () => this.lost());
  }

  get lostNow() { return this.#losses > 0; }

  /** Closes for some ms. */
  close(ms, why) {
    const until = performance.now() + ms;
    if (until <= this.#until) return;
    this.#until = until;
    this.#changed(why, until);
  }

  /** The connection failed: closes for longer each time. */
  lost() {
    if (performance.now() < this.#until) return;
    this.close(backoff(this.#losses++), "lost");
  }

  /** An answer came: there is a connection. */
  back() {
    if (!this.#losses) return;
    this.#losses = 0;
    this.open();
  }

  /** Opens at once. */
  open() {
    this.#until = 0;
    this.#woken.dispatchEvent(new Event("open"));
    if (!this.#losses) this.#changed("", 0);
  }

  /** Waits until it is open; rejects when the signal aborts. */
  async pass(signal) {
    signal?.throwIfAborted();
    for (let left; (left = this.#until - performance.now()) > 0;) {
      const woken = new AbortController();
      const wake = () => woken.abort();
      this.#woken.addEventListener("open", wake, { once: true });
      const either = signal ? AbortSignal.any([signal, woken.signal]) : woken.signal;
      try {
        await sleep(left, either);
      } catch (reason) {
        if (signal?.aborted) throw reason;
      } finally {
        this.#woken.removeEventListener("open", wake);
      }
    }
    if (this.#until) {
      this.#until = 0;
      if (!this.#losses) this.#changed("", 0);
    }
  }
}

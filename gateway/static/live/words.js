// Numbers and states in plain words.

const FIGURES = [0, 1].map(
  (n) => new Intl.NumberFormat("en-GB", { minimumFractionDigits: n, maximumFractionDigits: n }),
);

// Codes that say too little when they are read as words.
const ERRORS = {
  busy: "too many uploads at once",
  "broker-away": "Redis did not answer",
  "broker-full": "Redis had no room left",
  "cross-site": "sent by a page of another site",
  "dead-letter": "given up on after several tries",
  "request-lost": "lost in a crash of Redis",
  undecodable: "could not be decoded",
};

/** A whole number with thousands separators. */
export const whole = (value) => FIGURES[0].format(value);

/** A number with one decimal, from a thousand on with none; a dash where there is none. */
export function figure(value) {
  if (value === null || value === undefined) return "–";
  return FIGURES[Math.abs(value) < 999.95 ? 1 : 0].format(value);
}

/** A tick: no decimals that are not needed. */
export const tick = (value) => String(Number(value.toPrecision(3)).toLocaleString("en-GB"));

/** A count with its noun. */
export const many = (n, noun, plural = `${noun}s`) => `${whole(n)} ${n === 1 ? noun : plural}`;

/** An error's code in plain words. */
export const reason = (code) => ERRORS[code] ?? code.replaceAll("-", " ");

/** An age: seconds, then minutes. */
export const age = (seconds) => (seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`);

/** A batch's milliseconds as an equation. */
export const cost = (worker) => `${figure(worker.fixed_ms)} + ${figure(worker.image_ms)} n`;

/** A letter for the n-th, A to Z and A again. */
export const letter = (n) => String.fromCharCode(65 + (n % 26));

/** How many pictures wait, in both lanes. */
export const waiting = ({ backlog }) => (backlog.interactive ?? 0) + (backlog.bulk ?? 0);

/** How the service is, in a sentence: [well|idle|trouble, bold words, more words]. */
export function verdict({ away, workers, backlog }, quiet) {
  if (away) return ["trouble", "Redis is away.", `Nothing can be classified until it is back. ${away}.`];
  const lost = workers.filter(({ state }) => state === "lost").length;
  const here = many(workers.length - lost, "worker");
  if (lost === workers.length) return ["trouble", "No worker is here.", "Pictures are refused until one starts."];
  if (lost) return ["trouble", `${many(lost, "worker")} lost.`, `${here} still here, going on with the work.`];
  if (quiet) return ["idle", "Idle.", `No pictures in the last five minutes. ${here} ready.`];
  const n = waiting({ backlog });
  return ["well", "Working.", `${here}, ${n ? many(n, "picture") : "nothing"} waiting.`];
}

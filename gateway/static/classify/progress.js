// The bar: how many are done, how fast, how long still.

import { duration } from "./answer.js";
import { active, touch } from "./cards.js";
import { cards } from "./gallery.js";
import { say } from "./say.js";

const WINDOW_MS = 10_000;
const STEP = 25; // per cent that are worth saying
const bar = document.getElementById("bar");
const part = (name) => bar.querySelector(`[data-part=${name}]`);
const does = (name) => bar.querySelector(`[data-do=${name}]`);
const untitled = document.title;
const ended = new WeakSet();
let times = [];
let started = 0;
let said = 0;

/** Counts of all cards: done, left, failed. */
export function counts() {
  const left = cards.filter(active).length;
  const done = cards.filter(({ state }) => state === "done").length;
  return { done, left, failed: cards.length - left - done, all: cards.length };
}

/** Notes those that have ended since, and shows where all stand. */
export function progress(painted, paused) {
  const now = Date.now();
  for (const card of painted) {
    if (active(card)) ended.delete(card);
    else if (!ended.has(card)) { ended.add(card); times.push(now); }
  }
  const found = counts();
  if (found.left && !started) { started = now; said = 0; }
  show(found, now, paused);
  if (started && !found.left) finish(found, now);
}

function show({ done, left, failed, all }, now, paused) {
  bar.hidden = all < 2;
  const meter = bar.querySelector("progress");
  meter.max = all;
  meter.value = all - left;
  for (const [name, value] of Object.entries({ done, left, failed })) part(name).textContent = value;
  bar.classList.toggle("trouble", failed > 0);
  const focused = bar.contains(document.activeElement) ? document.activeElement : null;
  does("retry-failed").hidden = !failed || !cards.some(retryable);
  for (const name of ["pause", "cancel"]) does(name).hidden = !left;
  if (focused?.hidden) bar.focus({ preventScroll: true });
  if (!left) return;
  times = times.filter((time) => now - time < WINDOW_MS);
  const span = Math.min(WINDOW_MS, now - started);
  const rate = span > 500 ? 1000 * times.length / span : 0;
  part("rate").textContent = rate ? `${rate.toFixed(1)} a second` : "";
  part("eta").textContent = paused ? "paused" : rate ? `${duration(Math.max(1000, 1000 * left / rate))} left` : "";
  if (all > 1) document.title = `${all - left} of ${all} – Pictor`;
  const step = Math.floor(100 * (all - left) / all / STEP);
  if (all > 1 && step > said) {
    said = step;
    say(`${all - left} of ${all} are done.`);
  }
}

function finish({ done, failed, all }, now) {
  const took = duration(now - started);
  started = 0;
  times = [];
  document.title = untitled;
  if (all < 2) return;
  part("rate").textContent = "";
  part("eta").textContent = `in ${took}`;
  say(`All have ended: ${done} classified${failed ? `, ${failed} not` : ""}.`);
}

/** Whether trying a card again may help. */
export function retryable({ state, refused }) {
  return (state === "failed" || state === "cancelled") && !refused;
}

setInterval(() => { if (started) touch(cards.find(active) ?? cards[0]); }, 1000);

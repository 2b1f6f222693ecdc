// A card for each picture: made once, then painted as its state changes, at most once a frame.

import { duration, inWords, receipt, showAnswer } from "./answer.js";

const template = document.getElementById("card");
const dirty = new Set();
const painters = [];
let counter = 0;
let adrift = false;

/** Makes a card; it is not in the page yet. */
export function make({ file, path }, lane) {
  const el = template.content.cloneNode(true).firstElementChild;
  const parts = new Map([...el.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
  const card = {
    el, file, path, lane, key: ++counter, state: "waiting", width: 0, height: 0,
    part: (name) => parts.get(name) ?? el.querySelector(`[data-part=${name}]`),
    does: (name) => el.querySelector(`[data-do=${name}]`),
  };
  const name = el.querySelector(".file");
  name.textContent = name.title = file.name;
  name.id = `picture-${card.key}`;
  el.dataset.name = file.name;
  el.tabIndex = -1;
  card.part("thumb").setAttribute("aria-label", file.name);
  for (const button of el.querySelectorAll("button")) {
    button.setAttribute("aria-describedby", name.id);
    button.tabIndex = -1;
  }
  paint(card);
  return card;
}

/** Has a card painted in the next frame. */
export function touch(card) {
  if (!dirty.size) requestAnimationFrame(paintAll);
  dirty.add(card);
}

/** Calls `then(cards)` after cards were painted. */
export function afterPaint(then) {
  painters.push(then);
}

/** Says whether the connection is gone, which all that is sent then waits for. */
export function setAdrift(gone, cards) {
  if (gone !== adrift) cards.forEach(touch);
  adrift = gone;
}

function paintAll() {
  const now = [...dirty];
  dirty.clear();
  now.forEach(paint);
  painters.forEach((then) => then(now));
}

/** Whether a picture still waits for its answer. */
export function active({ state }) {
  return state === "waiting" || state === "queued" || state === "running";
}

function paint(card) {
  const { el, state, answer } = card;
  const was = el.dataset.state;
  el.dataset.state = state;
  el.setAttribute("aria-busy", String(active(card)));
  card.part("status").textContent = status(card);
  if (was === state) return;
  const [done, gone] = [state === "done", state === "failed" || state === "cancelled"];
  const focused = el.contains(document.activeElement) ? document.activeElement : null;
  const reason = card.part("reason");
  reason.hidden = !gone;
  reason.textContent = state === "cancelled" ? "It was cancelled before its answer came." : card.reason ?? "";
  card.does("retry").hidden = !gone || Boolean(card.refused);
  for (const name of ["right", "wrong", "why", "time", "explain"]) {
    for (const button of el.querySelectorAll(`[data-do=${name}]`)) {
      button.disabled = !done;
      if (name !== "explain") button.hidden = gone;
    }
  }
  if (focused?.hidden || focused?.disabled) el.focus({ preventScroll: true });
  // They only hold their places until there is something in them.
  el.querySelector(".bars").setAttribute("aria-hidden", String(!done));
  card.part("best").setAttribute("aria-hidden", String(!done && !gone));
  if (done) {
    showAnswer(card);
    el.dataset.label = answer.predictions[0].label;
  } else {
    card.part("best").textContent = headline(card);
  }
  el.setAttribute("aria-label", `${card.file.name}: ${done ? inWords(answer.predictions[0]) : headline(card)}`);
}

function headline({ state }) {
  if (state === "failed") return "Not classified";
  return state === "cancelled" ? "Cancelled" : "\u00a0";
}

function status({ state, ahead, eta }) {
  if (state === "waiting") return "Waiting";
  if (state !== "running" && state !== "queued") return "";
  if (adrift) return "Waits for the connection";
  if (state === "running") return "Classifying";
  return `${ahead} ahead, about ${duration(eta)}`;
}

/** Opens or closes the receipt of a card. */
export function toggleTime(card) {
  const open = card.el.querySelector(".receipt");
  card.does("time").setAttribute("aria-expanded", String(!open));
  if (open) return open.remove();
  const made = receipt(card.answer);
  made.dataset.part = "time";
  card.el.append(made);
  return undefined;
}

// Takes the page over from the plain form: wires what comes in, what is sent and what is shown.

import { inWords } from "./answer.js";
import { active, afterPaint, make, setAdrift, toggleTime, touch } from "./cards.js";
import { append, cards, refresh, shown, view } from "./gallery.js";
import { Gate } from "./gate.js";
import { inspect } from "./inspect.js";
import * as intake from "./intake.js";
import { closeCorrect, right, toggleCorrect, undo } from "./judge.js";
import * as keys from "./keys.js";
import { counts, progress, retryable } from "./progress.js";
import { FEW, Queue } from "./queue.js";
import { say, trouble } from "./say.js";
import { csv, download, json } from "./table.js";
import { thumbnail } from "./thumbs.js";
import { classify, Refused } from "./upload.js";
import { closeWhy, toggleWhy } from "./why.js";

const A_FRAME = 40; // cards made in one
const page = document.getElementById("classify");
const form = page.querySelector("form.upload");
const sort = document.getElementById("sort");
const bar = document.getElementById("bar");
const limits = { bytes: Number(page.dataset.maxBytes), pixels: Number(page.dataset.maxPixels) };
const byElement = new Map();
const gate = new Gate(stopped);
const queue = new Queue(ask, touch);

async function take(found, left, folder, unread = 0) {
  const note = document.getElementById("left-out");
  const words = [
    !found.length && "There is no picture in this folder.",
    found.length && left && `${left} other ${left === 1 ? "file" : "files"} in the folder left out: no pictures.`,
    unread && `${unread} ${unread === 1 ? "folder" : "folders"} in it could not be read to the end.`,
  ].filter(Boolean).join(" ");
  note.hidden = !folder || !words;
  note.textContent = words;
  const lane = found.length > FEW ? "bulk" : "interactive";
  if (found.length) begin();
  for (let at = 0; at < found.length; at += A_FRAME) {
    if (at) await new Promise(requestAnimationFrame);
    const made = found.slice(at, at + A_FRAME).map((one) => make(one, lane));
    made.forEach((card) => byElement.set(card.el, card));
    append(made);
    show();
    progress(made, queue.paused);
    made.forEach(admit);
  }
  say(`${found.length} added. ${note.hidden ? "" : note.textContent}`);
}

/** The form makes room for cards. */
function begin() {
  if (page.classList.contains("begun")) return;
  document.querySelector(".answer")?.remove();
  page.querySelector(":scope > .alert:not(#trouble)")?.remove();
  page.classList.add("begun");
  form.querySelector("label").textContent = "Drop or paste more";
  const focused = form.contains(document.activeElement) ? document.activeElement : null;
  form.parentNode.insertBefore(form, form.nextSibling); // made anew: to the browser, nothing of it has moved
  focused?.focus();
}

async function admit(card) {
  const found = await inspect(card.file, limits);
  Object.assign(card, found);
  if (!active(card)) return;
  if (found.refused) fail(card, found.refused);
  else queue.add(card);
  thumbnail(card);
}

async function ask(card, signal) {
  const told = (place) => {
    if (place?.lost) return;
    card.state = place?.ahead ? "queued" : "running";
    Object.assign(card, place);
    touch(card);
  };
  try {
    const answer = await classify({ ...card, signal, gate, told });
    if (signal.aborted) return;
    Object.assign(card, { answer, state: "done", reason: "" });
    touch(card);
    if (cards.length === 1) say(inWords(answer.predictions[0]));
  } catch (error) {
    if (signal.aborted) return;
    fail(card, error instanceof Refused ? error.message : `Something on this page failed: ${error.message}`);
  }
}

function fail(card, reason) {
  Object.assign(card, { reason, state: "failed" });
  touch(card);
  if (cards.length === 1) say(reason);
}

function stopped(why, until) {
  const sent = cards.filter(active);
  setAdrift(why === "lost" && sent.length > 0, sent);
  if (!sent.length) return trouble("");
  if (why !== "lost") return trouble(why, until);
  const { done, all } = counts();
  const kept = all > 1 ? ` ${done} of ${all} are done and kept;` : "";
  return trouble(`The connection is gone;${kept} going on when it is back.`);
}

function again(list) {
  for (const card of list) {
    card.reason = "";
    queue.add(card);
  }
}

function pause(paused) {
  queue.pause(paused);
  const button = bar.querySelector("[data-do=pause]");
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Go on" : "Pause";
  progress([], paused);
}

function act(el, name, rank = 1) {
  const card = byElement.get(el);
  if (name === "retry") return again([card].filter(retryable));
  if (card.state !== "done") return undefined;
  if (name === "right") return right(card);
  if (name === "wrong") return toggleCorrect(card);
  if (name === "undo") return undo(card);
  if (name === "time") return toggleTime(card);
  return card.does("why") ? toggleWhy(card, rank, gate) : undefined;
}

function close(el) {
  const card = byElement.get(el);
  if (closeCorrect(card, true) || closeWhy(card)) return true;
  const open = Boolean(el.querySelector(".receipt"));
  if (open) toggleTime(card);
  return open;
}

function show() {
  const { counts: found, nothing } = refresh();
  sort.hidden = cards.length < 2;
  sort.querySelectorAll("[data-filter]").forEach((chip) => {
    chip.setAttribute("aria-pressed", String(chip.dataset.filter === view.filter));
    chip.querySelector("b").textContent = found[chip.dataset.filter];
  });
  sort.classList.toggle("nothing", nothing);
  keys.keepCurrent();
}

function wire() {
  document.getElementById("cards").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    const el = event.target.closest(".card");
    if (!button || !el) return;
    const { do: name, rank } = button.dataset;
    if (["send", "close"].includes(name)) return;
    const open = name === "why" ? byElement.get(el).rank : 0;
    act(el, name === "explain" ? "why" : name, Number(rank) || open || 1);
  });
  bar.addEventListener("click", ({ target }) => {
    const name = target.closest("button")?.dataset.do;
    if (name === "pause") pause(!queue.paused);
    if (name === "cancel") { queue.cancel(); pause(false); gate.open(); stopped(""); }
    if (name === "retry-failed") again(cards.filter(retryable));
  });
  sort.addEventListener("click", ({ target }) => {
    const { filter, do: name } = target.closest("button")?.dataset ?? {};
    if (filter) { view.filter = filter; show(); }
    if (name === "csv") download(csv(shown()), "text/csv", "pictor.csv");
    if (name === "json") download(json(shown()), "application/json", "pictor.json");
  });
  sort.addEventListener("input", ({ target }) => {
    if (target.id === "find") view.text = target.value.trim().toLowerCase();
    else view.threshold = Number(target.value) / 100;
    sort.querySelector("output").textContent = `${Math.round(view.threshold * 100)}\u00a0%`;
    requestAnimationFrame(show);
  });
  afterPaint((painted) => { show(); progress(painted, queue.paused); });
  addEventListener("beforeunload", (event) => { if (cards.some(active)) event.preventDefault(); });
  keys.listen(act, close);
  intake.listen(take);
}

function start() {
  wire();
  page.classList.add("live");
  page.querySelectorAll(".ways").forEach((one) => { one.hidden = false; });
  form.querySelector("[data-do=submit]").hidden = true;
  form.querySelector("label").textContent = "Drop pictures here, or choose them";
  const input = document.getElementById("file");
  Object.assign(input, { multiple: true, required: false, tabIndex: -1 });
  if (input.files.length) input.dispatchEvent(new Event("change"));
}

start();

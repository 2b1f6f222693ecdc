// Right or wrong: reports, and takes them back.

import { combobox } from "./combobox.js";
import { exactly, labels, matching } from "./labels.js";
import { say } from "./say.js";

const ENDPOINT = "/v1/feedback";
const AWAY = "The report could not be stored: the connection is gone. Try again.";

async function call(method, path, options = {}) {
  let reply;
  try {
    reply = await fetch(ENDPOINT + path, { method, ...options });
  } catch {
    throw new Error(AWAY);
  }
  const body = reply.status === 204 ? {} : await reply.json().catch(() => ({}));
  if (reply.ok) return body;
  throw Object.assign(new Error(body.detail ?? `The server answered ${reply.status}.`), { status: reply.status });
}

/** Reports a card's answer as right. */
export async function right(card) {
  if (card.busy || card.report) return;
  closeCorrect(card);
  try {
    await report(card, { verdict: "right" });
    reported(card, "Reported as right.");
  } catch (error) {
    told(card, error.message, false);
  }
}

async function report(card, judged) {
  const { id, model_digest, digest, predictions } = card.answer;
  const best = predictions[0];
  const body = { id, ...judged, answered: best.label, score: best.score, model_digest, digest };
  card.busy = true;
  try {
    const stored = await call("POST", "", {
      headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    card.report = { ...judged, token: stored.token };
  } finally {
    card.busy = false;
  }
}

/** Takes a report back. */
export async function undo(card) {
  if (card.busy || !card.report?.token) return;
  card.busy = true;
  try {
    await call("DELETE", `/${card.report.token}`);
  } catch (error) {
    if (error.status !== 404) return void told(card, error.message.replace("stored", "taken back"), true);
  } finally {
    card.busy = false;
  }
  const back = card.does(card.report.verdict);
  const focused = card.el.querySelector(".told").contains(document.activeElement);
  card.report = null;
  delete card.el.dataset.verdict;
  told(card, "", false);
  if (focused) back.focus();
  say("Taken back.");
}

function reported(card, words) {
  card.el.dataset.verdict = card.report.verdict;
  told(card, words, Boolean(card.report.token));
}

/** Shows what became of a report, in the place of the buttons where it was stored. */
function told(card, words, undoable) {
  const place = card.el.querySelector(".told");
  const held = card.el.contains(document.activeElement) && document.activeElement !== card.el;
  const stored = Boolean(card.report);
  place.hidden = !words;
  card.part("reported").textContent = words;
  card.does("undo").hidden = !undoable;
  for (const name of ["right", "wrong"]) card.does(name).hidden = stored;
  if (words) say(words);
  if (held && stored) (undoable ? card.does("undo") : card.el).focus({ preventScroll: true });
}

/** Opens the search for the right category, or closes it. */
export function toggleCorrect(card) {
  if (card.report || card.busy) return;
  if (card.part("correct")) closeCorrect(card, true);
  else openCorrect(card);
}

/** Closes the search; says whether it was open. */
export function closeCorrect(card, focus = false) {
  const form = card.part("correct");
  if (!form) return false;
  form.remove();
  const opener = card.does("wrong");
  opener.setAttribute("aria-expanded", "false");
  if (focus) (opener.hidden ? card.el : opener).focus();
  return true;
}

function openCorrect(card) {
  const form = document.getElementById("correct").content.cloneNode(true).firstElementChild;
  const [input, list] = ["[role=combobox]", "[role=listbox]"].map((one) => form.querySelector(one));
  const hint = form.querySelector("[role=status]");
  let all = null;
  let chosen = null;
  const others = card.answer.predictions.slice(1);
  const search = (text) => (text.trim() ? matching(all ?? [], text) : others)
    .map((one) => ({ value: one.label, text: one.description, code: one.label }));
  const box = combobox(input, list, search, (one) => { chosen = one; hint.textContent = ""; });
  labels().then((loaded) => {
    all = loaded;
    if (input.value.trim() && document.activeElement === input && !chosen) box.open();
  }, () => { hint.textContent = "The categories cannot be loaded now; your own words are stored."; });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = input.value.trim();
    const label = chosen?.value ?? exactly(all ?? [], typed)?.label;
    send(card, form, { label, typed: label ? chosen?.text ?? typed : typed });
  });
  form.querySelector("[data-do=close]").addEventListener("click", () => closeCorrect(card, true));
  card.el.append(form);
  card.does("wrong").setAttribute("aria-expanded", "true");
  input.focus({ preventScroll: true });
  form.scrollIntoView({ block: "nearest" });
}

async function send(card, form, { label, typed }) {
  if (card.busy) return;
  const keep = form.querySelector("[data-part=keep]")?.checked;
  const judged = { verdict: "wrong", ...(label ? { label } : {}), ...(typed && !label ? { text: typed } : {}) };
  try {
    await report(card, judged);
  } catch (error) {
    form.querySelector("[role=status]").textContent = error.message;
    return;
  }
  const words = typed ? `Reported as wrong: it is ${typed.split(", ")[0]}.` : "Reported as wrong.";
  reported(card, keep ? `${words} ${await keepPicture(card)}` : words);
  closeCorrect(card);
  if (document.activeElement === document.body) {
    (card.report.token ? card.does("undo") : card.el).focus({ preventScroll: true });
  }
}

async function keepPicture(card) {
  const { token } = card.report;
  if (!token) return "The picture was not kept.";
  try {
    const { until } = await call("PUT", `/${token}/picture`, {
      headers: { "Content-Type": card.type }, body: card.file,
    });
    return `The picture is kept until ${new Date(until).toLocaleDateString()}.`;
  } catch (error) {
    return `The picture was not kept: ${error.message}`;
  }
}

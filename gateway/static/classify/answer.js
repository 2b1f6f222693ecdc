// An answer in words and figures, the same as on the page without JavaScript.

const SURENESS = [[0.9, "very sure"], [0.6, "fairly sure"], [0.3, "not sure"], [0, "a guess"]];

/** A probability in words. */
export function sureness(score) {
  return SURENESS.find(([least]) => score >= least)[1];
}

/** A probability in figures. */
export function percent(score) {
  if (score > 0.9995) return ">\u200999.9\u00a0%";
  if (score > 0 && score < 0.0005) return "<\u20090.1\u00a0%";
  return `${(score * 100).toFixed(1)}\u00a0%`;
}

/** A time in words: ms below a second, else seconds or minutes. */
export function duration(ms) {
  if (ms < 1000) return `${Math.max(1, Math.round(ms))}\u00a0ms`;
  if (ms < 100_000) return `${Math.round(ms / 1000)}\u00a0s`;
  return `${Math.round(ms / 60_000)}\u00a0min`;
}

/** "Espresso, very sure, 95.1 %". */
export function inWords({ description, score }) {
  return `${capital(description)}, ${sureness(score)}, ${percent(score)}`;
}

/** With a capital letter. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Fills the headline, the score and the bars of a card. */
export function showAnswer(card) {
  const { predictions } = card.answer;
  const best = predictions[0];
  const name = card.part("best");
  name.textContent = capital(best.description);
  name.title = best.description;
  name.dataset.size = best.description.length > 24 ? "long" : "";
  card.el.querySelector(".raw code").textContent = best.label;
  const figures = document.createElement("b");
  figures.textContent = percent(best.score);
  card.part("score").replaceChildren(`${sureness(best.score)}, `, figures);
  card.el.querySelectorAll(".bars button").forEach((bar, n) => showBar(bar, predictions[n]));
}

function showBar(bar, one) {
  bar.hidden = !one;
  if (!one) return;
  bar.querySelector(".text").textContent = one.description.split(", ")[0];
  bar.querySelector("b").textContent = percent(one.score);
  bar.querySelector(".meter i").style.transform = `scaleX(${Math.max(one.score, 0.003)})`;
  bar.title = one.description;
}

/** The receipt: where the time went, and with how many it travelled. */
export function receipt({ timing_ms: timing, batch, cached, model, id }) {
  const made = document.getElementById("receipt").content.cloneNode(true).firstElementChild;
  const parts = Object.values(timing);
  const ms = (value) => `${value.toFixed(1)}\u00a0ms`;
  const cells = made.querySelectorAll("td");
  made.querySelectorAll(".stack i").forEach((part, n) => { part.style.flexGrow = parts[n]; });
  parts.forEach((value, n) => { cells[n].textContent = ms(value); });
  cells[parts.length].textContent = ms(parts.reduce((sum, value) => sum + value, 0));
  const travelled = batch > 1 ? `in a batch of ${batch}` : "alone";
  const code = document.createElement("code");
  code.textContent = id;
  const how = cached || !batch ? "Known already: answered from the cache" : `It travelled ${travelled}`;
  made.querySelector("p").append(`${how}. Model ${model}, request `, code);
  return made;
}

// The Live page: numbers come, and are drawn, once a second.

import { batches } from "./batches.js";
import { costs } from "./costs.js";
import { History } from "./history.js";
import { stages } from "./stages.js";
import { Stream } from "./stream.js";
import { say } from "./svg.js";
import { Letters, errors, workers } from "./tables.js";
import { tiles } from "./tiles.js";
import { age, verdict } from "./words.js";

const page = document.querySelector("#live");
const part = (name) => page.querySelector(`[data-part=${name}]`);
const history = new History();
const letters = new Letters();
const views = [
  tiles(page),
  stages(page.querySelector("#latency")),
  batches(page.querySelector("#batches")),
  costs(page.querySelector("#costs"), letters),
  workers(page.querySelector("#workers"), letters),
  errors(page.querySelector("#errors")),
];
let behind = false;
let told = null;

/** How the service is, said politely whenever a trouble comes, changes or is over. */
function judge() {
  const quiet = history.samples.every(({ rate, asked }) => !rate && !asked);
  const [state, words, more] = verdict(history.last, quiet);
  if (told && words !== told[1] && [state, told[0]].includes("trouble")) say(part("said"), `${words} ${more}`);
  told = [state, words];
  show(state, words, more);
}

function show(state, words, more) {
  part("health").dataset.state = state;
  say(part("word"), words);
  say(part("more"), more);
}

function draw() {
  behind = document.hidden;
  if (!behind) views.forEach((view) => view(history));
}

new Stream("/v1/live", {
  samples(samples) {
    history.merge(samples);
    letters.follow(history.last.workers);
    judge();
    draw();
  },
  state(name, why) {
    const before = page.dataset.state;
    page.dataset.state = name;
    say(part("state"), name[0].toUpperCase() + name.slice(1));
    if (name === "stale") show("idle", "Not known just now.", why);
    if (name === before) return;
    if (name === "stale") say(part("said"), `The numbers are no longer live. ${why}`);
    else if (before === "stale") say(part("said"), "The numbers are live again.");
  },
  age: (seconds) => say(part("age"), age(seconds)),
});

document.addEventListener("visibilitychange", () => behind && draw());

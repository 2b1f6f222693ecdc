// All cards: in the order they came while they are under way, then by category; and which are shown.

import { capital } from "./answer.js";
import { active } from "./cards.js";

const root = document.getElementById("cards");
const GAP_PX = 16;
const LEAST_PX = 248;
const groups = new Map();
let columns = 1;

/** All cards, in the order they came. */
export const cards = [];
/** What is shown; `threshold` parts sure from not sure. */
export const view = { filter: "all", text: "", threshold: 0.5 };

/** Adds new cards to those under way. */
export function append(made) {
  cards.push(...made);
  const alone = cards.length === 1;
  made.forEach((card) => { card.large = alone; });
  root.hidden = false;
  root.classList.toggle("single", alone);
  fit();
  const group = groupOf("running");
  root.prepend(group.el);
  group.grid.append(...made.map(({ el }) => el));
  made.forEach((card) => { card.group = group; });
}

/** Whether an answer is at least as sure as the threshold says. */
export function sure({ answer }) {
  return answer.predictions[0].score >= view.threshold;
}

function passes(card, filter) {
  if (filter === "all") return true;
  if (filter === "running") return active(card);
  if (filter === "failed") return card.state === "failed" || card.state === "cancelled";
  return card.state === "done" && sure(card) === (filter === "sure");
}

function named(card) {
  if (!view.text) return true;
  const best = card.answer?.predictions[0];
  const all = `${card.path} ${best ? `${best.description} ${best.label}` : ""}`;
  return all.toLowerCase().replaceAll("_", " ").includes(view.text);
}

/** The cards that are shown, in the order they are. */
export function shown() {
  const order = new Map([...root.querySelectorAll(".card")].map((el, n) => [el, n]));
  return cards.filter(({ el }) => !el.hidden).sort((a, b) => order.get(a.el) - order.get(b.el));
}

/** Hides what is not asked for, and counts; gathers by category once nothing is under way. */
export function refresh() {
  if (cards.length < 2 || cards.some(active)) return count();
  return steady(() => {
    gather();
    return count();
  });
}

function count() {
  const counts = { all: 0, sure: 0, unsure: 0, failed: 0, running: 0 };
  const visible = new Map();
  for (const card of cards) {
    const kinds = Object.keys(counts).filter((kind) => passes(card, kind));
    kinds.forEach((kind) => { counts[kind] += 1; });
    const show = kinds.includes(view.filter) && named(card);
    if (card.el.hidden === show) card.el.hidden = !show;
    if (show) visible.set(card.group, (visible.get(card.group) ?? 0) + 1);
  }
  for (const group of groups.values()) measure(group, visible.get(group) ?? 0);
  return { counts, nothing: !visible.size };
}

function measure(group, count) {
  group.el.hidden = !count;
  if (group.count === count && group.columns === columns) return;
  Object.assign(group, { count, columns });
  group.number.textContent = count;
  group.el.style.setProperty("--span", Math.max(1, Math.min(count, columns)));
}

function gather() {
  const wanted = new Map();
  for (const card of cards) {
    const key = keyOf(card);
    if (!wanted.has(key)) wanted.set(key, []);
    wanted.get(key).push(card);
  }
  const rank = (key) => (key === "unsure" ? 0 : key === "failed" ? 2 : 1);
  const order = [...wanted.keys()].sort((a, b) => rank(a) - rank(b)
    || wanted.get(b).length - wanted.get(a).length || a.localeCompare(b));
  for (const key of groups.keys()) {
    if (!wanted.has(key)) groups.delete(key);
  }
  order.forEach((key, n) => place(key, wanted.get(key), n));
  [...root.children].slice(order.length).forEach((el) => el.remove());
}

function keyOf(card) {
  if (card.state !== "done") return "failed";
  return sure(card) ? `=${card.answer.predictions[0].label}` : "unsure";
}

function place(key, members, n) {
  const group = groupOf(key, members[0]);
  if (root.children[n] !== group.el) root.insertBefore(group.el, root.children[n] ?? null);
  members.forEach((card, at) => {
    card.group = group;
    const there = group.grid.children[at];
    if (there !== card.el) group.grid.insertBefore(card.el, there ?? null);
  });
}

/** Changes the page's order; what has the focus keeps it, and its place in the window. */
function steady(change) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  const top = focused?.getBoundingClientRect().top;
  const result = change();
  if (!focused) return result;
  if (document.activeElement !== focused) focused.focus({ preventScroll: true });
  const moved = focused.getBoundingClientRect().top - top;
  if (moved) scrollBy({ top: moved, behavior: "instant" });
  return result;
}

function groupOf(key, card) {
  if (groups.has(key)) return groups.get(key);
  const el = document.createElement("section");
  const heading = document.createElement("h2");
  const number = document.createElement("span");
  const grid = document.createElement("div");
  el.className = "group";
  el.dataset.group = key.replace(/^=/, "");
  heading.id = `group-${groups.size}-${cards.length}-${Date.now()}`;
  el.setAttribute("aria-labelledby", heading.id);
  heading.append(title(key, card), " ", number);
  grid.className = "grid";
  el.append(heading, grid);
  const group = { el, grid, number, count: -1 };
  groups.set(key, group);
  return group;
}

function title(key, card) {
  if (key === "running") return "In the order they came";
  if (key === "unsure") return "Not sure: please look";
  if (key === "failed") return "Not classified";
  return capital(card.answer.predictions[0].description.split(", ")[0]);
}

function fit() {
  const fitting = Math.max(1, Math.floor((root.clientWidth + GAP_PX) / (LEAST_PX + GAP_PX)));
  if (fitting === columns) return;
  columns = fitting;
  root.style.setProperty("--columns", columns);
  for (const group of groups.values()) measure(group, Math.max(0, group.count));
}

new ResizeObserver(fit).observe(root);

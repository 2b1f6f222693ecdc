// The keyboard: one card is the current one; arrows move, letters act, Tab goes through its buttons.

const ACTIONS = { r: "right", w: "wrong", y: "why" };
const root = document.getElementById("cards");
const TYPING = "input:not([type=range], [type=checkbox]), textarea, select";
let current = null;
let chosen = false; // by a person, who finds it again; else it is the first

/** Makes a card the one that Tab reaches. */
export function makeCurrent(el) {
  if (current === el) return;
  for (const [one, index] of [[current, -1], [el, 0]]) {
    if (!one) continue;
    one.tabIndex = index;
    one.querySelectorAll(":is(.acts, .bars) button").forEach((button) => { button.tabIndex = index; });
  }
  current = el;
}

/** Sees to it that some visible card can be reached. */
export function keepCurrent() {
  if (chosen && current?.isConnected && !current.hidden) return;
  makeCurrent(root.querySelector(".card:not([hidden])"));
}

/** Listens; `act(el, name)` does what a letter means, `close(el)` closes the innermost that is open. */
export function listen(act, close) {
  root.addEventListener("focusin", (event) => {
    const card = event.target.closest(".card");
    if (!card) return;
    chosen = true;
    makeCurrent(card);
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event;
    const card = target.closest(".card") ?? (target === document.body ? lone() : null);
    if (!card) return;
    if (key === "Escape") {
      if (close(card)) event.preventDefault();
      return;
    }
    if (target.matches(TYPING)) return;
    const action = ACTIONS[key.toLowerCase()];
    if (action) act(card, action);
    else if (target.matches("input") || !move(card, key)) return;
    event.preventDefault();
  });
}

function lone() {
  return root.classList.contains("single") ? root.querySelector(".card") : null;
}

function move(card, key) {
  const all = [...root.querySelectorAll(".card:not([hidden])")];
  const at = all.indexOf(card);
  const next = {
    ArrowRight: () => all[at + 1], ArrowLeft: () => all[at - 1],
    ArrowDown: () => beside(card, all, 1), ArrowUp: () => beside(card, all, -1),
    Home: () => all[0], End: () => all.at(-1),
  }[key]?.();
  if (!next) return false;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  return true;
}

/** The card in the next row below or above that lies nearest. */
function beside(card, all, direction) {
  const from = card.getBoundingClientRect();
  const boxes = all.map((el) => [el, el.getBoundingClientRect()])
    .filter(([, box]) => direction * (box.top - from.top) > 4);
  const row = Math.min(...boxes.map(([, box]) => direction * box.top));
  return boxes.filter(([, box]) => direction * box.top - row < 4)
    .sort(([, a], [, b]) => Math.abs(a.left - from.left) - Math.abs(b.left - from.left))[0]?.[0];
}

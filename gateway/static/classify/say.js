// Words for those who listen, and the one place for trouble that concerns all pictures.

const EVERY_MS = 1000;
const said = document.getElementById("said");
const alarm = document.getElementById("trouble");
let next = "";
let timer = 0;
let counting = 0;

/** Says a sentence to a screen reader: at most one a second, of several the last. */
export function say(text) {
  next = text;
  if (!timer) speak();
}

function speak() {
  timer = 0;
  if (!next) return;
  said.textContent = next;
  next = "";
  timer = setTimeout(speak, EVERY_MS);
}

/** Shows trouble, with a countdown where it will end at a known time (of `performance.now`); it is read out once. */
export function trouble(text, until = 0) {
  clearInterval(counting);
  alarm.hidden = !text;
  if (!text) return alarm.replaceChildren();
  const seconds = () => Math.max(1, Math.ceil((until - performance.now()) / 1000));
  const once = document.createElement("span");
  const seen = document.createElement("span");
  once.className = "unseen";
  once.textContent = until ? `${text} in ${seconds()} seconds.` : text;
  seen.setAttribute("aria-hidden", "true");
  const count = () => { seen.textContent = until ? `${text} in ${seconds()} s.` : text; };
  count();
  alarm.replaceChildren(once, seen);
  if (until) counting = setInterval(count, 250);
}

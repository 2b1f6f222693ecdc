// What the network looked at, over the picture.

import { classify } from "./upload.js";
import { say } from "./say.js";

const HUE = [255, 64, 32]; // one hue, strong on most pictures; how much of it is what is said

/** Opens the map for a rank, changes it to that rank, or closes it where it shows it already. */
export function toggleWhy(card, rank, gate) {
  const open = card.el.querySelector(".looked");
  if (open && card.rank === rank) return closeWhy(card);
  if (!open) openWhy(card);
  return show(card, rank, gate);
}

/** Closes the map; says whether it was open. */
export function closeWhy(card) {
  const open = card.el.querySelector(".looked");
  if (!open) return false;
  card.looking?.abort();
  card.rank = 0;
  card.part("map").remove();
  card.part("thumb").style.filter = "";
  const focused = open.contains(document.activeElement);
  open.remove();
  card.does("why").setAttribute("aria-expanded", "false");
  press(card);
  if (focused) card.does("why").focus();
  return true;
}

function openWhy(card) {
  const made = document.getElementById("looked").content.cloneNode(true).firstElementChild;
  const map = document.createElement("canvas");
  map.dataset.part = "map";
  map.setAttribute("role", "img");
  card.el.querySelector(".frame").append(map);
  const strength = made.querySelector("input");
  const set = () => {
    map.style.opacity = strength.value / 100;
    card.part("thumb").style.filter = `grayscale(${strength.value}%)`; // or the hue is lost among others
  };
  strength.addEventListener("input", set);
  set();
  card.el.append(made);
  card.does("why").setAttribute("aria-expanded", "true");
}

function press(card) {
  card.el.querySelectorAll(".bars button").forEach((bar) => {
    bar.setAttribute("aria-pressed", String(Number(bar.dataset.rank) === card.rank));
  });
}

async function show(card, rank, gate) {
  card.looking?.abort();
  card.rank = rank;
  press(card);
  const map = card.part("map");
  const one = card.answer.predictions[rank - 1];
  const name = one.description.split(", ")[0];
  const stop = card.looking = new AbortController();
  const tell = (state, words) => {
    map.dataset.state = state;
    card.part("looking").textContent = words;
  };
  map.dataset.label = one.label;
  map.setAttribute("aria-label", `Where the network saw ${name}`);
  tell("loading", `Looking for ${name} …`);
  try {
    const answer = await classify({
      file: card.file, type: card.type, lane: "interactive", explain: rank, signal: stop.signal, gate,
      told: (place) => {
        if (place?.lost) tell("loading", "The connection is gone; going on when it is back.");
        else if (place?.ahead) tell("loading", `Looking for ${name}: ${place.ahead} ahead`);
      },
    });
    if (stop.signal.aborted) return;
    if (!answer.map) throw new Error("The server made no map of it.");
    draw(map, card.shape ?? [4, 3], answer.map);
    tell("shown", `Where it saw ${name}. Choose a bar for another category.`);
    say(`The map for ${name} is shown.`);
  } catch (error) {
    if (stop.signal.aborted) return;
    tell("failed", error.message);
  }
}

/** Draws a grid over the part of the picture that the network saw; it fades out at that part's edges. */
function draw(canvas, [width, height], { rows, columns, values, box: [left, upper, wide, high] }) {
  const bytes = Uint8Array.from(atob(values), (c) => c.charCodeAt(0));
  const grid = new ImageData(columns + 2, rows + 2);
  const within = (at, most) => Math.min(Math.max(at, 0), most - 1);
  const [first, last] = [(at) => at < 0.001, (end) => end > 0.999];
  const cut = (row, column) => (row < 0 && !first(upper)) || (column < 0 && !first(left))
    || (row === rows && !last(upper + high)) || (column === columns && !last(left + wide));
  for (let row = -1; row <= rows; row += 1) {
    for (let column = -1; column <= columns; column += 1) {
      const value = cut(row, column) ? 0 : bytes[within(row, rows) * columns + within(column, columns)];
      grid.data.set([...HUE, value], 4 * ((row + 1) * (columns + 2) + column + 1));
    }
  }
  const small = new OffscreenCanvas(columns + 2, rows + 2);
  small.getContext("2d").putImageData(grid, 0, 0);
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const [x, y] = [wide * width / columns, high * height / rows]; // a cell
  context.drawImage(small, left * width - x, upper * height - y, wide * width + 2 * x, high * height + 2 * y);
}

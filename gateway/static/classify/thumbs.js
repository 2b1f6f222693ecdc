// Thumbnails, made in the browser: few at a time, and only for cards that are near the window.

const AT_ONCE = 2;
const LARGE_PX = 1280;
const SMALL_PX = 480;
const waiting = [];
let making = 0;

const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    waiting.push(target);
  }
  pump();
}, { rootMargin: "600px" });
const cards = new WeakMap();

/** Draws a card's picture once it is near the window. */
export function thumbnail(card) {
  cards.set(card.el, card);
  near.observe(card.el);
}

async function pump() {
  while (waiting.length && making < AT_ONCE) {
    making += 1;
    draw(cards.get(waiting.shift())).finally(() => { making -= 1; pump(); });
  }
}

async function draw(card) {
  const canvas = card.part("thumb");
  const bitmap = await decode(card, card.large ? LARGE_PX : SMALL_PX);
  canvas.hidden = !bitmap;
  card.el.querySelector(".blank").hidden = Boolean(bitmap);
  card.shape = bitmap ? [bitmap.width, bitmap.height] : null;
  if (!bitmap) return;
  [canvas.width, canvas.height] = card.shape;
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
}

/** The upright picture, scaled down on decoding; null where this browser cannot decode it. */
async function decode({ file, width, height, refused }, most) {
  if (refused && !width) return null;
  const side = width >= height ? "resizeWidth" : "resizeHeight";
  const scale = Math.max(width, height) > most ? { [side]: most, resizeQuality: "medium" } : {};
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", ...scale });
  } catch {
    return null;
  }
}

// Makes what is missing, and touches only what changed.

/** Sets attributes that differ. */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const text = String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
  return node;
}

/** Sets the text of a node if it differs; always as text, never as markup. */
export function say(node, text) {
  if (node && node.textContent !== String(text)) node.textContent = text;
  return node;
}

/** A new child of an element, of its namespace. */
export function el(parent, name, attributes = {}) {
  const node = document.createElementNS(parent.namespaceURI, name);
  parent.append(node);
  return set(node, attributes);
}

/** Gives a group one child a datum; `draw(node, datum, index)` fills each. */
export function join(group, name, data, draw) {
  while (group.childElementCount > data.length) group.lastElementChild.remove();
  while (group.childElementCount < data.length) el(group, name);
  data.forEach((datum, i) => draw(group.children[i], datum, i));
}

/** A coordinate, to a tenth of a pixel. */
export const px = (value) => Math.round(value * 10) / 10;

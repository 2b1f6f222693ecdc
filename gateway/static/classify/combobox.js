// A text field with a list of suggestions: the combobox pattern of WAI-ARIA.

let counter = 0;

/** Wires a field and its list; `search(text)` gives [{value, text, code}], `picked(one)` hears the choice. */
export function combobox(input, list, search, picked) {
  const id = `options-${++counter}`;
  let shown = [];
  let at = -1;
  list.id = id;
  input.setAttribute("aria-controls", id);

  const mark = (next) => {
    at = next;
    [...list.children].forEach((item, n) => item.setAttribute("aria-selected", String(n === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[at].id);
    return list.children[at].scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  };
  const open = () => {
    shown = search(input.value);
    list.replaceChildren(...shown.map((one, n) => option(one, `${id}-${n}`)));
    list.hidden = !shown.length;
    input.setAttribute("aria-expanded", String(Boolean(shown.length)));
    mark(shown.length && input.value.trim() ? 0 : -1);
  };
  const pick = (n) => {
    input.value = shown[n].text;
    picked(shown[n]);
    close();
  };

  input.addEventListener("input", () => { picked(null); open(); });
  input.addEventListener("click", () => { if (list.hidden) open(); });
  input.addEventListener("blur", close);
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) pick([...list.children].indexOf(item));
  });
  input.addEventListener("keydown", (event) => {
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      const step = key === "ArrowDown" ? 1 : -1;
      if (list.hidden) open();
      else mark((at + step + shown.length + (at < 0 && step < 0 ? 1 : 0)) % shown.length);
    } else if (key === "Enter" && !list.hidden && at >= 0) {
      pick(at);
    } else if (key === "Escape" && !list.hidden) {
      close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  return { open, close };
}

function option({ text, code }, id) {
  const item = document.createElement("li");
  const raw = document.createElement("code");
  raw.textContent = code;
  item.id = id;
  item.setAttribute("role", "option");
  item.append(`${text} `, raw);
  return item;
}

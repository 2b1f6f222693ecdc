// The model's categories, loaded once, and the search among them.

const MOST = 8;
let loading = null;

/** All categories; rejects where they cannot be had now. */
export function labels() {
  loading ??= load().catch((error) => { loading = null; throw error; });
  return loading;
}

async function load() {
  const reply = await fetch("/v1/labels");
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.detail);
  return body.labels.map((one) => ({ ...one, words: plain(`${one.description} ${one.label}`) }));
}

function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[_,\s-]+/g, " ").trim();
}

/** Those that hold all words of a text, those that begin with it first; at most eight. */
export function matching(all, text) {
  const asked = plain(text);
  const words = asked.split(" ");
  const rank = ({ words: own }) => {
    if (own.startsWith(asked)) return 0;
    return words.every((word) => ` ${own}`.includes(` ${word}`)) ? 1 : 2;
  };
  return all
    .filter((one) => words.every((word) => one.words.includes(word)))
    .sort((a, b) => rank(a) - rank(b) || a.words.length - b.words.length)
    .slice(0, MOST);
}

/** The category that a text spells out, by its name or one of its synonyms. */
export function exactly(all, text) {
  const asked = plain(text);
  const names = ({ description, label }) => [description, label, ...description.split(",")].map(plain);
  return all.find((one) => names(one).includes(asked)) ?? null;
}

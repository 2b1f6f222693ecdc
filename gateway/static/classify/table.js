// What is shown, as a table (RFC 4180) or as JSON.

import { sure } from "./gallery.js";

const RANKS = [2, 3, 4, 5];
const COLUMNS = ["file", "path", "state", "label", "description", "wnid", "score", "sure",
  ...RANKS.flatMap((rank) => [`label_${rank}`, `score_${rank}`]),
  "verdict", "correct", "reason", "model", "model_digest", "digest", "id"];

function row(card) {
  const { file, path, state, answer, report, reason } = card;
  const [best, ...others] = answer?.predictions ?? [];
  const cells = {
    file: file.name, path, state, label: best?.label, description: best?.description, wnid: best?.wnid,
    score: best?.score, sure: answer ? sure(card) : undefined,
    verdict: report?.verdict, correct: report?.label ?? report?.text, reason,
    model: answer?.model, model_digest: answer?.model_digest, digest: answer?.digest, id: answer?.id,
  };
  others.forEach(({ label, score }, n) => Object.assign(cells, { [`label_${n + 2}`]: label, [`score_${n + 2}`]: score }));
  return COLUMNS.map((name) => quoted(cells[name]));
}

/** A cell; text that a spreadsheet would take for a formula is made plain by an apostrophe. */
function quoted(value) {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Cards as CSV. */
export function csv(cards) {
  return [COLUMNS, ...cards.map(row)].map((cells) => `${cells.join(",")}\r\n`).join("");
}

/** Cards as JSON. */
export function json(cards) {
  return JSON.stringify(cards.map((card) => {
    const { file, path, state, reason, answer, report } = card;
    const { token, ...judged } = report ?? {};
    const { map, ...known } = answer ?? {};
    return {
      file: file.name, path, bytes: file.size, state, ...(reason ? { reason } : {}), ...known,
      ...(answer ? { sure: sure(card) } : {}), ...(report ? { feedback: judged } : {}),
    };
  }), null, 2);
}

/** Hands a text to the browser as a file. */
export function download(text, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

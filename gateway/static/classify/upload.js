// One picture's way to its answer.

import { backoff, sleep } from "./gate.js";

const PATIENCE_S = 2; // then the server says where in the line the picture is
const MOST_TRIES = 6; // after failures that are the server's own
const SLOWEST = 20; // bytes a millisecond
const LONGEST_ANSWER_MS = 30000;
const FULL = {
  "queue-full": "The queue is full; trying again",
  "quota-exceeded": "You have sent as many pictures as you may for now; going on",
  busy: "Too many uploads are on their way; trying again",
  "no-worker": "No worker is ready; trying again",
  "broker-away": "The queue does not answer; trying again",
  "broker-full": "The queue has no room left; trying again",
};

/** A picture ended without an answer; the message says why and what to do. */
export class Refused extends Error {}

/**
 * Classifies a file, however long that takes: waits where the server says so, goes on where the
 * connection was lost, and sends again what the server has forgotten. `told({ahead, eta})` hears its place
 * in the line, {lost} where the connection is gone, or null once it is on its way. Rejects with Refused, or
 * when the signal aborts.
 */
export async function classify({ file, type, lane, explain, signal, gate, told }) {
  const asked = explain ? `&explain=${explain}` : "";
  const send = {
    url: `/v1/classify?top_k=5&lane=${lane}${asked}`,
    options: {
      method: "POST",
      body: file,
      headers: { "Content-Type": type, Prefer: `respond-async, wait=${PATIENCE_S}` },
    },
    patience: LONGEST_ANSWER_MS + file.size / SLOWEST,
  };
  let ask = send;
  for (let tries = 0; ;) {
    await gate.pass(signal);
    if (ask === send) told(null);
    const reply = await exchange(ask, signal);
    if (!reply) {
      if (ask === send) await readable(file);
      gate.lost();
      told({ lost: true });
      continue;
    }
    gate.back();
    if (reply.status === 200) return reply.body;
    if (reply.status === 202) {
      told({ ahead: reply.body.ahead, eta: reply.body.eta_ms });
      ask = { url: reply.place ?? ask.url, options: {}, patience: LONGEST_ANSWER_MS };
      await sleep(reply.after ?? 1000, signal);
    } else {
      const lost = ask !== send && [404, 503, 504].includes(reply.status);
      if (!lost) await refused(reply, tries++, { gate, signal, alone: Boolean(explain) });
      if (lost || ask === send) ask = send;
    }
  }
}

/** Waits for as long as an answer other than a result says; rejects where trying again is no use. */
async function refused({ status, code, after, detail }, tries, { gate, signal, alone }) {
  const passing = status === 429 || status === 408 || status >= 500;
  const known = after !== null && (status === 429 || status === 503);
  if (!passing || (!known && alone) || (tries >= MOST_TRIES && (alone || !known))) throw new Refused(detail);
  const wait = after ?? backoff(tries);
  if (alone) await sleep(wait, signal);
  else gate.close(wait, FULL[code] ?? "The server is in trouble; trying again");
}

/** What the server answered, or null where the connection failed. */
async function exchange({ url, options, patience }, signal) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
  try {
    const reply = await fetch(url, { ...options, signal: limit });
    const body = await reply.json().catch((error) => {
      if (reply.ok) throw error; // cut off
      return {}; // a refusal by something in between
    });
    const after = reply.headers.get("Retry-After");
    return {
      status: reply.status,
      body,
      code: String(body.type ?? "").split("/").pop(),
      detail: body.detail ?? body.title ?? `The server answered ${reply.status}.`,
      place: reply.headers.get("Location"),
      after: after === null ? null : 1000 * (Number(after) || 1),
    };
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Refused("The file has changed or is gone since it was chosen. Choose it again.");
  }
}

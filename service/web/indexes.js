// The indexes that are served, looked at again and again.

import { get } from "./api.js";
import { key } from "./key.js";

const EVERY_MS = 15000;
const listeners = [];
let served = []; // as last seen: what was chosen of it stays chosen while the server is away
let away = true;
let looks = 0;

// `listener(served, away)` is told what is served each time it was looked at.
export const onIndexes = (listener) => {
  listeners.push(listener);
  listener(served, away);
};

export const named = (name) => served.find((index) => index.name === name);

// What is served, and that in words.
async function look() {
  try {
    const seen = (await get("indexes")).indexes.filter((index) => index.served);
    if (seen.length) return { seen, text: inWords(seen) };
    const { reason } = await get("readyz").catch((error) => ({ reason: error.message }));
    return { seen, text: reason ?? "no index" };
  } catch (error) {
    const refused = error.problem?.status;
    const text = { 401: key() ? "The key is not known" : "A key is needed", 403: "Not allowed to look" }[refused];
    return { seen: [], text: text ?? error.problem?.title ?? error.message, locked: refused === 401 };
  }
}

function inWords(seen) {
  const views = seen.reduce((sum, index) => sum + index.views, 0);
  return `${seen.length === 1 ? seen[0].name : `${seen.length} indexes`} · ${views} views`;
}

export async function refreshIndexes() {
  const mine = ++looks;
  const { seen, text, locked = false } = await look();
  if (mine !== looks) return; // asked with another key, or before something was enrolled or deleted
  away = seen.length === 0;
  if (!away) served = seen;
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("bad", away);
  document.getElementById("key-open").classList.toggle("quiet", !locked);
  for (const listener of listeners) listener(served, away);
}

export async function watchIndexes() {
  await refreshIndexes();
  setTimeout(watchIndexes, EVERY_MS);
}

// The indexes that are served, looked at again and again.

import { get } from "./api.js";
import { key } from "./key.js";

const EVERY_MS = 15000;
const listeners = [];
let served = [];

// `listener(served)` is told what is served each time it was looked at.
export const onIndexes = (listener) => {
  listeners.push(listener);
  listener(served);
};

export const named = (name) => served.find((index) => index.name === name);

export async function refreshIndexes() {
  const status = document.getElementById("status");
  let text;
  let refused = 0;
  try {
    served = (await get("indexes")).indexes.filter((index) => index.served);
    const views = served.reduce((sum, index) => sum + index.views, 0);
    text = served.length
      ? `${served.length === 1 ? served[0].name : `${served.length} indexes`} · ${views} views`
      : (await get("readyz").catch((error) => ({ reason: error.message }))).reason ?? "no index";
  } catch (error) {
    served = [];
    refused = error.problem?.status;
    text = { 401: key() ? "The key is not known" : "A key is needed", 403: "Not allowed to look" }[refused] ?? error.problem?.title ?? error.message;
  }
  status.textContent = text;
  status.classList.toggle("bad", served.length === 0);
  document.getElementById("key-open").classList.toggle("quiet", refused !== 401);
  for (const listener of listeners) listener(served);
}

export async function watchIndexes() {
  await refreshIndexes();
  setInterval(refreshIndexes, EVERY_MS);
}

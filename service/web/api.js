// Talks to the service, with the key of this tab. A refusal is thrown as a Refused that carries
// the problem+json.

import { authorization } from "./key.js";

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

async function read(response, kind) {
  try {
    return await response[kind]();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({
      status: response.status,
      title: "The answer cannot be read",
      detail: `The server answered ${response.status}, and what followed is no answer of Posebank or was cut off.`,
      remedy: "Try again; if it stays so, look at what stands between this page and Posebank, such as a proxy.",
    });
  }
}

// `kind`: json or blob.
async function call(address, kind, options) {
  let response;
  try {
    response = await fetch(address, { ...options, headers: authorization() });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({
      title: "The server cannot be reached",
      detail: `${address.split("?")[0]} gave no answer.`,
      remedy: "See whether `posebank serve` still runs, then try again.",
    });
  }
  if (!response.ok) throw new Refused(await read(response, "json"));
  return read(response, kind);
}

// What is empty is left out, so the server's defaults hold.
export function withQuery(path, values) {
  const set = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(set).toString();
  return text ? `${path}?${text}` : path;
}

export const get = (address, signal) => call(address, "json", { signal });
export const getBlob = (address, signal) => call(address, "blob", { signal });
export const erase = (address) => call(address, "json", { method: "DELETE" });

// A form of an image and what is asked or told of it.
export function post(route, image, name, request, signal) {
  const form = new FormData();
  form.append("image", image, name);
  form.append("request", JSON.stringify(request));
  return call(route.slice(1), "json", { method: "POST", body: form, signal });
}

// Talks to the service, with the key of this tab. A refusal is thrown as a Refused that carries
// the problem+json.

import { authorization } from "./key.js";

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return {
      status: response.status,
      title: "The answer cannot be read",
      detail: `The server answered ${response.status}.`,
      remedy: "Look at what stands between this page and Posebank, such as a proxy.",
    };
  }
}

async function call(address, options = {}) {
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
  if (!response.ok) throw new Refused(await problemOf(response));
  return response;
}

// What is empty is left out, so the server's defaults hold.
export function withQuery(path, values) {
  const set = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(set).toString();
  return text ? `${path}?${text}` : path;
}

export const get = async (address, signal) => (await call(address, { signal })).json();
export const getBlob = async (address) => (await call(address)).blob();
export const erase = async (address) => (await call(address, { method: "DELETE" })).json();

// A form of an image and what is asked or told of it.
export async function post(route, image, name, request, signal) {
  const form = new FormData();
  form.append("image", image, name);
  form.append("request", JSON.stringify(request));
  return (await call(route.slice(1), { method: "POST", body: form, signal })).json();
}

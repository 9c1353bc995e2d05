// Talks to the service. A refusal is thrown as a Refused that carries the problem+json.

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

async function read(response) {
  if (response.ok) return response.json();
  let problem;
  try {
    problem = await response.json();
  } catch {
    problem = {
      title: "The answer cannot be read",
      detail: `The server answered ${response.status}.`,
      remedy: "Look at what stands between this page and Posebank, such as a proxy.",
    };
  }
  throw new Refused(problem);
}

async function call(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({
      title: "The server cannot be reached",
      detail: `${address} gave no answer.`,
      remedy: "See whether `posebank serve` still runs, then ask again.",
    });
  }
  return read(response);
}

export const get = (address) => call(address);

export function ask(route, image, name, request, signal) {
  const form = new FormData();
  form.append("image", image, name);
  form.append("request", JSON.stringify(request));
  return call(route.slice(1), { method: "POST", body: form, signal });
}

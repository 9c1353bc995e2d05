// A refusal, with what to do about it.

import { Refused } from "./api.js";
import { h } from "./elements.js";
import { askForKey, key } from "./key.js";

const REMEDY = "Choose a JPEG, PNG or WebP image.";
// For a person at the page, who sends no headers.
const LOCKED = { title: "This server asks for a key", remedy: "Enter one; whoever runs the server makes keys." };

// Shows the refusal at the head of `place`, in sight: what was pressed may be far above it.
export function tellProblem(place, error) {
  const card = problemCard(error);
  place.prepend(card);
  card.scrollIntoView({ block: "nearest" });
}

export function problemCard(error) {
  const told = error instanceof Refused
    ? error.problem
    : { title: "This did not work", detail: error.message, remedy: REMEDY };
  const problem = told.status === 401 ? { ...told, ...LOCKED } : told;
  const locked = problem.status === 401 || problem.status === 403;
  const errors = problem.errors?.length > 1
    ? h("ul", {}, ...problem.errors.map((one) => h("li", {}, `${one.where}: ${one.message}`)))
    : null;
  return h(
    "article", { class: `card problem${locked ? " locked" : ""}`, role: "alert", "data-testid": "problem" },
    h("h2", {}, problem.title), h("p", {}, problem.detail), errors,
    h("p", {}, h("strong", {}, "What to do: "), problem.remedy),
    locked
      ? h("button", { type: "button", onclick: askForKey }, key() ? "Use another key" : "Enter a key")
      : null,
  );
}

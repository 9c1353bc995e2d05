// Choices that come from the indexes. What was chosen stays chosen where it is still offered.

export function fillSelect(select, values, first) {
  const kept = select.value;
  select.replaceChildren(...(first ? [new Option(first, "")] : []), ...values.map((v) => new Option(v, v)));
  if (values.includes(kept)) select.value = kept;
}

// What an address names is asked for even where it is not offered, so that the server says so.
export function choose(select, value) {
  select.value = value;
  if (select.value !== value) select.append(new Option(value, value, true, true));
}

export function fillIndexes(select, served) {
  fillSelect(select, served.map((index) => index.name), null);
  if (!served.some((index) => index.name === select.value)) {
    select.value = (served.find((index) => index.default) ?? served[0])?.name ?? "";
  }
}

export function fillFilters(form, index) {
  fillSelect(form.elements.dataset, index?.datasets ?? [], "any");
  fillSelect(form.elements.category, index?.categories ?? [], "any");
  fillSelect(form.elements.split, index?.splits ?? [], "any");
}

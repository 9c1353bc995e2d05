// Numbers of a form. An empty field is null.

export const number = (form, name) => {
  const text = form.elements[name].value.trim();
  return text === "" ? null : Number(text);
};

// All of them, or null where one is missing.
export const all = (form, names) => {
  const values = names.map((name) => number(form, name));
  return values.every((value) => value !== null && Number.isFinite(value)) ? values : null;
};

export const begun = (form, names) => names.some((name) => form.elements[name].value.trim() !== "");

export const put = (form, names, values) =>
  names.forEach((name, i) => (form.elements[name].value = values ? values[i] : ""));

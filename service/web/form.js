// The form as the `request` JSON and back. Empty fields are left out, so the server's defaults hold.

const number = (form, name) => {
  const text = form.elements[name].value.trim();
  return text === "" ? null : Number(text);
};

const all = (form, names) => {
  const values = names.map((name) => number(form, name));
  return values.every((value) => value !== null && Number.isFinite(value)) ? values : null;
};

const CROP = ["x0", "y0", "x1", "y1"];
const CAMERA = ["fx", "fy", "cx", "cy"];
const POINT = ["px", "py", "pz"];
const NORMAL = ["nx", "ny", "nz"];
const FILTERS = ["dataset", "category", "split", "exclude_sequence", "exclude_instance"];

export const readCrop = (form) => all(form, CROP);

export function writeCrop(form, crop) {
  CROP.forEach((name, i) => (form.elements[name].value = crop ? crop[i] : ""));
}

export function readRequest(form) {
  const request = {};
  const crop = readCrop(form);
  if (crop) request.bbox = crop;
  const camera = all(form, CAMERA);
  if (camera) request.camera = Object.fromEntries(CAMERA.map((name, i) => [name, camera[i]]));
  const [center, normal] = [all(form, POINT), all(form, NORMAL)];
  if (center && normal) request.plane = { center, normal };
  const k = number(form, "k");
  if (k !== null) request.k = k;
  if (form.elements.index.value) request.index = form.elements.index.value;
  const filters = FILTERS.map((name) => [name, form.elements[name].value.trim()]);
  const set = filters.filter(([, value]) => value !== "");
  if (form.elements.annotated.checked) set.push(["annotated", true]);
  if (set.length) request.filters = Object.fromEntries(set);
  return request;
}

// A group of numbers that is begun and not finished would be left out silently: say so instead.
export function unfinished(form) {
  const begun = (names) => names.some((name) => form.elements[name].value.trim() !== "");
  const groups = [["the crop", CROP], ["the camera", CAMERA], ["the ground plane", [...POINT, ...NORMAL]]];
  return groups.filter(([, names]) => begun(names) && !all(form, names)).map(([name]) => name);
}

export function writeRequest(form, request) {
  const put = (names, values) =>
    names.forEach((name, i) => (form.elements[name].value = values ? values[i] : ""));
  put(CROP, request.bbox?.map((value) => Math.round(value * 100) / 100));
  put(CAMERA, request.camera && CAMERA.map((name) => request.camera[name]));
  put(POINT, request.plane?.center);
  put(NORMAL, request.plane?.normal);
  if (request.k) form.elements.k.value = request.k;
  for (const name of FILTERS) form.elements[name].value = request.filters?.[name] ?? "";
  form.elements.annotated.checked = request.filters?.annotated === true;
}

function fillSelect(select, values, first) {
  const kept = select.value;
  select.replaceChildren(...(first ? [new Option(first, "")] : []), ...values.map((v) => new Option(v, v)));
  if (values.includes(kept)) select.value = kept;
}

export function fillIndexes(form, indexes) {
  const select = form.elements.index;
  fillSelect(select, indexes.map((index) => index.name), null);
  if (!indexes.some((index) => index.name === select.value)) {
    select.value = (indexes.find((index) => index.default) ?? indexes[0])?.name ?? "";
  }
  fillFilters(form, indexes);
}

export function fillFilters(form, indexes) {
  const index = indexes.find((one) => one.name === form.elements.index.value);
  fillSelect(form.elements.dataset, index?.datasets ?? [], "any");
  fillSelect(form.elements.category, index?.categories ?? [], "any");
  fillSelect(form.elements.split, index?.splits ?? [], "any");
}

// The form as the `request` JSON and back. Empty fields are left out, so the server's defaults hold.

import { all, begun, number, put } from "../fields.js";

const CAMERA = ["fx", "fy", "cx", "cy"];
const POINT = ["px", "py", "pz"];
const NORMAL = ["nx", "ny", "nz"];
const FILTERS = ["dataset", "category", "split", "exclude_sequence", "exclude_instance"];

export function readRequest(form, crop) {
  const request = {};
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
  const groups = [["the camera", CAMERA], ["the ground plane", [...POINT, ...NORMAL]]];
  return groups.filter(([, names]) => begun(form, names) && !all(form, names)).map(([name]) => name);
}

export function writeRequest(form, request) {
  put(form, CAMERA, request.camera && CAMERA.map((name) => request.camera[name]));
  put(form, POINT, request.plane?.center);
  put(form, NORMAL, request.plane?.normal);
  if (request.k) form.elements.k.value = request.k;
  for (const name of FILTERS) form.elements[name].value = request.filters?.[name] ?? "";
  form.elements.annotated.checked = request.filters?.annotated === true;
}

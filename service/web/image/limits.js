// What the server would refuse of an image, told as soon as it is chosen.

import { Refused } from "../api.js";

const TYPES = "JPEG, PNG or WebP";
const bytesOf = (text) => [...text].map((letter) => letter.charCodeAt(0));
const STARTS = [[[0, bytesOf("\xff\xd8\xff")]], [[0, bytesOf("\x89PNG")]], [[0, bytesOf("RIFF")], [8, bytesOf("WEBP")]]];
let limits = null; // of GET /version; null: not known, the server will say

const whole = (number) => number.toLocaleString("en");
const millions = (number) => (number / 1e6).toLocaleString("en", { maximumSignificantDigits: 3 });

export function setLimits(told) {
  limits = told;
  return `${TYPES}, up to ${millions(told.max_image_bytes)} MB and ${millions(told.max_image_pixels)} megapixels.`;
}

function refused(title, detail, remedy) {
  return new Refused({ title, detail, remedy });
}

// Raises Refused where the file itself says that it would not be taken.
export async function checkFile(blob, name) {
  if (!blob.size) throw refused("The file is empty", `${name} has 0 bytes.`, `Choose a ${TYPES} image.`);
  const start = new Uint8Array(await blob.slice(0, 12).arrayBuffer());
  const is = (places) => places.every(([at, bytes]) => bytes.every((byte, i) => start[at + i] === byte));
  if (!STARTS.some(is)) {
    throw refused(
      "The file is of a type that is not read",
      `${name} ${blob.type ? `is given as ${blob.type}, and ` : ""}is no ${TYPES} image.`,
      `Choose a ${TYPES} image, or save this one as such.`,
    );
  }
  if (limits && blob.size > limits.max_image_bytes) {
    throw refused(
      "The image is too large",
      `${name} has ${whole(blob.size)} bytes, above this server's limit of ${whole(limits.max_image_bytes)}.`,
      "Choose a smaller file, or shrink this one; whoever runs the server can raise POSEBANK_MAX_IMAGE_BYTES.",
    );
  }
}

export function checkPixels([width, height], name) {
  if (!limits || width * height <= limits.max_image_pixels) return;
  throw refused(
    "The image is too large",
    `${name} is ${width} × ${height}, ${whole(width * height)} pixels, above this server's limit of ${whole(limits.max_image_pixels)}.`,
    "Shrink the image; whoever runs the server can raise POSEBANK_MAX_IMAGE_PIXELS.",
  );
}

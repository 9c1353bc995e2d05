// Pictures of the service. An <img> sends no key, so where there is one they are fetched when they
// come near the screen.

import { getBlob } from "./api.js";
import { h } from "./elements.js";
import { key } from "./key.js";

const NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="; // until it is there
const addresses = new WeakMap();
const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    load(target).catch(() => target.dispatchEvent(new Event("error"))); // the alternative text stays
  }
}, { rootMargin: "200px" });

async function load(image) {
  const url = URL.createObjectURL(await getBlob(addresses.get(image)));
  image.onload = image.onerror = () => URL.revokeObjectURL(url);
  image.src = url;
}

export function picture(path, attributes) {
  const address = path.replace(/^\//, "");
  if (!key()) return h("img", { loading: "lazy", src: address, ...attributes });
  const image = h("img", { src: NOTHING, ...attributes });
  addresses.set(image, address);
  nearby.observe(image);
  return image;
}

export const thumbnail = (view) =>
  picture(view.thumbnail_url, {
    alt: `${view.category}, ${view.instance}`,
    title: `${view.dataset} · ${view.sequence} · frame ${view.frame}`,
  });

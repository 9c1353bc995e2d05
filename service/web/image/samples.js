// The sample queries the server offers.

import { get, getBlob } from "../api.js";
import { h } from "../elements.js";
import { picture } from "../pictures.js";
import { problemCard } from "../problem.js";
import { chooseAnew, take } from "./image.js";

const $ = (id) => document.getElementById(id);

async function choose({ image_url: url, file, request }) {
  const chosen = chooseAnew();
  try {
    await take(await getBlob(url.slice(1), chosen), file, request, chosen);
  } catch (error) {
    if (!chosen.aborted) $("image-problem").replaceChildren(problemCard(error));
  }
}

export async function offerSamples() {
  const { samples } = await get("samples");
  $("sample-list").replaceChildren(...samples.map((sample) =>
    h(
      "button", { type: "button", "data-testid": "sample", onclick: () => choose(sample) },
      picture(sample.image_url, { alt: "" }), h("span", {}, sample.title),
    ),
  ));
  $("samples").hidden = samples.length === 0;
}

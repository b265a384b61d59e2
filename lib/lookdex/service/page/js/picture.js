/** Pictures: a catalogue's crop on a ground of its own edge colour, and a piece cut out of the photo. */

import { picture as addressOf } from "./api.js";
import { h } from "./dom.js";

/**
 * The picture of an item. Crops have every shape: each lies whole on a ground that continues its edges.
 * @param {string} item
 * @param {{eager?: boolean}} [how]
 */
export function itemPicture(item, { eager = false } = {}) {
  const image = h("img", { alt: "", loading: eager ? "eager" : "lazy", decoding: "async" });
  const ground = h("span.picture", {}, image);
  image.addEventListener("load", () => {
    const edge = edgeOf(image);
    if (edge) ground.style.background = edge;
    ground.classList.add("shown");
  });
  image.addEventListener("error", () => ground.classList.add("missing"));
  addressOf(item).then((address) => (image.src = address), () => ground.classList.add("missing"));
  return ground;
}

const GRAIN = 16;

/** The mean colour of a picture's left and right edges; null where the browser does not tell. @param {HTMLImageElement} image */
function edgeOf(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = GRAIN;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return null;
  context.drawImage(image, 0, 0, GRAIN, GRAIN);
  const { data } = context.getImageData(0, 0, GRAIN, GRAIN);
  const sum = [0, 0, 0];
  let count = 0;
  for (let y = 0; y < GRAIN; y++) {
    for (let x = 0; x < GRAIN; x++) {
      if (x > 0 && x < GRAIN - 1 && y > 0 && y < GRAIN - 1) continue;
      for (let c = 0; c < 3; c++) sum[c] += data[4 * (y * GRAIN + x) + c];
      count++;
    }
  }
  return `rgb(${sum.map((total) => Math.round(total / count)).join(" ")})`;
}

/**
 * A piece of the photo, cut out with a little around it.
 * @param {import("./types.js").Photo} photo
 * @param {import("./types.js").Box | null} box null: all of it.
 * @param {number} side Longer side of what is shown, CSS pixels.
 */
export function cutOut(photo, box, side) {
  const whole = { x0: 0, y0: 0, x1: photo.width, y1: photo.height };
  const { x0, y0, x1, y1 } = box ?? whole;
  const margin = box ? 0.06 * Math.max(x1 - x0, y1 - y0) : 0;
  const left = Math.max(0, x0 - margin);
  const top = Math.max(0, y0 - margin);
  const width = Math.min(photo.width, x1 + margin) - left;
  const height = Math.min(photo.height, y1 + margin) - top;
  const scale = Math.min(1, (side * Math.min(2, devicePixelRatio)) / Math.max(width, height));
  const canvas = h("canvas.cut-out", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(photo.image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** A palette as a strip, each colour as wide as its share. @param {import("./types.js").Swatch[]} palette */
export function strip(palette) {
  return h("span.strip", { "aria-hidden": "true" }, palette.map(({ hex, share }) => h("i", { style: { background: hex, "flex-grow": Math.max(share, 0.02) } })));
}

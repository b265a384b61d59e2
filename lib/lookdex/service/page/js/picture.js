/** Pictures: crops of the catalogue on a matching background, and cutouts of the photo. */

import { picture as addressOf } from "./api.js";
import { h, icon } from "./dom.js";
import { clamp } from "./geometry.js";

/** Event fired when a picture cannot be loaded: the product may have been removed. */
export const MISSING = "missing";

/**
 * The picture of an item. Crops vary in shape, so each is shown whole on a background in the colour of its edges.
 * @param {string} item
 * @param {{eager?: boolean}} [how]
 */
export function itemPicture(item, { eager = false } = {}) {
  const image = h("img", { alt: "", loading: eager ? "eager" : "lazy", decoding: "async" });
  const ground = h("span.picture", {}, image);
  image.addEventListener("load", () => {
    continueEdges(image, ground);
    ground.classList.add("shown");
  });
  const missed = () => {
    ground.classList.add("missing");
    ground.replaceChildren(icon("photo"));
    ground.dispatchEvent(new Event(MISSING, { bubbles: true }));
  };
  image.addEventListener("error", missed);
  addressOf(item).then((address) => (image.src = address), missed);
  return ground;
}

const GRAIN = 16;

/**
 * Colour the background on each side of a picture like the adjacent edge. @param {HTMLImageElement} image
 * @param {HTMLElement} ground A square.
 */
function continueEdges(image, ground) {
  const ratio = image.naturalWidth / image.naturalHeight;
  const wide = ratio > 1;
  const free = (100 * (1 - (wide ? 1 / ratio : ratio))) / 2; // per cent of the square, on each side
  if (free < 1) return;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = GRAIN;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return;
  context.drawImage(image, 0, 0, GRAIN, GRAIN);
  const { data } = context.getImageData(0, 0, GRAIN, GRAIN);
  const edge = (/** @type {number} */ at) => meanOf(data, (i) => (wide ? at * GRAIN + i : i * GRAIN + at));
  ground.style.background = `linear-gradient(to ${wide ? "bottom" : "right"}, ${edge(0)} ${free}%, ${edge(GRAIN - 1)} ${100 - free}%)`;
  ground.style.setProperty("--from", `${free}%`);
  ground.classList.add(wide ? "wide" : "tall");
}

/** @param {Uint8ClampedArray} data @param {(i: number) => number} pixel */
function meanOf(data, pixel) {
  const sum = [0, 0, 0];
  for (let i = 0; i < GRAIN; i++) for (let c = 0; c < 3; c++) sum[c] += data[4 * pixel(i) + c] / GRAIN;
  return `rgb(${sum.map(Math.round).join(" ")})`;
}

/**
 * A square cutout of the photo around a box.
 * @param {import("./types.js").Photo} photo
 * @param {import("./types.js").Box | null} box null: the centre of the photo.
 * @param {number} side Displayed side in CSS pixels.
 */
export function cutOut(photo, box, side) {
  const { x0, y0, x1, y1 } = box ?? { x0: 0, y0: 0, x1: photo.width, y1: photo.height };
  const longer = Math.max(x1 - x0, y1 - y0);
  const width = Math.min(photo.width, box ? longer * 1.12 : Math.min(photo.width, photo.height));
  const height = Math.min(photo.height, box ? longer * 1.12 : Math.min(photo.width, photo.height));
  const left = clamp((x0 + x1 - width) / 2, 0, photo.width - width);
  const top = clamp((y0 + y1 - height) / 2, 0, photo.height - height);
  const scale = Math.min(1, (side * Math.min(2, devicePixelRatio)) / Math.max(width, height));
  const canvas = h("canvas.cut-out", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(photo.image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** A palette as a strip, with each colour's width proportional to its share. @param {import("./types.js").Swatch[]} palette */
export function strip(palette) {
  return h("span.strip", { "aria-hidden": "true" }, palette.map(({ hex, share }) => h("i", { style: { background: hex, "flex-grow": Math.max(share, 0.02) } })));
}

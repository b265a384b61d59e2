/** Prepare a photo for upload and display: upright, in a supported format, and scaled down if large. */

import { Problem } from "./problem.js";

/** @typedef {import("./types.js").Photo} Photo */

/**
 * Photos with a longer side (pixels) are scaled down. lookdex-tiny's input is 224 × 224 pixels for a square object and
 * 384 × 128 for a long one. At this size, an object that takes a tenth of the photo's length still has enough pixels, as
 * does a long one that takes 15 %. Above `MAX_BYTES` the upload becomes noticeably slow.
 */
export const MAX_SIDE = 2560;
const MAX_BYTES = 4_000_000;
const QUALITY = 0.92;

/** @typedef {'jpeg' | 'png' | 'webp' | 'gif' | 'other'} Format */

/** Detect the format from the first bytes: names and declared types are often wrong. @param {Uint8Array} head @returns {Format} */
export function sniff(head) {
  const text = String.fromCharCode(...head.slice(0, 12));
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return "jpeg";
  if (text.startsWith("\x89PNG")) return "png";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  if (text.startsWith("GIF8")) return "gif";
  return "other";
}

/**
 * Decide how to convert a photo before the upload.
 * @param {Format} format
 * @param {number} bytes
 * @param {number} width
 * @param {number} height
 * @returns {{width: number, height: number} | null} The new size, or null to send the file unchanged.
 */
export function plan(format, bytes, width, height) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  if (scale === 1 && format !== "other" && bytes <= MAX_BYTES) return null;
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/**
 * Read a file that was dropped, pasted, picked or taken.
 * @param {Blob} file
 * @param {string} name
 * @returns {Promise<Photo>}
 * @throws {Problem} It is not a photo, or the browser cannot decode it.
 */
export async function readPhoto(file, name) {
  if (file.size === 0) throw new Problem("empty");
  const format = sniff(new Uint8Array(await file.slice(0, 16).arrayBuffer()));
  if (format === "other" && !/^image\//.test(file.type)) throw new Problem("kind");
  const image = await decoded(file, format === "other" ? "kind" : "decode");
  const size = plan(format, file.size, image.naturalWidth, image.naturalHeight);
  if (size === null) return photoOf(file, image, name);
  const smaller = await drawn(image, size).finally(() => URL.revokeObjectURL(image.src));
  return photoOf(smaller, await decoded(smaller, "decode"), name);
}

/** @param {Blob} blob @param {HTMLImageElement} image @param {string} name @returns {Photo} */
const photoOf = (blob, image, name) =>
  ({ blob, image, name, url: image.src, width: image.naturalWidth, height: image.naturalHeight });

/**
 * Load a photo into an `<img>`, which applies the EXIF orientation also to its natural size.
 * @param {Blob} blob
 * @param {'kind' | 'decode'} otherwise
 */
async function decoded(blob, otherwise) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
    if (!image.naturalWidth) throw new Error("a picture without a size");
  } catch {
    URL.revokeObjectURL(image.src);
    throw new Problem(otherwise);
  }
  return image;
}

/** Convert to an upright JPEG of the size, on a white background. @param {HTMLImageElement} image @param {{width: number, height: number}} size @returns {Promise<Blob>} */
async function drawn(image, { width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  canvas.width = 0; // gives the pixels back at once: phones hold few canvases of this size
  if (!blob) throw new Problem("decode");
  return /** @type {Blob} */ (blob);
}

/** The photo in an event's data, or null. @param {DataTransfer | null} data @returns {File | null} */
export function photoIn(data) {
  const files = [...(data?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

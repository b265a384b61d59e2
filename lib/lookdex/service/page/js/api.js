/** Client of the service's API. URLs are relative, so that the page works under a path prefix. */

import { askForKey, key } from "./access.js";
import { Problem, problemOf } from "./problem.js";
import { withoutDissimilar, quoted } from "./question.js";

/** @typedef {import("./types.js").Answer} Answer */

/**
 * @typedef {object} Options The options of a question, as in `options-2.json`.
 * @property {number} [k]
 * @property {string} [where]
 * @property {number} [object]
 * @property {[number, number, number, number]} [box]
 * @property {string} [text]
 * @property {number} [colour]
 * @property {string} [sort]
 * @property {number} [look_photos]
 * @property {boolean} [whole]
 * @property {boolean} [look]
 * @property {string} [crops]
 */

/** Search by photo. @param {Blob} photo @param {Options} options @param {AbortSignal} signal @returns {Promise<Answer>} */
export function searchPhoto(photo, options, signal) {
  const form = new FormData();
  form.append("photo", photo, "photo");
  form.append("options", JSON.stringify({ crops: "none", ...options }));
  return answer("v1/search", { method: "POST", body: form, signal });
}

/** Search by text. @param {Record<string, string | number | undefined>} params @param {AbortSignal} signal @returns {Promise<Answer>} */
export const searchText = (params, signal) => answer(`v1/text?${query(params)}`, { signal });

/**
 * Search by product.
 * @param {string} product
 * @param {Record<string, string | number | undefined>} params
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export const searchSimilar = (product, params, signal) =>
  answer(`v1/products/${encodeURIComponent(product)}/similar?${query(params)}`, { signal });

/**
 * A product's catalogue entry, or null. No endpoint returns one, so this searches by text within the product.
 * @param {string} product
 * @param {AbortSignal} signal
 * @returns {Promise<import("./types.js").Match | null>}
 */
export async function productOf(product, signal) {
  try {
    const found = await json(`v1/text?${query({ q: product, k: 1, where: `product_id = ${quoted(product)}` })}`, { signal });
    return found.objects[0].matches[0] ?? null;
  } catch {
    return null; // the page then shows its id
  }
}

/** Whether the product was removed from the catalogue. @param {string} product */
export const isGone = (product) =>
  json(`v1/products/${encodeURIComponent(product)}/similar?k=1`, {}).then(() => false, (error) => error instanceof Problem && error.kind === "gone");

/** @param {string} address @param {RequestInit} init @returns {Promise<Answer>} */
const answer = async (address, init) => withoutDissimilar(await json(address, init));

/** @returns {Promise<any>} */
export const release = () => json("v1/release", {});

/** @param {Record<string, string | number | undefined>} params */
function query(params) {
  const set = Object.entries(params).filter(([, value]) => value !== undefined);
  return new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
}

const MOST_PICTURES = 1000; // cached, about 10 kB each; one view shows fewer
/** @type {Map<string, Promise<string>>} By item, most recently shown last. */
const fetched = new Map();

/**
 * The URL of an item's picture. If a key is needed it is fetched here, because `<img>` cannot send one.
 * @param {string} item
 * @returns {Promise<string>}
 */
export function picture(item) {
  const address = `v1/crops/${encodeURIComponent(item)}`;
  if (key() === null) return Promise.resolve(address);
  const url = fetched.get(item) ?? fetchPicture(item, address);
  fetched.delete(item);
  fetched.set(item, url);
  if (fetched.size > MOST_PICTURES) {
    const [[oldest, dropped]] = fetched;
    fetched.delete(oldest);
    dropped.then(URL.revokeObjectURL, () => {});
  }
  return url;
}

/** @param {string} item @param {string} address */
function fetchPicture(item, address) {
  const url = send(address, {}).then(async (response) => URL.createObjectURL(await response.blob()));
  url.catch(() => fetched.delete(item));
  return url;
}

/** @param {string} address @param {RequestInit} init */
const json = async (address, init) => (await send(address, init)).json();

/**
 * @param {string} address
 * @param {RequestInit} init
 * @returns {Promise<Response>}
 * @throws {Problem} The request failed. An aborted request throws its AbortError.
 */
async function send(address, init) {
  for (;;) {
    const sent = key();
    /** @type {Record<string, string>} */
    const headers = sent === null ? {} : { Authorization: `Bearer ${sent}` };
    let response;
    try {
      response = await fetch(address, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new Problem("offline");
    }
    if (response.ok) return response;
    if (response.status === 401 && (await askForKey(sent))) continue;
    throw await problemOf(response);
  }
}

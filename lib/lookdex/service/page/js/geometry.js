/** Box geometry: pure functions, in the caller's pixels. */

/** @typedef {import("./types.js").Box} Box */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{width: number, height: number}} Size */

export const MIN_SIDE = 0.02; // share of the photo's shorter side; smaller boxes are accidental

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** @param {Box} box */
export const area = (box) => (box.x1 - box.x0) * (box.y1 - box.y0);

/** The box between two corners, clipped to the photo. @param {Point} a @param {Point} b @param {Size} size @returns {Box} */
export function between(a, b, { width, height }) {
  const xs = [clamp(a.x, 0, width), clamp(b.x, 0, width)];
  const ys = [clamp(a.y, 0, height), clamp(b.y, 0, height)];
  return { x0: Math.min(...xs), y0: Math.min(...ys), x1: Math.max(...xs), y1: Math.max(...ys) };
}

/** Round to whole pixels, at least one. @param {Box} box @param {Size} size @returns {Box} */
export function whole(box, { width, height }) {
  const x0 = clamp(Math.floor(box.x0), 0, width - 1);
  const y0 = clamp(Math.floor(box.y0), 0, height - 1);
  return { x0, y0, x1: clamp(Math.ceil(box.x1), x0 + 1, width), y1: clamp(Math.ceil(box.y1), y0 + 1, height) };
}

/** Whether the box is large enough to be intended. @param {Box} box @param {Size} size */
export function isIntended(box, size) {
  const least = MIN_SIDE * Math.min(size.width, size.height);
  return box.x1 - box.x0 >= least && box.y1 - box.y0 >= least;
}

/** Move the box within the photo. @param {Box} box @param {number} dx @param {number} dy @param {Size} size @returns {Box} */
export function moved(box, dx, dy, { width, height }) {
  const x = clamp(dx, -box.x0, width - box.x1);
  const y = clamp(dy, -box.y0, height - box.y1);
  return { x0: box.x0 + x, y0: box.y0 + y, x1: box.x1 + x, y1: box.y1 + y };
}

/** @typedef {'nw' | 'ne' | 'sw' | 'se'} Corner */

/** Move one corner, not past the opposite one. @param {Box} box @param {Corner} corner @param {number} dx @param {number} dy @param {Size} size @returns {Box} */
export function resized(box, corner, dx, dy, size) {
  const least = MIN_SIDE * Math.min(size.width, size.height);
  const next = { ...box };
  if (corner.includes("w")) next.x0 = clamp(box.x0 + dx, 0, box.x1 - least);
  else next.x1 = clamp(box.x1 + dx, box.x0 + least, size.width);
  if (corner.includes("n")) next.y0 = clamp(box.y0 + dy, 0, box.y1 - least);
  else next.y1 = clamp(box.y1 + dy, box.y0 + least, size.height);
  return next;
}

/** The initial box for keyboard use. @param {Size} size @returns {Box} */
export function middle({ width, height }) {
  return { x0: width * 0.3, y0: height * 0.3, x1: width * 0.7, y1: height * 0.7 };
}

/** @param {Box} a @param {Box} b */
export function overlap(a, b) {
  const w = Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0);
  const h = Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0);
  return w > 0 && h > 0 ? w * h : 0;
}

/**
 * Place the tags so that they hide little: each goes to the position at its box's edges that covers the least of other
 * tags and of the boxes, small boxes weighing most. All in pixels of the shown photo.
 *
 * @param {Box[]} boxes
 * @param {Size[]} tags Their sizes.
 * @param {Size} size The shown photo.
 * @returns {Point[]} The tags' upper left corners.
 */
export function placeTags(boxes, tags, size) {
  /** @type {Box[]} */
  const taken = [];
  return boxes.map((box, i) => {
    const { width, height } = tags[i];
    const rectangles = placesAt(box, tags[i]).map(({ x, y }) => {
      const x0 = clamp(x, 2, Math.max(2, size.width - width - 2));
      const y0 = clamp(y, 2, Math.max(2, size.height - height - 2));
      return { x0, y0, x1: x0 + width, y1: y0 + height };
    });
    const costs = rectangles.map((rectangle, order) => {
      const onTags = taken.reduce((sum, other) => sum + overlap(rectangle, other) / (width * height), 0);
      const onBoxes = boxes.reduce((sum, other) => sum + overlap(rectangle, other) / area(other), 0);
      return 10 * onTags + onBoxes + 0.02 * order;
    });
    const chosen = rectangles[costs.indexOf(Math.min(...costs))];
    taken.push(chosen);
    return { x: chosen.x0, y: chosen.y0 };
  });
}

/** Candidate positions of a tag at its box, preferred ones first. @param {Box} box @param {Size} tag @returns {Point[]} */
function placesAt({ x0, y0, x1, y1 }, { width, height }) {
  const gap = 3;
  const middleY = (y0 + y1 - height) / 2;
  return [
    { x: x0, y: y0 - height - gap },
    { x: x1 - width, y: y0 - height - gap },
    { x: x1 + gap, y: y0 },
    { x: x0 - width - gap, y: y0 },
    { x: x0 + 5, y: y0 + 5 },
    { x: x1 + gap, y: middleY },
    { x: x0 - width - gap, y: middleY },
    { x: x0, y: y1 + gap },
    { x: x1 - width, y: y1 + gap },
    { x: x0 + 5, y: y1 - height - 5 },
    { x: x1 - width - 5, y: y1 - height - 5 },
    { x: (x0 + x1 - width) / 2, y: middleY },
  ];
}

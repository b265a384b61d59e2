/** Arrange the tags of boxes for the current size of the photo. */

import { placeTags } from "./geometry.js";

/**
 * Position the first child of each box, its tag.
 * @param {HTMLElement} frame Covers the photo. Contains the boxes, directly or in an element of its size.
 * @param {HTMLElement[]} boxes
 */
export function arrangeTags(frame, boxes) {
  const size = { width: frame.clientWidth, height: frame.clientHeight };
  if (!boxes.length || !size.width) return;
  const rectangles = boxes.map((b) => ({
    x0: b.offsetLeft, y0: b.offsetTop, x1: b.offsetLeft + b.offsetWidth, y1: b.offsetTop + b.offsetHeight,
  }));
  const tags = boxes.map((b) => /** @type {HTMLElement} */ (b.firstElementChild));
  const places = placeTags(rectangles, tags.map((tag) => ({ width: tag.offsetWidth, height: tag.offsetHeight })), size);
  tags.forEach((tag, n) => {
    tag.style.transform = `translate(${places[n].x - rectangles[n].x0}px, ${places[n].y - rectangles[n].y0}px)`;
  });
}

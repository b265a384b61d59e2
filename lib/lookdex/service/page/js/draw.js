/** Draw a box over the photo: by mouse, by touch after “Draw a box”, or with the arrow keys. */

import { h } from "./dom.js";
import { between, clamp, isIntended, middle, moved, resized, whole } from "./geometry.js";
import { t } from "./i18n.js";

/**
 * @typedef {import("./geometry.js").Box} Box
 * @typedef {import("./geometry.js").Corner} Corner
 * @typedef {import("./geometry.js").Size} Size
 */

const SLIP = 6; // CSS pixels that a click may move
const KEY_STEP = 0.02; // share of the photo's size
/** @type {Corner[]} */
const CORNERS = ["nw", "ne", "sw", "se"];
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {HTMLElement} overlay Covers the photo exactly.
 * @param {{size: () => Size, mayTouch: () => boolean, done: (box: Box) => void, cancelled: () => void}} owner
 *   size: of the photo, in pixels. done: called with the box to search.
 */
export function createDrawing(overlay, owner) {
  const body = h("div.marquee", { role: "button", tabindex: 0, "aria-describedby": "draw-keys", onkeydown: keyed });
  const corners = CORNERS.map((corner) => h(`span.corner.${corner}`, { "aria-hidden": "true", "data-corner": corner }));
  body.append(...corners);
  /** @type {Box | null} */
  let box = null;

  overlay.addEventListener("pointerdown", pressed);
  // A drag that ends over a button must not click it.
  let dragged = false;
  overlay.addEventListener("click", (event) => {
    if (!dragged) return;
    dragged = false;
    event.stopPropagation();
    event.preventDefault();
  }, { capture: true });

  /** @param {PointerEvent} event */
  function pressed(event) {
    dragged = false;
    if (event.button !== 0 || !event.isPrimary) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const corner = /** @type {Corner | undefined} */ (target.dataset.corner);
    const onBody = body.contains(target) && box !== null;
    if (event.pointerType === "touch" && !onBody && !owner.mayTouch()) return; // the finger scrolls
    const start = pointOf(event);
    const before = box;
    const from = { x: event.clientX, y: event.clientY };
    overlay.addEventListener("pointermove", move);
    overlay.addEventListener("pointerup", up);
    overlay.addEventListener("pointercancel", cancel);

    /** @param {PointerEvent} step */
    function move(step) {
      if (!dragged && Math.hypot(step.clientX - from.x, step.clientY - from.y) < SLIP) return;
      if (!dragged) {
        dragged = true;
        overlay.setPointerCapture(event.pointerId);
        overlay.classList.add("drags");
      }
      const now = pointOf(step);
      if (onBody && before) {
        const [dx, dy] = [now.x - start.x, now.y - start.y];
        place(corner ? resized(before, corner, dx, dy, owner.size()) : moved(before, dx, dy, owner.size()));
      } else place(between(start, now, owner.size()));
    }

    function up() {
      over();
      if (!dragged || !box) return;
      if (isIntended(box, owner.size())) finish();
      else {
        place(before);
        if (!before) owner.cancelled();
      }
      setTimeout(() => (dragged = false)); // after a click event that may follow
    }

    function cancel() {
      over();
      dragged = false;
      place(before);
    }

    function over() {
      overlay.classList.remove("drags");
      overlay.removeEventListener("pointermove", move);
      overlay.removeEventListener("pointerup", up);
      overlay.removeEventListener("pointercancel", cancel);
    }
  }

  /** @param {KeyboardEvent} event */
  function keyed(event) {
    if (!box) return;
    const arrow = ARROWS[event.key];
    if (event.key === "Escape") {
      event.preventDefault();
      owner.cancelled();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      finish();
    } else if (arrow) {
      event.preventDefault();
      const { width, height } = owner.size();
      const [dx, dy] = [arrow[0] * KEY_STEP * width, arrow[1] * KEY_STEP * height];
      place(event.shiftKey ? resized(box, "se", dx, dy, owner.size()) : moved(box, dx, dy, owner.size()));
    }
  }

  function finish() {
    if (box) owner.done(whole(box, owner.size()));
  }

  /** The pointer's position in pixels of the photo. @param {PointerEvent} event */
  function pointOf(event) {
    const shown = overlay.getBoundingClientRect();
    const { width, height } = owner.size();
    return {
      x: clamp((event.clientX - shown.left) / shown.width, 0, 1) * width,
      y: clamp((event.clientY - shown.top) / shown.height, 0, 1) * height,
    };
  }

  /** @param {Box | null} next */
  function place(next) {
    box = next;
    if (!next) {
      body.remove();
      return;
    }
    const { width, height } = owner.size();
    body.style.left = `${(100 * next.x0) / width}%`;
    body.style.top = `${(100 * next.y0) / height}%`;
    body.style.width = `${(100 * (next.x1 - next.x0)) / width}%`;
    body.style.height = `${(100 * (next.y1 - next.y0)) / height}%`;
    body.setAttribute("aria-label", t("drawBox"));
    if (!body.isConnected) overlay.append(body);
  }

  return {
    show: place,
    /** Show a focused box in the middle, for keyboard use. */
    startInMiddle() {
      place(box ?? middle(owner.size()));
      body.focus();
    },
    /** Search the box. */
    finish,
    isOpen: () => box !== null,
  };
}

/** The photo with its boxes: select an object, or draw a box. */

import { fill, h, icon } from "./dom.js";
import { createDrawing } from "./draw.js";
import { area } from "./geometry.js";
import { named, onLanguage, t } from "./i18n.js";
import { lanesOf } from "./question.js";
import { arrangeTags } from "./tags.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Lane} Lane
 */

/**
 * @param {import("./state.js").Store} store
 * @param {import("./ask.js").Asker} ask
 * @param {() => void} another Called to choose another photo.
 * @param {() => void} reveal Called to scroll to the products.
 */
export function createStage(store, ask, another, reveal) {
  const image = h("img.stage-photo", { draggable: "false" });
  const overlay = h("div.overlay");
  const frame = h("div.stage-frame", {}, image, overlay, h("div.scan", { "aria-hidden": "true" }));
  const hint = h("p.stage-hint", { id: "draw-keys" });
  const tools = h("div.stage-tools");
  const element = h("section.stage", {}, frame, tools, hint);
  const boxes = h("div.boxes", { role: "group" });
  overlay.append(boxes);
  const drawing = createDrawing(overlay, {
    size: () => ({ width: store.get().photo?.width ?? 1, height: store.get().photo?.height ?? 1 }),
    mayTouch: () => store.get().drawing,
    done: (box) => {
      void ask.box(box);
      reveal();
    },
    cancelled: () => {
      const { drawn, chosen } = store.get();
      const back = drawn?.lane ? chosen : chosen === "box" ? "all" : chosen;
      ask.choose(back);
      drawing.show(store.get().drawn?.box ?? null);
      element.querySelector(".draw")?.focus();
    },
  });

  /** @param {State} state */
  function showPhoto({ photo }) {
    if (!photo) return;
    image.removeAttribute("src"); // else the photo before it is shown until this one is decoded
    image.src = photo.url;
    image.alt = t("photoAlt");
    frame.style.setProperty("--ratio", String(photo.width / photo.height));
  }

  /** @param {State} state */
  function showBoxes(state) {
    const { answer, chosen, photo } = state;
    boxes.setAttribute("aria-label", t("pieces"));
    if (!answer || !photo) return boxes.replaceChildren();
    const shown = lanesOf(state).lanes.filter(({ id }) => typeof id === "number");
    const largest = [...shown].sort((a, b) => area(boxOf(b.lane)) - area(boxOf(a.lane)));
    fill(boxes, shown.map(({ id, lane }, n) => {
      const { x0, y0, x1, y1 } = boxOf(lane);
      const name = named(lane) ?? t("unknownPiece");
      return h("button.box", {
        type: "button",
        "aria-pressed": String(chosen === id),
        "aria-label": t("boxed", { what: name, n: n + 1, of: shown.length }),
        "data-object": id,
        onclick: () => {
          ask.choose(chosen === id ? "all" : id);
          if (chosen !== id) reveal();
        },
        style: {
          left: `${(100 * x0) / photo.width}%`, top: `${(100 * y0) / photo.height}%`,
          width: `${(100 * (x1 - x0)) / photo.width}%`, height: `${(100 * (y1 - y0)) / photo.height}%`,
          "z-index": 1 + largest.findIndex((other) => other.id === id), // small ones lie on top
        },
      }, h("span.tag", { "aria-hidden": "true" }, lane.colour_hex && h("i", { style: { background: lane.colour_hex } }), name));
    }));
    boxes.classList.toggle("some-chosen", chosen !== "all");
    arrange();
  }

  /** @param {Lane} lane */
  const boxOf = (lane) => lane.box ?? { x0: 0, y0: 0, x1: 1, y1: 1 };

  const arrange = () => arrangeTags(overlay, /** @type {HTMLElement[]} */ ([...boxes.children]));

  /** @param {State} state */
  function showTools(state) {
    const open = state.drawing;
    fill(
      tools,
      open
        ? [
            h("button.button.small.primary.draw-go", { type: "button", onclick: drawing.finish, hidden: !drawing.isOpen() }, icon("search"), t("drawSearch")),
            h("button.button.small", { type: "button", onclick: () => ask.choose(store.get().chosen) }, t("cancel")),
          ]
        : [
            !(state.trouble?.problem.lasts && !state.answer) && h("button.button.small.draw", { type: "button", onclick: startDrawing }, icon("box"), t("draw")),
            h("button.button.small", { type: "button", onclick: another }, icon("photo"), t("newPhoto")),
          ],
    );
    overlay.classList.toggle("draws", open);
    hint.textContent = open ? (drawing.isOpen() ? t("drawingKeys") : t("drawing")) : state.answer ? t("zoomHint") : "";
  }

  /** @param {MouseEvent} event */
  function startDrawing(event) {
    const byKeys = event.detail === 0;
    if (byKeys) drawing.startInMiddle();
    store.set({ drawing: true });
  }

  function all() {
    const state = store.get();
    element.setAttribute("aria-label", t("photoAlt"));
    showPhoto(state);
    showBoxes(state);
    drawing.show(state.drawn?.box ?? null);
    showTools(state);
  }

  store.on((now, before) => {
    if (now.view !== "photo") return;
    if (now.photo !== before.photo) showPhoto(now);
    if (now.answer !== before.answer || now.chosen !== before.chosen || now.filters !== before.filters) keepFocus(() => showBoxes(now));
    if (now.drawn !== before.drawn || (before.drawing && !now.drawing)) drawing.show(now.drawn?.box ?? null);
    if (now.drawing !== before.drawing || now.answer !== before.answer || now.view !== before.view || now.trouble !== before.trouble) showTools(now);
    frame.classList.toggle("busy", now.busy === "photo" || now.busy === "box");
  });
  new ResizeObserver(arrange).observe(overlay);
  onLanguage(all);

  /** Keep the focus while the boxes are rendered again. @param {() => void} change */
  function keepFocus(change) {
    const held = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.object;
    const inside = boxes.contains(document.activeElement);
    change();
    if (inside) /** @type {HTMLElement | null} */ (boxes.querySelector(`[data-object="${held}"]`))?.focus();
  }

  return { element };
}

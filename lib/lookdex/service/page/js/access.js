/** The access key of a protected service: asked for once, kept in this tab. */

import { fill, h, icon } from "./dom.js";
import { t } from "./i18n.js";

const KEPT = "lookdex-key";
/** @type {string | null} */
let held = null;
/** @type {Promise<boolean> | null} */
let asking = null;

/** @returns {string | null} */
export function key() {
  try {
    return held ?? sessionStorage.getItem(KEPT);
  } catch {
    return held;
  }
}

/** @param {string | null} value */
function keep(value) {
  held = value;
  try {
    if (value === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, value);
  } catch {
    // without storage the key is lost on reload
  }
}

/**
 * Ask for a key. Requests refused at the same time share one dialog. Resolves to true if a key was entered.
 * @param {string | null} refused The key that was refused.
 * @returns {Promise<boolean>}
 */
export function askForKey(refused) {
  if (refused !== key()) return Promise.resolve(key() !== null); // another request has asked in the meantime
  asking ??= dialog(refused !== null).finally(() => (asking = null));
  return asking;
}

/** The pending result while the dialog is open, else null. */
export const pendingKey = () => asking;

/** @param {boolean} wrong @returns {Promise<boolean>} */
function dialog(wrong) {
  return new Promise((resolve) => {
    const input = h("input.field", {
      id: "key", type: "password", autocomplete: "off", required: true, "aria-describedby": "key-text",
    });
    const box = h("dialog.dialog.slim", { "aria-labelledby": "key-title" });
    fill(
      box,
      h("form.stack", { method: "dialog", onsubmit: given },
        h("div.badge", {}, icon("key")),
        h("h2", { id: "key-title" }, t("accessTitle")),
        h("p.muted", { id: "key-text" }, t("accessText")),
        wrong && h("p.wrong", { role: "alert" }, t("accessWrong")),
        h("label.label", { for: "key" }, t("accessLabel")),
        input,
        h("div.buttons", {},
          h("button.button", { type: "button", onclick: () => box.close() }, t("cancel")),
          h("button.button.primary", { type: "submit" }, t("accessGo")))),
    );
    let done = false;
    /** @param {Event} event */
    function given(event) {
      event.preventDefault(); // the content security policy forbids form submission
      if (!input.value.trim()) return;
      keep(input.value.trim());
      done = true;
      box.close();
    }
    box.addEventListener("close", () => {
      if (!done && wrong) keep(null);
      box.remove();
      resolve(done);
    });
    document.body.append(box);
    box.showModal();
  });
}

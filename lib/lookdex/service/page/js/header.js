/** The header: home link, text search and language. */

import { fill, h, icon } from "./dom.js";
import * as i18n from "./i18n.js";
import { t } from "./i18n.js";

/**
 * @param {HTMLElement} place
 * @param {import("./state.js").Store} store
 * @param {import("./ask.js").Asker} ask
 */
export function createHeader(place, store, ask) {
  const input = h("input", { id: "words", type: "search", enterkeyhint: "search", autocomplete: "off", maxlength: 300 });
  const state = store.get();
  if (state.query?.kind === "text") input.value = state.query.text;

  /** @param {Event} event */
  function submit(event) {
    event.preventDefault();
    const text = input.value.trim();
    if (text) {
      input.blur();
      ask.text(text);
    } else input.focus();
  }

  function show() {
    input.placeholder = t("searchHint");
    fill(
      place,
      h("a.brand", { href: "./", "aria-label": t("home"), onclick: home },
        h("img", { src: "page/icon.svg", alt: "", width: 30, height: 30 }), h("span", {}, "lookdex")),
      h("form.words", { role: "search", onsubmit: submit },
        h("label.unseen", { for: "words" }, t("searchLabel")),
        icon("search"),
        input,
        h("button.words-go", { type: "submit" }, t("searchGo"))),
      h("button.words-open", { type: "button", "aria-label": t("searchOpen"), title: t("searchOpen"), "aria-controls": "words", "aria-expanded": String(place.classList.contains("searching")), onclick: toggle }, icon("search")),
      h("div.languages", { role: "group", "aria-label": t("language") }, language("en", "EN", "English"), language("ko", "한국어", "한국어")),
    );
  }

  /** On narrow screens, the search form opens on demand. */
  function toggle() {
    search(!place.classList.contains("searching"));
    input.focus();
  }

  /** @param {boolean} on */
  function search(on) {
    place.classList.toggle("searching", on);
    place.querySelector(".words-open")?.setAttribute("aria-expanded", String(on));
  }

  /** @param {i18n.Language} code @param {string} short @param {string} full */
  function language(code, short, full) {
    const on = i18n.current() === code;
    return h("button", {
      type: "button", lang: code, title: full, "aria-pressed": String(on),
      onclick: () => {
        i18n.setLanguage(code);
        /** @type {HTMLElement | null} */ (place.querySelector(`button[lang=${code}]`))?.focus();
      },
    }, short);
  }

  /** @param {MouseEvent} event */
  function home(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab or window
    event.preventDefault();
    ask.home();
  }

  store.on((now, before) => {
    if (now.photo !== before.photo || now.view !== before.view) search(false);
    if (now.query !== before.query || now.view !== before.view) {
      input.value = now.query?.kind === "text" ? now.query.text : "";
    }
  });
  i18n.onLanguage(show);
  show();
}

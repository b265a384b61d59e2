/** Localization in two languages: texts, numbers, prices and times. */

import { categoriesEn, en, labelsEn } from "./words-en.js";
import { categoriesKo, ko } from "./words-ko.js";

/** @typedef {'en' | 'ko'} Language */
/** @typedef {keyof typeof en} Word */

const WORDS = { en, ko };
const CATEGORIES = { en: categoriesEn, ko: categoriesKo };
const LABELS = { en: labelsEn, ko: categoriesKo };
const STORAGE_KEY = "lookdex-language";
/** @type {Language} */
let language = initialLanguage();
/** @type {(() => void)[]} */
const listeners = [];

/** The language from `?lang=`, else the saved one, else the browser's. @returns {Language} */
function initialLanguage() {
  const wanted = new URLSearchParams(location.search).get("lang") ?? savedLanguage() ?? navigator.language;
  return wanted.toLowerCase().startsWith("ko") ? "ko" : "en";
}

/** @returns {string | null} */
function savedLanguage() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // storage is blocked: use the browser's language
  }
}

export const current = () => language;

/** @param {Language} code */
export function setLanguage(code) {
  if (code === language) return;
  language = code;
  try {
    localStorage.setItem(STORAGE_KEY, code);
  } catch {
    // storage is blocked: the choice is not saved
  }
  markDocument();
  for (const listener of listeners) listener();
}

/** Call `listener` when the language changes. @param {() => void} listener */
export const onLanguage = (listener) => void listeners.push(listener);

/** Set the document's language and title. */
export function markDocument() {
  document.documentElement.lang = language;
  document.title = t("title");
}

/**
 * Get a text: `t("found", {n: 3})`.
 * @param {Word} word
 * @param {Record<string, string | number>} [values]
 */
export function t(word, values = {}) {
  const forms = WORDS[language][word].split(" | ");
  const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : (value ?? "");
  });
}

/** A text that may be missing, such as the name of a step of a newer service. @param {string} word */
export function optionalText(word) {
  return word in WORDS[language] ? t(/** @type {Word} */ (word)) : null;
}

/** The name of a single thing of a category: “trousers”. @param {string} label */
export function labelName(label) {
  const names = /** @type {Record<string, string>} */ (LABELS[language]);
  return names[label] ?? label;
}

/** @param {string} label */
export function categoryName(label) {
  const names = /** @type {Record<string, string>} */ (CATEGORIES[language]);
  return names[label] ?? capital(label);
}

/** The plural name of a category within a sentence: “trousers”. @param {string} label */
export function pluralName(label) {
  const name = categoryName(label);
  return label in CATEGORIES[language] ? name.toLowerCase() : name;
}

export const categories = Object.keys(categoriesEn);

/** @param {number} value @param {number} [digits] */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

/**
 * A price, with its currency (ISO 4217) if known.
 * @param {number} value
 * @param {unknown} [currency]
 */
export function price(value, currency) {
  if (typeof currency === "string" && /^[A-Za-z]{3}$/.test(currency)) {
    try {
      return new Intl.NumberFormat(language, { style: "currency", currency }).format(value);
    } catch {
      // not a currency code: fall back to the plain number
    }
  }
  return number(value, Number.isInteger(value) ? 0 : 2);
}

/** “3 hours ago”, “just now”. @param {Date} then */
export function ago(then) {
  const seconds = (then.getTime() - Date.now()) / 1000;
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return t("justNow");
}

/** @param {Date} when */
export function dateTime(when) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(when);
}

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * The name of a lane or a match: “Brown top”, “갈색 상의”.
 * @param {{label: string | null, label_ko: string | null, colour: string | null, colour_ko: string | null}} thing
 */
export function named(thing) {
  const label = thing.label && labelName(thing.label);
  const colour = language === "ko" ? (thing.colour_ko ?? thing.colour) : thing.colour;
  if (!label) return null;
  return capital([colour, label].filter(Boolean).join(" "));
}

/** The label alone. @param {{label: string | null, label_ko: string | null}} thing */
export function labelled(thing) {
  return thing.label ? capital(labelName(thing.label)) : null;
}

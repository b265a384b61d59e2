/**
 * What the service answers, as far as the page reads it: the JSON of `answer-2.json`.
 *
 * @typedef {{x0: number, y0: number, x1: number, y1: number}} Box Pixels of the upright photo; x1, y1 exclusive.
 * @typedef {{l: number, a: number, b: number, share: number, hex: string}} Swatch
 *
 * @typedef {object} Match
 * @property {number} rank 1 is the best.
 * @property {string | null} product_id
 * @property {number} similarity Cosine of the two pictures, -1 … 1.
 * @property {number} score What the ranks follow.
 * @property {number | null} colour_similarity 0 … 1.
 * @property {number | null} text_similarity
 * @property {'kind' | 'colour' | null} other Not as asked first: of another kind, or another colour.
 * @property {boolean | null} good Reaches the lane's threshold; null without one.
 * @property {string} item_id
 * @property {string} image_key
 * @property {Box} box
 * @property {string | null} label
 * @property {string | null} label_ko
 * @property {string | null} colour
 * @property {string | null} colour_ko
 * @property {Swatch[]} palette
 * @property {number} folded
 * @property {Record<string, unknown>} columns
 *
 * @typedef {object} Lane One question and its products.
 * @property {'object' | 'box' | 'photos' | 'image' | 'text' | 'product' | 'worn' | 'vector'} kind
 * @property {Box | null} box
 * @property {string | null} label
 * @property {string | null} label_ko
 * @property {number | null} score
 * @property {string | null} colour
 * @property {string | null} colour_ko
 * @property {string | null} colour_hex What a screen shows for `colour`.
 * @property {Swatch[]} palette
 * @property {boolean} main
 * @property {string | null} text
 * @property {boolean | null} understood A word of the text says something of products; null without a text.
 * @property {string | null} product_id
 * @property {string | null} within
 * @property {string | null} tint The colour that the text names.
 * @property {'uncertain' | 'too_few' | 'asked' | null} widened
 * @property {number | null} threshold
 * @property {boolean | null} no_good_match
 * @property {boolean} exhausted
 * @property {boolean} [lacking] There is nothing of the kind `within`; what the page makes of the matches.
 * @property {Match[]} matches
 *
 * @typedef {object} Piece The product of a look for one object.
 * @property {number} object Its number in the answer's `objects`.
 * @property {string | null} label
 * @property {string | null} label_ko
 * @property {string} product_id
 * @property {string} item_id
 * @property {number | null} price
 * @property {boolean | null} good
 *
 * @typedef {object} LookPhoto
 * @property {string} item_id
 * @property {string | null} product_id
 * @property {{object: number, item_id: string}[]} worn
 * @property {number} score
 * @property {Record<string, unknown>} columns
 *
 * @typedef {object} Look
 * @property {Piece[]} pieces
 * @property {string | null} price_column
 * @property {number | null} total
 * @property {number} unpriced
 * @property {number[]} missing
 * @property {LookPhoto[]} photos
 *
 * @typedef {object} Answer
 * @property {number} format
 * @property {string} release_id
 * @property {string} released_at
 * @property {{detector: string, embedder: string}} models
 * @property {number | null} width Of the upright query photo, pixels.
 * @property {number | null} height
 * @property {boolean} no_object
 * @property {Lane[]} objects
 * @property {Lane | null} whole
 * @property {Look | null} look
 * @property {Lane[]} goes_with
 * @property {Record<string, number>} seconds
 *
 * @typedef {object} Release
 * @property {string} release_id
 * @property {string} released_at
 * @property {number} [items]
 * @property {string[]} columns What a filter may name.
 * @property {string[]} [sortable] What products may be sorted by.
 * @property {number} [max_k] The most products that it answers with.
 * @property {{products?: number, categories?: {name: string, products: number}[], price?: {least: number, most: number} | null}} [facets]
 *
 * @typedef {object} Photo A photo as it is sent and shown.
 * @property {Blob} blob What is sent.
 * @property {string} url Of the blob, for `<img>`.
 * @property {HTMLImageElement} image Decoded and upright.
 * @property {number} width Upright, pixels.
 * @property {number} height
 * @property {string} name
 *
 * @typedef {{min: number | null, max: number | null, categories: string[]}} Filters
 */
export {};

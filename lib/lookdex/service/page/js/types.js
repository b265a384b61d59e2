/**
 * The service's answers, as in `answer-2.json`. Only what the page uses.
 *
 * @typedef {{x0: number, y0: number, x1: number, y1: number}} Box Pixels of the upright photo; x1, y1 exclusive.
 * @typedef {{l: number, a: number, b: number, share: number, hex: string}} Swatch
 *
 * @typedef {object} Match
 * @property {number} rank 1 is the best.
 * @property {string | null} product_id
 * @property {number} similarity Cosine of the two pictures, -1 … 1.
 * @property {number} score What matches are ranked by.
 * @property {number | null} colour_similarity 0 … 1.
 * @property {number | null} text_similarity
 * @property {'kind' | 'colour' | null} other Set for products of another category or colour.
 * @property {boolean | null} good Whether it reaches the lane's threshold; null if there is none.
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
 * @typedef {object} Lane A part of the question with its matches.
 * @property {'object' | 'box' | 'photos' | 'image' | 'text' | 'product' | 'worn' | 'vector'} kind
 * @property {Box | null} box
 * @property {string | null} label
 * @property {string | null} label_ko
 * @property {number | null} score
 * @property {string | null} colour
 * @property {string | null} colour_ko
 * @property {string | null} colour_hex `colour` as shown on screen.
 * @property {Swatch[]} palette
 * @property {boolean} main
 * @property {string | null} text
 * @property {boolean | null} understood Whether a word of the text describes products; null without a text.
 * @property {string | null} product_id
 * @property {string | null} within
 * @property {string | null} tint The colour that the text names.
 * @property {'uncertain' | 'too_few' | 'asked' | null} widened
 * @property {number | null} threshold
 * @property {boolean | null} no_good_match
 * @property {boolean} exhausted
 * @property {boolean} [lacking] Set by the page: no match is of the category `within`.
 * @property {Match[]} matches
 *
 * @typedef {object} Piece The product of a look for one object.
 * @property {number} object Index into the answer's `objects`.
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
 * @property {number | null} width Of the upright query photo, in pixels.
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
 * @property {string[]} columns Columns for filters.
 * @property {string[]} [sortable] Columns to sort by.
 * @property {number} [max_k] The largest `k`.
 * @property {{products?: number, categories?: {name: string, products: number}[], price?: {least: number, most: number} | null}} [facets]
 *
 * @typedef {object} Photo A photo, as uploaded and shown.
 * @property {Blob} blob The upload.
 * @property {string} url Object URL of the blob, for `<img>`.
 * @property {HTMLImageElement} image Decoded and upright.
 * @property {number} width Upright, pixels.
 * @property {number} height
 * @property {string} name
 *
 * @typedef {{min: number | null, max: number | null, categories: string[]}} Filters
 */
export {};

-- Queries of `lookdex report` on a release's tables (views: items, images). Each reads only a few columns, so that it
-- also runs on a million rows. Item ids are hashes, so the smallest ids are an unbiased sample.

-- name: totals
SELECT count(*) FILTER (scope = 'object') AS objects,
       count(*) FILTER (scope = 'image') AS photos,
       count(*) FILTER (scope = 'image' AND product_id IS NULL) AS loose_photos,
       count(DISTINCT product_id) AS products,
       count(DISTINCT product_id) FILTER (scope = 'object' AND role = 'main') AS seen_products,
       -- A photo that could not be fetched tonight keeps its rows of an earlier night.
       (SELECT count(*) FROM (
           SELECT product_id
           FROM (SELECT unnest(product_ids) AS product_id, items > 0 AS shown FROM images)
           GROUP BY product_id HAVING NOT bool_or(shown))) AS lost_products
FROM items;

-- name: labels
SELECT label,
       count(*) AS objects,
       count(*) FILTER (role = 'main') AS main_objects,
       count(DISTINCT product_id) FILTER (role = 'main') AS products,
       arg_min(item_id, (role <> 'main', item_id), $pictures) AS examples
FROM items
WHERE scope = 'object' AND label IS NOT NULL
GROUP BY label
ORDER BY products DESC, objects DESC, label;

-- name: colours
-- A product seen in two colours counts for both; an object without a product counts as a product of its own.
SELECT label, colour, count(DISTINCT coalesce(product_id, item_id)) AS products
FROM items
WHERE scope = 'object' AND label IS NOT NULL AND colour IS NOT NULL
  AND (role = 'main' OR NOT EXISTS (FROM items WHERE scope = 'object' AND role = 'main'))
GROUP BY label, colour
ORDER BY label, products DESC, colour;

-- name: agreement
-- Photos of a category in the shop, and how many of them have a main object with that label.
SELECT images.category, count(*) AS photos, count(*) FILTER (list_contains(main.labels, images.category)) AS seen
FROM images
LEFT JOIN (
    SELECT image_key, list(label) AS labels FROM items WHERE scope = 'object' AND role = 'main' GROUP BY image_key
) AS main USING (image_key)
WHERE images.category IS NOT NULL AND images.status IN ('indexed', 'no_object')
GROUP BY images.category;

-- name: seen_as
-- What the detector takes products of one category for, from photos that show only one product. A product counts as
-- recognised if one of its photos has the right label; else the label with the highest score counts.
WITH filed AS (
    SELECT image_key, product_ids[1] AS product_id, category FROM images
    WHERE category IS NOT NULL AND len(product_ids) = 1 AND status IN ('indexed', 'no_object')
),
seen AS (
    SELECT product_id, filed.category, arg_max({'label': label, 'item_id': item_id, 'score': score},
                                               (label = filed.category, score, item_id)) AS best
    FROM items JOIN filed USING (image_key, product_id)
    WHERE scope = 'object' AND role = 'main' AND label IS NOT NULL
    GROUP BY product_id, filed.category
)
SELECT category, best.label AS label, count(*) AS products,
       arg_max(best.item_id, (best.score, best.item_id), $pictures) AS examples
FROM seen
GROUP BY ALL
ORDER BY products DESC, category, label;

-- name: photos_per_product
SELECT least(photos, 6) AS photos, count(*) AS products
FROM (SELECT count(DISTINCT image_key) AS photos FROM items
      WHERE scope = 'image' AND product_id IS NOT NULL GROUP BY product_id)
GROUP BY ALL
ORDER BY ALL;

-- name: objects_per_photo
SELECT least(greatest(items - 1, 0), 6) AS objects, count(*) AS photos
FROM images
WHERE status IN ('indexed', 'no_object')
GROUP BY ALL
ORDER BY ALL;

-- name: reasons
SELECT status, reason, count(*) AS photos, sum(bytes) AS bytes,
       arg_min({'key': image_key, 'bytes': bytes, 'width': width, 'height': height}, md5(image_key), $pictures)
           AS examples
FROM images
WHERE status IN ('rejected', 'failed')
GROUP BY status, reason
ORDER BY status DESC, photos DESC, reason;

-- name: without_object
SELECT item_id, image_key
FROM items SEMI JOIN (FROM images WHERE status = 'no_object') AS empty USING (image_key)
WHERE scope = 'image'
ORDER BY item_id
LIMIT $pictures;

-- name: score_bins
SELECT label, least(19, greatest(0, floor(score * 20)))::INTEGER AS bin, count(*) AS objects
FROM items
WHERE scope = 'object' AND label IS NOT NULL AND score IS NOT NULL
GROUP BY ALL;

-- name: scores
SELECT label, count(*) AS objects, median(score) AS median, min(score) AS least,
       arg_min({'item_id': item_id, 'score': score}, (score, item_id), $pictures) AS unsure,
       arg_max({'item_id': item_id, 'score': score}, (score, item_id), $pictures) AS sure
FROM items
WHERE scope = 'object' AND label IS NOT NULL AND score IS NOT NULL
GROUP BY label
ORDER BY objects DESC, label;

-- name: same_file
SELECT content_hash, count(DISTINCT image_key) AS photos, count(DISTINCT product_id) AS products,
       arg_min({'item_id': item_id, 'image_key': image_key, 'product_id': product_id}, image_key, $pictures)
           AS examples
FROM items
WHERE scope = 'image' AND content_hash IS NOT NULL
GROUP BY content_hash
HAVING count(DISTINCT image_key) > 1;

-- name: first_main_of_each_label
SELECT label, arg_min(item_id, item_id, $pictures) AS item_ids
FROM items
WHERE scope = 'object' AND role = 'main' AND product_id IS NOT NULL
GROUP BY label;

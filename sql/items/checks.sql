-- Checks of the table `items`. Each query returns the offending rows; without any the check passes.
-- DuckDB runs them on the candidate, with the views `items` and `images`.

-- name: item_id is unique
SELECT item_id, count(*) AS rows FROM items GROUP BY item_id HAVING count(*) > 1 OR item_id IS NULL;

-- name: vectors are finite and of unit length
SELECT item_id, image_key, squared_length
FROM (SELECT item_id, image_key, array_inner_product(vector, vector) AS squared_length FROM items)
WHERE squared_length IS NULL OR isnan(squared_length) OR abs(squared_length - 1) > 0.002;

-- name: boxes lie inside their photo
SELECT items.item_id, items.image_key, x0, y0, x1, y1, images.width, images.height
FROM items JOIN images USING (image_key)
WHERE NOT coalesce(0 <= x0 AND x0 < x1 AND x1 <= images.width AND 0 <= y0 AND y0 < y1 AND y1 <= images.height, false);

-- name: every item has its photo
SELECT items.item_id, items.image_key FROM items ANTI JOIN images USING (image_key);

-- name: items are of the photo's present bytes
SELECT items.item_id, items.image_key
FROM items JOIN images USING (image_key)
WHERE items.content_hash IS DISTINCT FROM images.content_hash;

-- name: scopes, roles and scores are in their range
SELECT item_id, image_key, scope, role, label, score
FROM items
WHERE NOT coalesce(scope IN ('object', 'image') AND role IN ('main', 'other'), false)
   OR (scope = 'object' AND NOT coalesce(label <> '' AND score BETWEEN 0 AND 1, false));

-- name: an item's product is one of its photo's
SELECT items.item_id, items.image_key, items.product_id
FROM items JOIN images USING (image_key)
WHERE items.product_id IS NOT NULL AND NOT list_contains(coalesce(images.product_ids, []), items.product_id);

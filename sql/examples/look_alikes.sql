-- Different products whose photos look the same: duplicates in the shop, or a photo used twice.
-- The cosine of two vectors is their inner product, because they have unit length. The query is quadratic within a
-- label and colour: add a WHERE on a large catalogue.
WITH main AS (
    SELECT item_id, product_id, image_key, label, colour, vector
    FROM items
    WHERE scope = 'object' AND role = 'main' AND product_id IS NOT NULL
)
SELECT a.product_id AS product, b.product_id AS other_product, a.label,
       max(array_inner_product(a.vector, b.vector)) AS cosine,
       arg_max(a.image_key, array_inner_product(a.vector, b.vector)) AS photo,
       arg_max(b.image_key, array_inner_product(a.vector, b.vector)) AS other_photo
FROM main a JOIN main b ON a.label = b.label AND a.colour = b.colour AND a.product_id < b.product_id
GROUP BY ALL
HAVING cosine > 0.95
ORDER BY cosine DESC
LIMIT 50;

-- Checks of the product columns of the items. Each query returns the offending rows; without any the check passes.
-- DuckDB runs them on the candidate, on nights with a products file, with the views `items`, `images`, `products` (the
-- file's columns as the plan stored them) and `compared`: for each item, its product columns as one struct, those of
-- its product in the file (all null if it is not listed), and whether the file lists it.
-- Values are shown as text, because a wrong one may be outside the range of Python's types.

-- name: items say of their product what the products file says
SELECT item_id, image_key, product_id, published::VARCHAR AS published, expected::VARCHAR AS expected
FROM compared
WHERE published IS DISTINCT FROM expected;

-- name: the products file lists every product that is sold
SELECT image_key, product_id, 'items' AS found_in
FROM compared
WHERE product_id IS NOT NULL AND NOT listed
UNION ALL
SELECT image_key, product_id, 'images' AS found_in
FROM (SELECT image_key, unnest(product_ids) AS product_id FROM images) ANTI JOIN products USING (product_id);

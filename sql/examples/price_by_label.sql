-- Prices by what was seen in the photo (needs the product column `price`). One row per product, not per photo.
WITH products AS (
    SELECT product_id, any_value(label) AS label, any_value(price) AS price
    FROM items
    WHERE scope = 'object' AND role = 'main' AND price IS NOT NULL
    GROUP BY product_id
)
SELECT label, count(*) AS products, min(price) AS lowest, median(price) AS median, max(price) AS highest
FROM products
GROUP BY label
ORDER BY median DESC;

-- Prices by label of the main object (needs the product column `price`). Each product counts once, not each photo.
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

-- Products by label and colour of their main objects.
SELECT label, colour, count(DISTINCT product_id) AS products, round(avg(colour_share), 2) AS share_of_the_object
FROM items
WHERE scope = 'object' AND role = 'main' AND product_id IS NOT NULL
GROUP BY label, colour
ORDER BY label, products DESC;

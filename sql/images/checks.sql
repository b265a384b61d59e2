-- Checks of the table `images`, the ledger. Each query returns the offending rows; without any the check passes.

-- name: image_key is unique
SELECT image_key, count(*) AS rows FROM images GROUP BY image_key HAVING count(*) > 1 OR image_key IS NULL;

-- name: every photo has an outcome, and a reason where it failed
SELECT image_key, status, reason
FROM images
WHERE NOT coalesce(CASE status
    WHEN 'indexed' THEN reason IS NULL
    WHEN 'no_object' THEN reason IS NULL
    WHEN 'rejected' THEN reason IN ('empty', 'too_many_bytes', 'too_many_pixels', 'too_small', 'unknown_format', 'no_picture', 'corrupt')
    WHEN 'failed' THEN reason IN ('gone', 'changed', 'denied', 'archived', 'damaged_in_transit', 'unavailable', 'out_of_memory', 'not_tried', 'breaks_model')
END, false);

-- name: the ledger counts the items of each photo
SELECT images.image_key, images.status, images.items AS ledger, coalesce(counted.items, 0) AS items
FROM images LEFT JOIN (SELECT image_key, count(*) AS items FROM items GROUP BY image_key) counted USING (image_key)
WHERE images.items IS DISTINCT FROM coalesce(counted.items, 0);

-- name: every decoded photo has one row for the whole photo
SELECT images.image_key, images.status, coalesce(counted.whole, 0) AS whole, coalesce(counted.objects, 0) AS objects
FROM images LEFT JOIN (
    SELECT image_key,
           count(*) FILTER (WHERE scope = 'image') AS whole,
           count(*) FILTER (WHERE scope = 'object') AS objects
    FROM items GROUP BY image_key
) counted USING (image_key)
WHERE NOT CASE images.status
    WHEN 'indexed' THEN coalesce(whole, 0) = 1 AND coalesce(objects, 0) > 0
    WHEN 'no_object' THEN coalesce(whole, 0) = 1 AND coalesce(objects, 0) = 0
    WHEN 'rejected' THEN coalesce(whole, 0) = 0 AND coalesce(objects, 0) = 0
    ELSE coalesce(whole, 0) = CASE WHEN images.items > 0 THEN 1 ELSE 0 END
END;

-- name: a photo with items knows its size, bytes and recipe
SELECT image_key, status, width, height, content_hash, recipe
FROM images
WHERE items > 0 AND NOT coalesce(width > 0 AND height > 0 AND content_hash <> '' AND recipe <> '', false);

-- Photos without objects in the index, by reason, with an example. Rejected photos stay rejected until the file changes.
SELECT status, reason, count(*) AS photos, min(image_key) AS example, sum(bytes) AS bytes,
       max(indexed_at) AS last_tried
FROM images
WHERE status IN ('rejected', 'failed', 'no_object')
GROUP BY status, reason
ORDER BY photos DESC;

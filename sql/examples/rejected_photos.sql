-- Photos that are not searchable, by reason, with one to look at; the rejected ones stay so until the file changes.
SELECT status, reason, count(*) AS photos, min(image_key) AS example, sum(bytes) AS bytes,
       max(indexed_at) AS last_tried
FROM images
WHERE status IN ('rejected', 'failed', 'no_object')
GROUP BY status, reason
ORDER BY photos DESC;

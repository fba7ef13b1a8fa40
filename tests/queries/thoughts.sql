-- A graph of thoughts with segments. The ids are uuid, the embeddings real[], the times timestamptz.

-- query: neighbours of a thought, up to three steps
WITH RECURSIVE reach(id, depth) AS (
  SELECT thought_id, 0 FROM thoughts WHERE thought_id = 'befc82ab-9ac1-4c71-a8ff-f4dd00a525d6'
  UNION
  SELECT r.to_id, depth + 1 FROM relations r JOIN reach ON r.from_id = reach.id WHERE depth < 3
)
SELECT t.thought_id, t.title, min(depth) FROM reach JOIN thoughts t ON t.thought_id = reach.id
GROUP BY t.thought_id ORDER BY 3, 1

-- query: the same, from a value
WITH RECURSIVE reach(id) AS (
  SELECT 'befc82ab-9ac1-4c71-a8ff-f4dd00a525d6'
  UNION
  SELECT r.to_id FROM relations r JOIN reach ON r.from_id = reach.id WHERE kind = 'supports'
)
SELECT id FROM reach ORDER BY id
-- postgresql: the first SELECT gives the types; a text is cast to uuid
WITH RECURSIVE reach(id) AS (
  SELECT 'befc82ab-9ac1-4c71-a8ff-f4dd00a525d6'::uuid
  UNION
  SELECT r.to_id FROM relations r JOIN reach ON r.from_id = reach.id WHERE kind = 'supports'
)
SELECT id FROM reach ORDER BY id

-- query: segments by type
SELECT content_type, count(*), avg(importance) FROM segments GROUP BY content_type ORDER BY content_type

-- query: an embedding is fetched
SELECT segment_id, embedding FROM segments WHERE embedding IS NOT NULL ORDER BY segment_id LIMIT 50

-- query: segments by their title
SELECT segment_id, title FROM segments WHERE lower(title) = lower('AKWYK qsx') ORDER BY segment_id

-- query: the latest segments that belong to a cluster
SELECT segment_id, cluster_id, created_at FROM segments WHERE cluster_id IS NOT NULL ORDER BY created_at DESC LIMIT 20

-- query: segments of a day
SELECT segment_id, created_at FROM segments
WHERE created_at >= '2025-01-03T00:00:00.000Z' AND created_at < '2025-01-04T00:00:00.000Z' ORDER BY created_at

-- query: segments that lie far to the right
SELECT segment_id, json_extract(fields, '$.location[0]') FROM segments
WHERE json_extract(fields, '$.location[0]') > 0.99 ORDER BY segment_id
-- postgresql: -> and ->>, and a cast
SELECT segment_id, (fields->'location'->>0)::double precision FROM segments
WHERE (fields->'location'->>0)::double precision > 0.99 ORDER BY segment_id

-- query: the tags of a thought
SELECT t.title, g.name FROM thoughts t JOIN thought_tags tt ON tt.thought_id = t.thought_id
JOIN tags g ON g.id = tt.tag_id ORDER BY t.thought_id, g.id LIMIT 40

-- query: the weight of what supports a thought
SELECT to_id, sum(weight), count(*) FROM relations WHERE kind = 'supports' GROUP BY to_id ORDER BY 3 DESC, 1 LIMIT 10

-- query: the audit trail, with times
SELECT datetime(ts, 'unixepoch'), actor, what FROM audit_log ORDER BY ts LIMIT 10
-- postgresql: seconds since 1970 by to_timestamp()
SELECT to_timestamp(ts) AT TIME ZONE 'UTC', actor, what FROM audit_log ORDER BY ts LIMIT 10

-- query: the view
SELECT title, n FROM recent ORDER BY n DESC, title LIMIT 10

-- change: tags that may be there
INSERT OR IGNORE INTO tags (name) VALUES ('vi1'), ('brand new')
-- postgresql: OR IGNORE is ON CONFLICT DO NOTHING, which SQLite takes too
INSERT INTO tags (name) VALUES ('vi1'), ('brand new') ON CONFLICT DO NOTHING
-- then: they are there once
SELECT name, count(*) FROM tags WHERE name IN ('vi1', 'brand new') GROUP BY name ORDER BY name

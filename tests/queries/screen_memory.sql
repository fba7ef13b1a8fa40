-- A record of screenshots. Tags compare without case; the values of entries are JSON for some keys.

-- query: a tag by its name, whatever the capitals
SELECT id, name, color FROM tags WHERE name = 'TAGCAT38'
-- postgresql: a NOCASE column compares by lower(), for which it has the index
SELECT id, name, color FROM tags WHERE lower(name) = lower('TAGCAT38')

-- query: the tags in order
SELECT id, name FROM tags ORDER BY name, id
-- postgresql: and so does its order
SELECT id, name FROM tags ORDER BY lower(name), id

-- query: screenshots of a morning
SELECT id, filepath, size, file_created_at FROM entities
WHERE file_created_at >= '2025-01-02 06:00:00' AND file_created_at < '2025-01-02 12:00:00' ORDER BY file_created_at

-- query: screenshots per hour of the day
SELECT strftime('%H', file_created_at), count(*), sum(size) FROM entities GROUP BY 1 ORDER BY 1
-- postgresql: strftime() of a timestamp is to_char()
SELECT to_char(file_created_at, 'HH24'), count(*), sum(size) FROM entities GROUP BY 1 ORDER BY 1

-- query: the first line that was read
SELECT entity_id, json_extract(value, '$[0].rec_txt') FROM metadata_entries
WHERE "key" = 'ocr_result' AND entity_id < 50 ORDER BY entity_id
-- postgresql: the column is text, as not all of its values are JSON; these are cast
SELECT entity_id, value::json->0->>'rec_txt' FROM metadata_entries
WHERE "key" = 'ocr_result' AND entity_id < 50 ORDER BY entity_id

-- query: lines that were read with confidence
SELECT m.entity_id, json_extract(line.value, '$.rec_txt'), json_extract(line.value, '$.score')
FROM metadata_entries m, json_each(m.value) line
WHERE m."key" = 'ocr_result' AND json_extract(line.value, '$.score') > 0.995 ORDER BY 1, 3
-- postgresql: json_each() of an array is json_array_elements()
SELECT m.entity_id, line->>'rec_txt', (line->>'score')::double precision
FROM metadata_entries m, json_array_elements(m.value::json) AS line
WHERE m."key" = 'ocr_result' AND (line->>'score')::double precision > 0.995 ORDER BY 1, 3

-- query: the window that was active
SELECT e.filepath, m.value FROM entities e JOIN metadata_entries m ON m.entity_id = e.id
WHERE m."key" = 'active_window' AND m.data_type = 'TEXT' ORDER BY e.id LIMIT 20

-- query: the tags of screenshots, and who set them
SELECT t.name, et.source, count(*) FROM tags t JOIN entity_tags et ON et.tag_id = t.id
JOIN entities e ON e.id = et.entity_id GROUP BY t.id, et.source ORDER BY t.id, et.source

-- query: bytes per library
SELECT l.name, l.kind, l.created_at, count(e.id), sum(e.size) FROM libraries l
LEFT JOIN entities e ON e.library_id = l.id GROUP BY l.id ORDER BY l.id

-- change: a tag gets a colour, or is made
INSERT INTO tags (name, color) VALUES ('TAGCAT38', '#123456') ON CONFLICT (name) DO UPDATE SET color = excluded.color
-- postgresql: uniqueness without case is an index on lower(name)
INSERT INTO tags (name, color) VALUES ('TAGCAT38', '#123456') ON CONFLICT (lower(name)) DO UPDATE SET color = excluded.color
-- then: there is one
SELECT id, name, color FROM tags WHERE lower(name) = 'tagcat38'

-- The memory of a chat program. The ids are uuid, the times timestamp, the metadata json.

-- query: the sessions, latest first, with their size
SELECT s.id, s.title, s.updated_at, count(m.id) FROM sessions s LEFT JOIN messages m ON m.session_id = s.id
GROUP BY s.id ORDER BY s.updated_at DESC LIMIT 20

-- query: the history of a session
SELECT id, role, content, metadata, created_at FROM messages
WHERE session_id = 'c1f3b58f-a618-4643-b094-b2af13f8175c' ORDER BY created_at

-- query: search for a word, whatever the capitals
SELECT id, created_at FROM messages WHERE content LIKE '%GRöße%' ORDER BY created_at, id
-- postgresql: ILIKE; under COLLATE "C" it folds ASCII letters only, as SQLite's LIKE does
SELECT id, created_at FROM messages WHERE content ILIKE '%GRöße%' ORDER BY created_at, id

-- query: the last word of every session
SELECT s.title, m.role, m.created_at FROM sessions s JOIN messages m ON m.session_id = s.id
WHERE m.created_at = (SELECT max(x.created_at) FROM messages x WHERE x.session_id = s.id)
ORDER BY m.created_at DESC, s.title LIMIT 25

-- query: long answers, by a field of the metadata
SELECT id, json_extract(metadata, '$.tokens') FROM messages
WHERE role = 'assistant' AND json_extract(metadata, '$.tokens') > 850 ORDER BY 2 DESC, 1
-- postgresql: ->> gives text; a number is cast
SELECT id, (metadata->>'tokens')::integer FROM messages
WHERE role = 'assistant' AND (metadata->>'tokens')::integer > 850 ORDER BY 2 DESC, 1

-- query: sessions in a language
SELECT id FROM sessions WHERE json_extract(metadata, '$.lang') = 'zh' ORDER BY created_at
-- postgresql: ->>
SELECT id FROM sessions WHERE metadata->>'lang' = 'zh' ORDER BY created_at

-- query: how often a tag is used
SELECT t.value, count(*) FROM sessions, json_each(sessions.metadata, '$.tags') t GROUP BY t.value ORDER BY 2 DESC, 1 LIMIT 10
-- postgresql: json_each() of an array is json_array_elements_text()
SELECT t.value, count(*) FROM sessions, json_array_elements_text(sessions.metadata->'tags') AS t(value)
GROUP BY t.value ORDER BY 2 DESC, t.value COLLATE "C" LIMIT 10

-- query: messages in a range of time
SELECT id, created_at FROM messages
WHERE created_at >= '2025-01-03T00:00:00' AND created_at < '2025-01-04T00:00:00' ORDER BY created_at, id

-- query: messages per day
SELECT date(created_at), count(*) FROM messages GROUP BY 1 ORDER BY 1

-- query: a session by the beginning of its id
SELECT id, title FROM sessions WHERE id LIKE 'a1d4%' ORDER BY id
-- postgresql: a uuid is no text
SELECT id, title FROM sessions WHERE id::text LIKE 'a1d4%' ORDER BY id

-- change: a session is renamed
UPDATE sessions SET title = 'renamed', updated_at = '2025-02-01T00:00:00' WHERE id = 'a1d4d9f7-6402-4c5a-ad71-36110f704c9b'
-- then: it is the latest
SELECT id, title, updated_at FROM sessions ORDER BY updated_at DESC LIMIT 1

-- A memory of what was said. history.created_at stays text: its times are written in three ways.

-- query: what a session said last
SELECT role, content, name, created_at FROM messages WHERE session_scope = 'scope-3' ORDER BY created_at DESC LIMIT 10

-- query: the history of a memory
SELECT id, old_memory, new_memory, event, created_at, updated_at, is_deleted FROM history
WHERE memory_id = '0c78e811-6a87-42f5-b5d3-4af839670073' ORDER BY created_at, updated_at

-- query: search for a word in both tables
SELECT 'history', id, new_memory FROM history WHERE new_memory LIKE '%QXBYWN%'
UNION ALL SELECT 'messages', id, content FROM messages WHERE content LIKE '%QXBYWN%' ORDER BY 1, 2
-- postgresql: LIKE tells capitals apart
SELECT 'history', id, new_memory FROM history WHERE new_memory ILIKE '%QXBYWN%'
UNION ALL SELECT 'messages', id, content FROM messages WHERE content ILIKE '%QXBYWN%' ORDER BY 1, 2

-- query: who did what
SELECT actor_id, event, count(*) FROM history WHERE is_deleted = 0 GROUP BY actor_id, event ORDER BY actor_id, event
-- postgresql: NULLs come last unless one says so
SELECT actor_id, event, count(*) FROM history WHERE is_deleted = 0 GROUP BY actor_id, event ORDER BY actor_id NULLS FIRST, event

-- query: the history of a day, by the text of its time
SELECT id, created_at FROM history WHERE created_at >= '2025-01-05' AND created_at < '2025-01-06' ORDER BY created_at, id

-- query: what was changed after a time
SELECT id, updated_at FROM history WHERE updated_at > '2025-02-01T00:00:00' ORDER BY updated_at, id

-- query: memories whose latest event is a deletion
SELECT DISTINCT memory_id FROM history h WHERE event = 'DELETE' AND NOT EXISTS
(SELECT 1 FROM history x WHERE x.memory_id = h.memory_id AND x.created_at > h.created_at) ORDER BY memory_id LIMIT 20

-- change: a session keeps its last ten messages
DELETE FROM messages WHERE session_scope = 'scope-3' AND id NOT IN
(SELECT id FROM messages WHERE session_scope = 'scope-3' ORDER BY created_at DESC, rowid DESC LIMIT 10)
-- postgresql: there is no rowid beside a declared key; a column of the row breaks the tie
DELETE FROM messages WHERE session_scope = 'scope-3' AND id NOT IN
(SELECT id FROM messages WHERE session_scope = 'scope-3' ORDER BY created_at DESC NULLS LAST, id DESC LIMIT 10)
-- then: what is left
SELECT id, session_scope, role, content, name, created_at FROM messages ORDER BY id

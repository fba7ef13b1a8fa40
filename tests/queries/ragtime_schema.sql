-- A chat application of Ruby on Rails with its queue. The file has no rows: these are written first.

-- before: what the application writes
INSERT INTO models (id, model_id, name, provider, family, context_window, capabilities, created_at, updated_at) VALUES
  (1, 'big-1', 'Big', 'acme', 'big', 200000, '["chat", "tools"]', '2025-11-08 18:00:00.000000', '2025-11-08 18:00:00.000000'),
  (2, 'small-1', 'Small', 'acme', NULL, 8000, '["chat"]', '2025-11-08 18:00:01.500000', '2025-11-08 18:00:01.500000');
INSERT INTO chats (id, created_at, updated_at, model_id) VALUES
  (1, '2025-11-09 10:00:00.123456', '2025-11-09 10:05:00.000000', 1), (2, '2025-11-09 11:00:00.000000', '2025-11-09 11:00:00.000000', NULL);
INSERT INTO messages (id, role, content, input_tokens, output_tokens, created_at, updated_at, chat_id, model_id, metadata) VALUES
  (1, 'user', 'What is in the report?', NULL, NULL, '2025-11-09 10:00:01.000001', '2025-11-09 10:00:01.000001', 1, NULL, '{"sources": [], "cost": 0}'),
  (2, 'assistant', 'Three tables.', 120, 30, '2025-11-09 10:00:05.250000', '2025-11-09 10:00:05.250000', 1, 1, '{"sources": [3, 1], "cost": 2}'),
  (3, 'user', 'Hello', NULL, NULL, '2025-11-09 11:00:00.000000', '2025-11-09 11:00:00.000000', 2, NULL, '{"sources": [], "cost": 0}');
INSERT INTO documents (id, title, filename, status, created_at, updated_at) VALUES
  (1, 'Report', 'report.pdf', 'completed', '2025-11-08 19:00:00.000000', '2025-11-08 19:00:00.000000');
INSERT INTO chunks (id, document_id, content, position, token_count, embedding, created_at, updated_at) VALUES
  (1, 1, 'first part', 0, 2, x'0000803f000000400000404000008040cdcccc3dcdcc4c3e9a99993ecdcccc3e0000803f000000400000404000008040cdcccc3dcdcc4c3e9a99993ecdcccc3e', '2025-11-08 19:00:01.000000', '2025-11-08 19:00:01.000000'),
  (2, 1, 'second part', 1, 2, x'000080bf000000400000404000008040cdcccc3dcdcc4c3e9a99993ecdcccc3e0000803f000000400000404000008040cdcccc3dcdcc4c3e9a99993ecdcc4c3f', '2025-11-08 19:00:02.000000', '2025-11-08 19:00:02.000000');
INSERT INTO solid_queue_jobs (id, queue_name, class_name, arguments, priority, scheduled_at, finished_at, created_at, updated_at) VALUES
  (1, 'default', 'EmbedJob', '{"arguments":[1]}', 0, '2025-11-09 09:00:00.000000', '2025-11-09 09:00:03.000000', '2025-11-09 09:00:00.000000', '2025-11-09 09:00:03.000000'),
  (2, 'default', 'EmbedJob', '{"arguments":[2]}', 5, '2025-11-09 09:01:00.000000', NULL, '2025-11-09 09:01:00.000000', '2025-11-09 09:01:00.000000'),
  (3, 'mail', 'MailJob', '{"arguments":[3]}', 0, '2025-11-09 09:02:00.000000', NULL, '2025-11-09 09:02:00.000000', '2025-11-09 09:02:00.000000'),
  (4, 'default', 'EmbedJob', '{"arguments":[4]}', 0, '2025-11-10 09:00:00.000000', NULL, '2025-11-09 09:03:00.000000', '2025-11-09 09:03:00.000000');
INSERT INTO solid_queue_ready_executions (job_id, queue_name, priority, created_at) VALUES
  (2, 'default', 5, '2025-11-09 09:01:00.000000'), (3, 'mail', 0, '2025-11-09 09:02:00.000000');
INSERT INTO solid_queue_scheduled_executions (job_id, queue_name, priority, scheduled_at, created_at) VALUES
  (4, 'default', 0, '2025-11-10 09:00:00.000000', '2025-11-09 09:03:00.000000');
INSERT INTO solid_queue_pauses (queue_name, created_at) VALUES ('mail', '2025-11-09 09:05:00.000000');
INSERT INTO solid_queue_recurring_tasks ("key", schedule, class_name, static, created_at, updated_at) VALUES
  ('clean', 'every hour', 'CleanJob', 1, '2025-11-08 18:00:00.000000', '2025-11-08 18:00:00.000000'),
  ('probe', 'every day', 'ProbeJob', 0, '2025-11-08 18:00:00.000000', '2025-11-08 18:00:00.000000');

-- query: the history of a chat
SELECT "messages".* FROM "messages" WHERE "messages"."chat_id" = 1 ORDER BY "messages"."created_at" ASC

-- query: the chats, with the model's name
SELECT "chats"."id", "chats"."updated_at", "models"."name" FROM "chats"
LEFT OUTER JOIN "models" ON "models"."id" = "chats"."model_id" ORDER BY "chats"."updated_at" DESC

-- query: a chunk with its embedding
SELECT "chunks"."id", "chunks"."content", "chunks"."embedding" FROM "chunks"
WHERE "chunks"."document_id" = 1 ORDER BY "chunks"."position" ASC

-- query: a document by its status
SELECT "documents"."id", "documents"."title", count("chunks"."id") FROM "documents"
LEFT OUTER JOIN "chunks" ON "chunks"."document_id" = "documents"."id"
WHERE "documents"."status" = 'completed' GROUP BY "documents"."id" ORDER BY "documents"."created_at" DESC LIMIT 20 OFFSET 0

-- query: the queue is polled
SELECT "solid_queue_ready_executions"."job_id" FROM "solid_queue_ready_executions"
WHERE "solid_queue_ready_executions"."queue_name" NOT IN (SELECT "queue_name" FROM "solid_queue_pauses")
ORDER BY "solid_queue_ready_executions"."priority" ASC, "solid_queue_ready_executions"."job_id" ASC LIMIT 3
-- postgresql: the same would do; Rails locks the rows, so that several workers can poll at once
SELECT "solid_queue_ready_executions"."job_id" FROM "solid_queue_ready_executions"
WHERE "solid_queue_ready_executions"."queue_name" NOT IN (SELECT "queue_name" FROM "solid_queue_pauses")
ORDER BY "solid_queue_ready_executions"."priority" ASC, "solid_queue_ready_executions"."job_id" ASC LIMIT 3
FOR UPDATE SKIP LOCKED

-- query: jobs that are due
SELECT "job_id" FROM "solid_queue_scheduled_executions" WHERE "scheduled_at" <= '2025-11-10 09:00:00.000000'
ORDER BY "scheduled_at" ASC, "priority" ASC, "job_id" ASC LIMIT 500

-- query: jobs that are not finished, and how long they waited until then
SELECT "id", "class_name", "arguments", "priority" FROM "solid_queue_jobs" WHERE "finished_at" IS NULL ORDER BY "id"

-- query: recurring tasks that the configuration makes
SELECT "key", "static" FROM "solid_queue_recurring_tasks" WHERE "static" = 1
-- postgresql: a boolean is no number
SELECT "key", "static" FROM "solid_queue_recurring_tasks" WHERE "static" = TRUE

-- query: what an answer cost, out of its metadata
SELECT "id", json_extract("metadata", '$.cost') FROM "messages" WHERE json_extract("metadata", '$.cost') > 0
-- postgresql: ->> gives text; a number is cast
SELECT "id", ("metadata"->>'cost')::integer FROM "messages" WHERE ("metadata"->>'cost')::integer > 0

-- query: models that have tools
SELECT "model_id" FROM "models" WHERE EXISTS (SELECT 1 FROM json_each("models"."capabilities") WHERE value = 'tools')
-- postgresql: json_each() of an array is json_array_elements_text()
SELECT "model_id" FROM "models" WHERE EXISTS
(SELECT 1 FROM json_array_elements_text("models"."capabilities"::json) AS c(value) WHERE value = 'tools')

-- query: the migrations that ran
SELECT "version" FROM "schema_migrations" ORDER BY "version" ASC

-- change: a job is claimed
INSERT INTO solid_queue_claimed_executions (job_id, process_id, created_at) VALUES (2, NULL, '2025-11-09 09:06:00.000000')
-- then: by nobody twice
SELECT "job_id", "created_at" FROM "solid_queue_claimed_executions" ORDER BY "job_id"

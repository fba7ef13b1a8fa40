-- The ddl of `crossfade inspect --json`, as reviewed. To renew it, and review what changed: CROSSFADE_UPDATE_GOLDEN=1 integration_tests --gtest_filter='*GoldenDdl*'
CREATE TABLE "public"."history" (
  "id" uuid NOT NULL,
  "memory_id" uuid,
  "old_memory" text COLLATE "C",
  "new_memory" text COLLATE "C",
  "event" text COLLATE "C",
  "created_at" text COLLATE "C",
  "updated_at" timestamp,
  "is_deleted" bigint,
  "actor_id" text COLLATE "C",
  "role" text COLLATE "C"
);
CREATE TABLE "public"."messages" (
  "id" uuid NOT NULL,
  "session_scope" text COLLATE "C",
  "role" text COLLATE "C",
  "content" text COLLATE "C",
  "name" text COLLATE "C",
  "created_at" timestamp
);
COMMENT ON TABLE "public"."history" IS 'In SQLite: CREATE TABLE history(id TEXT PRIMARY KEY, memory_id TEXT, old_memory TEXT, new_memory TEXT, event TEXT, created_at DATETIME, updated_at DATETIME, is_deleted INTEGER, actor_id TEXT, role TEXT)';
COMMENT ON TABLE "public"."messages" IS 'In SQLite: CREATE TABLE messages(id TEXT PRIMARY KEY, session_scope TEXT, role TEXT, content TEXT, name TEXT, created_at DATETIME)';
ALTER TABLE "public"."history" ADD CONSTRAINT "history_pkey" PRIMARY KEY ("id");
ALTER TABLE "public"."messages" ADD CONSTRAINT "messages_pkey" PRIMARY KEY ("id");

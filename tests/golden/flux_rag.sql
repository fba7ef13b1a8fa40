-- The ddl of `crossfade inspect --json`, as reviewed. To renew it, and review what changed: CROSSFADE_UPDATE_GOLDEN=1 integration_tests --gtest_filter='*GoldenDdl*'
CREATE TABLE "public"."messages" (
  "id" uuid NOT NULL,
  "session_id" uuid NOT NULL,
  "role" text COLLATE "C" NOT NULL,
  "content" text COLLATE "C" NOT NULL,
  "metadata" json DEFAULT '{}'::json,
  "created_at" timestamp NOT NULL
);
CREATE TABLE "public"."sessions" (
  "id" uuid NOT NULL,
  "title" text COLLATE "C" DEFAULT '',
  "created_at" timestamp NOT NULL,
  "updated_at" timestamp NOT NULL,
  "metadata" json DEFAULT '{}'::json
);
COMMENT ON TABLE "public"."messages" IS 'In SQLite: CREATE TABLE messages(id TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE, role TEXT NOT NULL, content TEXT NOT NULL, metadata TEXT DEFAULT ''{}'', created_at TEXT NOT NULL)';
COMMENT ON TABLE "public"."sessions" IS 'In SQLite: CREATE TABLE sessions(id TEXT PRIMARY KEY, title TEXT DEFAULT '''', created_at TEXT NOT NULL, updated_at TEXT NOT NULL, metadata TEXT DEFAULT ''{}'')';
ALTER TABLE "public"."messages" ADD CONSTRAINT "messages_pkey" PRIMARY KEY ("id");
ALTER TABLE "public"."sessions" ADD CONSTRAINT "sessions_pkey" PRIMARY KEY ("id");
CREATE INDEX "idx_messages_session" ON "public"."messages" ("session_id", "created_at");
ALTER TABLE "public"."messages" ADD CONSTRAINT "messages_session_id_fkey" FOREIGN KEY ("session_id") REFERENCES "public"."sessions" ("id") ON UPDATE NO ACTION ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE NOT VALID;

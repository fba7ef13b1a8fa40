// What crossfade keeps on the target, in a schema of its own: progress, the tables' plans, route,
// quarantine, conflicts; and how its errors are made.
#pragma once

#include <string>
#include <utility>

#include "engine/core/error.h"

namespace crossfade::run {

// Of crossfade's own tables, and of the plans in them; another one's are not read.
inline constexpr int kTargetFormat = 4;

inline constexpr const char* kCreateTargetSchema = R"(
CREATE SCHEMA crossfade;
CREATE TABLE crossfade.progress(
  one boolean PRIMARY KEY DEFAULT true CHECK(one),
  format integer NOT NULL,
  source_id text NOT NULL,
  target_schema text NOT NULL,
  naming text NOT NULL,
  schema_from_target boolean NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  holder text,
  phase text NOT NULL DEFAULT 'inspecting',
  applied_lsn bigint NOT NULL DEFAULT 0,
  verified_lsn bigint NOT NULL DEFAULT 0,
  schema_version bigint NOT NULL DEFAULT 0,
  digest_lsn bigint NOT NULL DEFAULT 0,
  digest text NOT NULL DEFAULT '',
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE crossfade.tables(
  name text COLLATE "C" PRIMARY KEY,
  target_name text NOT NULL,
  capture_id bigint NOT NULL,
  state text NOT NULL,
  base_lsn bigint NOT NULL,
  consistent_lsn bigint NOT NULL,
  copy_position text NOT NULL DEFAULT '',
  rows_copied bigint NOT NULL DEFAULT 0,
  rows_total bigint NOT NULL DEFAULT 0,
  plan text NOT NULL);
CREATE TABLE crossfade.put_aside(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name text NOT NULL,
  kind text NOT NULL,
  relation text NOT NULL,
  name text NOT NULL,
  ddl text NOT NULL,
  unvalidated boolean NOT NULL DEFAULT false,
  cause text NOT NULL DEFAULT '');
CREATE TABLE crossfade.views(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  target_name text NOT NULL,
  made oid NOT NULL);
CREATE TABLE crossfade.route(
  one boolean PRIMARY KEY DEFAULT true CHECK(one),
  "primary" text NOT NULL CHECK("primary" IN ('sqlite','postgres','none')),
  epoch bigint NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE crossfade.quarantine(
  id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  table_name text NOT NULL,
  key_id text NOT NULL,
  key text NOT NULL,
  key_bytes bytea NOT NULL,
  column_name text NOT NULL,
  reason text NOT NULL,
  lsn bigint NOT NULL,
  source_row jsonb NOT NULL,
  accepted boolean NOT NULL DEFAULT false,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY(table_name, key_id));
CREATE TABLE crossfade.conflicts(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  table_name text NOT NULL,
  kind text NOT NULL,
  state text NOT NULL DEFAULT 'resolved' CHECK(state IN ('resolved','waiting')),
  resolution text,
  why text NOT NULL DEFAULT '',
  by_person boolean NOT NULL DEFAULT false,
  resolved_at timestamptz,
  lsn bigint NOT NULL,
  rows_expected bigint,
  rows_found bigint,
  key text,
  key_id text,
  key_bytes bytea,
  target_key text,
  target_key_bytes bytea,
  base_row jsonb,
  source_row jsonb,
  target_row jsonb,
  result_row jsonb,
  source_at timestamptz,
  target_at timestamptz,
  decision text CHECK(decision IN ('source','target','row')),
  decision_row jsonb,
  decision_bytes bytea,
  decided_at timestamptz,
  CHECK(state = 'resolved' OR key_id IS NOT NULL),
  CHECK(state = 'waiting' OR resolution IS NOT NULL),
  CHECK((decision = 'row') = (decision_bytes IS NOT NULL)));
CREATE UNIQUE INDEX conflicts_waiting ON crossfade.conflicts(table_name, key_id)
  WHERE state = 'waiting';
CREATE FUNCTION crossfade.check_lease(p_token bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM crossfade.progress WHERE token = p_token FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another crossfade engine has taken over' USING ERRCODE = 'CF001';
  END IF;
END $$;
CREATE FUNCTION crossfade.advance(p_token bigint, p_from bigint, p_to bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE crossfade.progress SET applied_lsn = p_to, updated_at = clock_timestamp()
   WHERE token = p_token AND applied_lsn = p_from;
  IF NOT FOUND THEN
    PERFORM crossfade.check_lease(p_token);
    RAISE EXCEPTION 'progress is not at %', p_from USING ERRCODE = 'CF002';
  END IF;
END $$;
INSERT INTO crossfade.route("primary", epoch) VALUES('sqlite', 0);
)";

[[nodiscard]] inline Error target_error(std::string op, std::string object, std::string native,
                                        std::string hint) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = std::move(op);
  error.object = std::move(object);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

}  // namespace crossfade::run

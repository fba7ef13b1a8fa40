#include "engine/run/audit_head.h"

#include <fmt/format.h>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/postgres/quote.h"

namespace crossfade::run {
namespace {

// Not in the statements that make the schema: a move that began without it gets it too.
constexpr const char* kMakeHead = R"(
CREATE TABLE IF NOT EXISTS crossfade.audit_head(
  one boolean PRIMARY KEY DEFAULT true CHECK(one),
  seq bigint NOT NULL,
  hash text NOT NULL,
  bytes bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp())
)";

}  // namespace

Result<std::optional<AuditHead>> read_audit_head(postgres::Connection& target) {
  CROSSFADE_TRY(const auto there,
                target.exec("SELECT to_regclass('crossfade.audit_head') IS NOT NULL"));
  if (!there.boolean(0, 0)) return std::optional<AuditHead>();
  CROSSFADE_TRY(const auto row,
                target.exec("SELECT seq,hash,bytes,to_char(at AT TIME ZONE 'UTC',"
                            "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM crossfade.audit_head"));
  if (row.rows() == 0) return std::optional<AuditHead>();
  return std::optional<AuditHead>(
      AuditHead{row.integer(0, 0), row.text(0, 1), row.integer(0, 2), row.text(0, 3)});
}

namespace {

// It is no word about the trail, and no reason to stop a move.
Status not_now(const Error& why) {
  log::warn(fmt::format("the audit trail could not be read: {}: {}", why.object, why.native));
  return ok();
}

}  // namespace

Status AuditHeadKeeper::keep(postgres::Connection& target, const AuditLog& log) {
  if (refused_ || target.in_transaction()) return ok();
  const auto read = log.head();
  if (!read) return not_now(read.error());
  const auto& newest = read.value();
  if (kept_ && newest && newest->hash == kept_->hash) return ok();
  if (!kept_) {
    CROSSFADE_TRY(target.exec(kMakeHead));
    CROSSFADE_TRY(kept_, read_audit_head(target));
  }
  bool held = !kept_;
  if (kept_ && newest) {
    const auto there = log.holds(*kept_);
    if (!there) return not_now(there.error());
    held = there.value();
  }
  if (!held) {
    refused_ = true;
    log::error(
        "the audit trail does not hold what it held when its newest entry was last recorded on "
        "the target: `crossfade audit verify` tells what is wrong with it");
    return ok();
  }
  if (!newest) return ok();
  CROSSFADE_TRY(target.exec(fmt::format(
      "INSERT INTO crossfade.audit_head(seq,hash,bytes) VALUES({0},{1},{2}) ON CONFLICT(one) DO "
      "UPDATE SET seq={0},hash={1},bytes={2},at=clock_timestamp() WHERE audit_head.bytes<{2}",
      newest->seq, postgres::quote_literal(newest->hash), newest->bytes)));
  kept_ = newest;
  return ok();
}

Status AuditHeadKeeper::keep_now_and_then(postgres::Connection& target, const AuditLog& log) {
  if (Deadline::Clock::now() < next_) return ok();
  next_ = Deadline::Clock::now() + limits::kAuditHeadInterval;
  return keep(target, log);
}

}  // namespace crossfade::run

#include "verify/verdict.h"

#include <algorithm>
#include <utility>

#include "engine/core/limits.h"
#include "verify/key_text.h"

namespace crossfade::verify {

bool wants_sample(const ChunkVerdict& verdict, Difference::Kind kind) {
  const auto named = std::count_if(verdict.samples.begin(), verdict.samples.end(),
                                   [kind](const Difference& d) { return d.kind == kind; });
  return static_cast<size_t>(named) < limits::kSamplesMax;
}

void add_sample(ChunkVerdict* verdict, Difference::Kind kind, std::string key) {
  if (wants_sample(*verdict, kind)) verdict->samples.push_back({kind, std::move(key)});
}

void count_source_row(const Table& table, const RowDigest& row, Difference::Kind kind,
                      ChunkVerdict* verdict) {
  ++(kind == Difference::Kind::kMissing ? verdict->missing : verdict->changed);
  if (!wants_sample(*verdict, kind)) return;
  add_sample(verdict, kind, row.representable ? key_text(table, row.key) : row.key_literal);
}

void count_extra(const Table& table, const std::string& canonical_key, ChunkVerdict* verdict) {
  ++verdict->extra;
  if (!wants_sample(*verdict, Difference::Kind::kExtra)) return;
  add_sample(verdict, Difference::Kind::kExtra, key_text(table, canonical_key));
}

void ChunkVerdict::merge(const ChunkVerdict& other) {
  rows_source += other.rows_source;
  rows_target += other.rows_target;
  missing += other.missing;
  extra += other.extra;
  changed += other.changed;
  left_out += other.left_out;
  for (const Difference& difference : other.samples) {
    add_sample(this, difference.kind, difference.key);
  }
}

}  // namespace crossfade::verify

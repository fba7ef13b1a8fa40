#include "verify/verdict.h"

#include <algorithm>
#include <utility>

#include "verify/key_text.h"

namespace crossfade::verify {

namespace {

// Whether one more is to be named; names cost more than counts.
bool count(ChunkVerdict* verdict, Difference::Kind kind) {
  return static_cast<size_t>(++count_of(verdict, kind)) <= verdict->samples_max;
}

}  // namespace

int64_t& count_of(ChunkVerdict* verdict, Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kMissing:
      return verdict->missing;
    case Difference::Kind::kExtra:
      return verdict->extra;
    case Difference::Kind::kChanged:
      break;
  }
  return verdict->changed;
}

void count_source_row(const Table& table, const RowDigest& row, Difference::Kind kind,
                      ChunkVerdict* verdict) {
  if (!count(verdict, kind)) return;
  verdict->samples.push_back(
      {kind, row.representable ? key_text(table, row.key) : row.key_literal});
}

void count_extra(const Table& table, const std::string& canonical_key, ChunkVerdict* verdict) {
  if (!count(verdict, Difference::Kind::kExtra)) return;
  verdict->samples.push_back({Difference::Kind::kExtra, key_text(table, canonical_key)});
}

ChunkVerdict verdict_of(const Difference& difference) {
  ChunkVerdict out;
  count(&out, difference.kind);
  out.samples.push_back(difference);
  return out;
}

void ChunkVerdict::merge(const ChunkVerdict& other) {
  rows_source += other.rows_source;
  rows_target += other.rows_target;
  missing += other.missing;
  extra += other.extra;
  changed += other.changed;
  left_out += other.left_out;
  for (const Difference& difference : other.samples) {
    const auto named = std::count_if(samples.begin(), samples.end(), [&](const Difference& d) {
      return d.kind == difference.kind;
    });
    if (static_cast<size_t>(named) < samples_max) samples.push_back(difference);
  }
}

}  // namespace crossfade::verify

// A table that fuzzed SQL can name: a column of every kind that is translated in its own way.
#pragma once

#include <string>
#include <utility>

#include "engine/schema/expression/translate.h"
#include "tests/fuzz/input.h"

namespace crossfade::fuzz {

inline schema::expression::ScopeColumn column(const std::string& name, ColumnType type,
                                              Affinity affinity) {
  schema::expression::ScopeColumn out;
  out.name = name;
  out.target_name = name;
  out.type = std::move(type);
  out.affinity = affinity;
  return out;
}

inline schema::expression::Scope make_scope() {
  ColumnType words(TargetType::kBoolean);
  words.form = SourceForm::kWords;
  words.words = "yes/no";
  ColumnType price(TargetType::kNumeric);
  price.precision = 10;
  price.scale = 2;
  ColumnType made(TargetType::kTimestamp);
  made.form = SourceForm::kPattern;
  made.pattern = "%Y-%m-%d %H:%M:%S";
  ColumnType at(TargetType::kTimestamptz);
  at.form = SourceForm::kEpochSeconds;
  ColumnType code(TargetType::kUuid);
  code.form = SourceForm::kUuidLower;
  schema::expression::Scope out;
  out.table = "t";
  out.columns = {column("id", TargetType::kBigint, Affinity::kInteger),
                 column("n", TargetType::kBigint, Affinity::kInteger),
                 column("r", TargetType::kDouble, Affinity::kReal),
                 column("p", price, Affinity::kNumeric),
                 column("s", TargetType::kText, Affinity::kText),
                 column("f", TargetType::kBoolean, Affinity::kNumeric),
                 column("w", words, Affinity::kText),
                 column("m", made, Affinity::kNumeric),
                 column("e", at, Affinity::kInteger),
                 column("u", code, Affinity::kText),
                 column("b", TargetType::kBytea, Affinity::kBlob),
                 column("j", TargetType::kJsonb, Affinity::kText),
                 column("v", TargetType::kVariant, Affinity::kBlob)};
  out.columns[4].collation = "NOCASE";
  out.rowid_column = "id";
  return out;
}

template <typename Outcome>
void check_refusal(const Outcome& outcome, std::string_view sql) {
  if (outcome) return;
  const auto& refusal = outcome.error();
  require(!refusal.reason.empty() && refusal.offset <= sql.size() &&
              refusal.length <= sql.size() - refusal.offset,
          "a refusal says why, and which part of the SQL", refusal.reason);
}

}  // namespace crossfade::fuzz

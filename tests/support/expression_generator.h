// Random expressions of SQLite's grammar, over a table with a column of every type.
//
// Deterministic: the same seed writes the same expressions. Threads: one at a time.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "engine/schema/expression/translate.h"

namespace crossfade::testing {

// The same value on both sides, as literals.
struct LiteralPair {
  std::string source;
  std::string target;
};

struct ExpressionColumn {
  schema::expression::ScopeColumn scope;
  std::string declared;
  std::vector<LiteralPair> values;  // edge values
};

[[nodiscard]] std::vector<ExpressionColumn> expression_columns();

class ExpressionGenerator {
 public:
  explicit ExpressionGenerator(unsigned seed) : random_(seed) {}

  std::string boolean(int depth);
  std::string integer(int depth);
  std::string real(int depth);
  std::string text(int depth);
  std::string any(int depth);

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string pick(const std::vector<std::string>& from) {
    return from[static_cast<size_t>(below(static_cast<int>(from.size())))];
  }
  std::string text_literal();
  std::string comparison(int depth);
  std::string form_comparison();

  std::mt19937 random_;
};

}  // namespace crossfade::testing

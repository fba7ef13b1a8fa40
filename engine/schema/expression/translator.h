// The translation of one statement's expressions; the methods are in translate_*.cc by what they
// translate.
//
// Each yields an Operand, which says what its values stand for on the source. Whoever takes an
// operand asks for the form it needs: plain(), as_text(), as_integer(), as_double(), condition().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schema/expression/constants.h"
#include "engine/schema/expression/names.h"
#include "engine/schema/expression/operand.h"
#include "engine/schema/expression/outcome.h"
#include "engine/schema/expression/syntax.h"
#include "engine/schema/expression/translate.h"

namespace crossfade::schema::expression {

// A boolean, which stands for 0 or 1.
[[nodiscard]] Operand truth(std::string sql, Tightness tightness);

// Of a condition and its opposite; of two conditions, all true (`conjunction`) or any. What is the
// same for every row is settled.
[[nodiscard]] Operand negated(const Operand& condition);
[[nodiscard]] Operand joined(bool conjunction, const Operand& a, const Operand& b);

// <, <=, > and >=, of the comparisons.
[[nodiscard]] bool is_ordering(const std::string& op);

class Translator {
 public:
  // `sql` is what the trees' offsets point into; both outlive the translator.
  Translator(std::string_view sql, Use use, const Resolver* resolver)
      : sql_(sql), use_(use), resolver_(resolver) {}

  Outcome<Operand> translate(const Expr& expr);
  // A boolean that is true, false or NULL as SQLite takes `expr` in a WHERE.
  Outcome<Operand> condition(const Expr& expr);
  // The values that SQLite sees, for a column whose type has a form of its own.
  Outcome<Operand> plain(const Expr& at, Operand operand);
  // As what a view, an index or a generated column may hold.
  Outcome<Operand> result(const Expr& at, Operand operand);
  Outcome<Operand> for_key(const Expr& at, Operand operand);
  Outcome<Operand> stored(const Expr& expr, const ScopeColumn& column);

  // A SELECT and what its columns are.
  struct Selected {
    std::string sql;
    std::vector<ScopeColumn> columns;
    bool one_row = false;  // an aggregate without GROUP BY
  };
  Outcome<Selected> select(const Select& select, const Names* outer);

  Names* names = nullptr;                                  // borrowed; of the statement at hand
  std::vector<std::string> notes;                          // for the caller to take
  std::function<std::string(std::string_view)> to_target;  // names of a view's own columns

 private:
  // Refuses this part.
  [[nodiscard]] static auto no(const Expr& at, std::string reason) {
    return refuse(at.offset, at.length, std::move(reason));
  }
  void note(const std::string& sentence);

  // translate_constant.cc
  Outcome<Operand> constant(const Expr& at, const Value& value);
  std::optional<Value> computed(const std::string& sqlite_sql);
  // SQLite's own answer where all operands are constant, in `sqlite_sql` by ?1, ?2 ...: PostgreSQL
  // computes such a part of a generated column before it knows the collation, and refuses (42P22).
  Outcome<std::optional<Operand>> settled_by_constants(const Expr& at,
                                                       const std::string& sqlite_sql,
                                                       const std::vector<Operand>& operands);
  Outcome<Operand> number_of(const Expr& at, Operand operand);
  // Marks the operand as not immutable, or refuses where it must be.
  Outcome<Operand> unstable(const Expr& at, Operand operand, const char* what);

  // translate_column.cc
  Outcome<Operand> name(const Expr& expr);
  Outcome<std::optional<Operand>> find(const Expr& expr, const Names& in);
  [[nodiscard]] static std::optional<ColumnAt> rowid(const Expr& name, const Names& in);
  Outcome<Operand> column(const Expr& at, const TableNames& table, const ScopeColumn& column);
  Outcome<bool> check_grouped(const Expr& at, const Names& in, ColumnAt where);
  Outcome<Operand> plain_time(const Expr& at, Operand operand);
  static Operand plain_uuid(Operand operand);

  // translate_operator.cc
  Outcome<Operand> dispatch(const Expr& expr);
  Outcome<Operand> unary(const Expr& expr);
  Outcome<Operand> binary(const Expr& expr);
  Outcome<Operand> logic(const Expr& expr);
  Outcome<Operand> concatenate(const Expr& expr);
  Outcome<Operand> collate(const Expr& expr);
  Outcome<Operand> to_condition(const Expr& at, Operand operand);
  Outcome<Operand> as_text(const Expr& at, Operand operand);

  // translate_arithmetic.cc
  Outcome<Operand> arithmetic(const Expr& expr);
  Outcome<Operand> integers(const Expr& at, const std::string& op, Operand a, const Operand& b);
  Outcome<Operand> reals(const Expr& at, const std::string& op, Operand a, const Operand& b);
  Outcome<Operand> remainder(const Expr& at, const Operand& a, const Operand& b);
  Outcome<Operand> bits(const Expr& expr);
  Outcome<Operand> negative(const Expr& expr);
  static Operand as_integer(Operand operand);
  static Operand as_double(Operand operand);
  static Operand as_bigint(Operand operand);

  // translate_compare.cc
  enum class Affinities : uint8_t { kBoth, kLeft, kNone };
  Outcome<Operand> compare(const Expr& at, const std::string& op, Operand a, Operand b,
                           Affinities rule = Affinities::kBoth);
  Outcome<Operand> compare_plain(const Expr& at, const std::string& op, Operand a, Operand b,
                                 Affinities rule);
  Outcome<Operand> apply(const Expr& at, Operand operand, std::optional<Affinity> affinity);
  Outcome<Operand> compare_numbers(const Expr& at, const std::string& op, Operand a, Operand b);
  Outcome<Operand> compare_texts(const Expr& at, const std::string& op, Operand a, Operand b);
  Outcome<Operand> compare_two_valued(const Expr& at, const std::string& op, const Operand& a,
                                      const Value& constant, std::optional<Affinity> affinity,
                                      const std::string& collation);
  Outcome<Operand> exact_numbers(const Expr& at, Operand compared, bool exact);
  Operand compared(const std::string& op, const Operand& a, const Operand& b) const;
  static Operand settled(const std::string& op, const Operand& a, const Operand& b, bool value);

  // translate_in.cc
  Outcome<Operand> is_null(const Expr& expr);
  Outcome<Operand> between(const Expr& expr);
  Outcome<Operand> in(const Expr& expr);
  Outcome<Operand> in_select(const Expr& expr);
  Outcome<Operand> rows(const Expr& expr);

  // translate_form.cc: comparisons of columns in their own form.
  Outcome<std::optional<Operand>> compare_form(const Expr& at, const std::string& op,
                                               const Operand& form, const Value& constant,
                                               const std::string& collation);
  std::optional<Operand> compare_time(const std::string& op, const Operand& form,
                                      const std::string& text);

  // translate_like.cc
  Outcome<Operand> like(const Expr& expr);
  Outcome<Operand> like_pattern(const Expr& expr, const Operand& text, const Operand& pattern);
  Outcome<Operand> glob(const Expr& expr, const Operand& text, const std::string& pattern);

  // translate_choice.cc
  Outcome<Operand> case_when(const Expr& expr);
  Outcome<Operand> chosen(const Expr& at, const Operand& branch);
  Outcome<Operand> unify(const Expr& at, std::vector<Operand*> branches);
  Outcome<Operand> coalesce(const Expr& expr);
  Outcome<Operand> null_if(const Expr& expr);
  Outcome<Operand> least_greatest(const Expr& expr);
  Outcome<Operand> iif(const Expr& expr);

  // translate_call.cc, translate_text.cc, translate_number.cc
  Outcome<Operand> call(const Expr& expr);
  Outcome<Operand> cast(const Expr& expr);
  Outcome<Operand> text_call(const Expr& expr);
  Outcome<Operand> length(const Expr& expr);
  Outcome<Operand> substring(const Expr& expr);
  Outcome<Operand> hexadecimal(const Expr& expr);
  Outcome<Operand> type_of(const Expr& expr);
  Outcome<Operand> round(const Expr& expr);
  Outcome<Operand> absolute(const Expr& expr);
  Outcome<Operand> random_value(const Expr& expr);

  // translate_json.cc
  Outcome<Operand> json_call(const Expr& expr);
  Outcome<Operand> json_path(const Expr& expr);
  Outcome<std::optional<Operand>> compare_json(const Expr& at, const std::string& op,
                                               const Operand& json, const Operand& other);

  // translate_time.cc
  Outcome<Operand> time_call(const Expr& expr);
  struct Instant {
    std::string sql;  // a timestamp without time zone, in UTC
    bool now = false;
    bool date_only = false;
    int fraction_digits = 0;
    bool stable = false;
    bool not_null = false;
  };
  Outcome<Instant> instant(const Expr& call, size_t first);
  Outcome<Instant> instant_of_column(const Expr& at, const Operand& column);
  Outcome<Instant> modified(const Expr& at, Instant from);
  Outcome<Operand> formatted(const Expr& at, const Instant& instant, const std::string& format);
  Outcome<Operand> present(const Expr& expr);

  // translate_aggregate.cc
  [[nodiscard]] static bool is_aggregate(const Expr& call);
  [[nodiscard]] static bool has_aggregate(const Expr& expr);
  Outcome<Operand> aggregate(const Expr& expr);
  Outcome<Operand> total(const Expr& expr, Operand operand, const std::string& filter);
  Outcome<Operand> extreme(const Expr& expr, Operand operand, const std::string& filter);

  // translate_select.cc, translate_from.cc and translate_view.cc
  struct Clauses {
    std::string sql;
    std::vector<ScopeColumn> columns;
    std::vector<Operand> operands;  // of the columns
    bool one_row = false;
  };
  Outcome<Clauses> core(const SelectCore& core, Names* names_of_core);
  Outcome<bool> result_columns(const SelectCore& core, Clauses* out, std::string* list);
  Outcome<bool> add_result(const Expr& at, Operand operand, const std::string& name, Clauses* out,
                           std::string* list);
  [[nodiscard]] std::string name_of(const Expr& column) const;
  Outcome<std::string> group_by(const SelectCore& core);
  Outcome<bool> check_distinct(const Expr& at, const Clauses& clauses) const;
  Outcome<std::string> order_by(const Select& select, const Clauses& first);
  Outcome<std::string> order_term(const Select& select, const OrderTerm& term,
                                  const Clauses& first);
  Outcome<std::string> limits_of(const Select& select);
  Outcome<std::string> with(const Select& select, const Names* outer);
  Outcome<std::string> from(const SelectCore& core, Names* out);
  Outcome<std::string> source(const Source& source, Names* out);
  Outcome<std::string> join_condition(const Source& source, Names* out);
  Outcome<Operand> shared_column(const Source& source, const std::string& name, Names* out);
  [[nodiscard]] static std::optional<ColumnAt> locate(const Expr& name, const Names& in);
  std::optional<Relation> relation(const std::string& name) const;
  Outcome<Operand> subquery(const Expr& expr);
  Outcome<Operand> exists(const Expr& expr);

  std::string_view sql_;
  Use use_;
  const Resolver* resolver_;
  Constants constants_;
  bool inside_aggregate_ = false;
  bool aggregates_allowed_ = false;
  bool in_group_expression_ = false;
  bool in_join_condition_ = false;
  // By name; nothing while the SELECT that makes it is being read.
  std::vector<std::pair<std::string, std::optional<Relation>>> common_tables_;
};

}  // namespace crossfade::schema::expression

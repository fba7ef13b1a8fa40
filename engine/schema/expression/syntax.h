// SQLite's expressions and SELECT statements as trees.
//
// Plain data, made by parser.h. Heights are bounded (limits::kExpressionHeightMax), so walking and
// destroying a tree by recursion is safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace crossfade::schema::expression {

enum class ExprKind : uint8_t {
  kNull,
  kInteger,  // text as written
  kReal,     // likewise
  kString,   // text is the meaning
  kBlob,     // text as written, x'00'
  kCurrent,  // text is CURRENT_DATE, CURRENT_TIME or CURRENT_TIMESTAMP
  kName,     // text is the column, qualifier the table or nothing
  kUnary,    // text is "-", "+", "~" or "NOT"
  kBinary,   // text is "+", "AND", "=" (also for "=="), "<>" (also for "!="), "IS", "IS NOT", ...
  kLike,     // text is LIKE, GLOB, REGEXP or MATCH; children: text, pattern, escape if there
  kIsNull,   // of children[0]; `negated` is NOTNULL
  kBetween,  // children: value, low, high
  kIn,       // children: value, then the list; or `select`
  kCase,     // children: base if `has_base`, then when and then by turns, else if `has_else`
  kCast,     // text is the type's name
  kCollate,  // text is the collation
  kCall,     // text is the function's name in upper case
  kExists,
  kSubquery,
  kRow,  // (a, b)
  kRaise,
};

struct Select;

struct Expr {
  Expr();
  ~Expr();
  Expr(Expr&&) noexcept;
  Expr& operator=(Expr&&) noexcept;

  ExprKind kind = ExprKind::kNull;
  std::string text;
  std::string qualifier;
  std::string schema;    // kName: of a.b.c
  bool quoted = false;   // kName in double quotes: a string if no column is called so
  bool negated = false;  // NOT LIKE, NOT IN, NOT BETWEEN, NOTNULL
  bool has_base = false;
  bool has_else = false;
  bool star = false;      // count(*)
  bool distinct = false;  // count(DISTINCT x)
  bool over = false;      // a window function
  bool table_in = false;  // x IN name: text is the table
  std::vector<std::unique_ptr<Expr>> children;
  std::unique_ptr<Expr> filter;  // FILTER (WHERE ...)
  std::unique_ptr<Select> select;
  size_t offset = 0;  // into the SQL
  size_t length = 0;
  int height = 1;
};
using ExprPtr = std::unique_ptr<Expr>;

struct OrderTerm {
  ExprPtr expr;
  bool descending = false;
  enum class Nulls : uint8_t { kDefault, kFirst, kLast } nulls = Nulls::kDefault;
};

struct ResultColumn {
  ExprPtr expr;         // empty: a star
  std::string alias;    // empty: none
  std::string star_of;  // the table of "t.*"
  size_t offset = 0;
  size_t length = 0;
};

// One table or subquery of a FROM clause, and how it joins what stands before it.
struct Source {
  enum class Join : uint8_t { kFirst, kInner, kLeft, kRight, kFull } join = Join::kFirst;
  bool natural = false;
  std::string table;
  std::string alias;               // empty: none
  std::unique_ptr<Select> select;  // a subquery instead of a table
  ExprPtr on;
  std::vector<std::string> using_columns;
  size_t offset = 0;
  size_t length = 0;
};

struct SelectCore {
  bool distinct = false;
  std::vector<ResultColumn> columns;
  std::vector<Source> from;
  ExprPtr where;
  std::vector<ExprPtr> group_by;
  ExprPtr having;
  std::vector<std::vector<ExprPtr>> values;  // VALUES (...), (...) instead of all the above
  size_t offset = 0;
  size_t length = 0;
};

struct CommonTable {
  std::string name;
  std::vector<std::string> columns;
  std::unique_ptr<Select> select;
};

struct Select {
  bool recursive = false;  // WITH RECURSIVE, which need not recurse
  std::vector<CommonTable> with;
  std::vector<SelectCore> cores;       // never empty
  std::vector<std::string> operators;  // between them: "UNION", "UNION ALL", ...
  std::vector<OrderTerm> order_by;
  ExprPtr limit;
  ExprPtr skip;  // OFFSET
  int height = 1;
  size_t offset = 0;
  size_t length = 0;
};

}  // namespace crossfade::schema::expression

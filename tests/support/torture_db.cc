#include "tests/support/torture_db.h"

#include <fmt/format.h>

#include <functional>
#include <string_view>

#include "tests/support/random_schema.h"

namespace crossfade::testing {
namespace {

using namespace std::string_view_literals;

// All as SQL.
constexpr const char* kIntegers[] = {"0",
                                     "1",
                                     "-1",
                                     "255",
                                     "2147483647",
                                     "-2147483649",
                                     "9007199254740993",
                                     "-9007199254740993",
                                     "9223372036854775807",
                                     "(-9223372036854775807-1)",
                                     "1614834367",
                                     "1614834367123"};
constexpr const char* kReals[] = {"0.0",
                                  "-0.0",
                                  "0.1",
                                  "-2.25",
                                  "1.7976931348623157e308",
                                  "4.9406564584124654e-324",
                                  "2.2250738585072014e-308",
                                  "9007199254740993.0",
                                  "1e15",
                                  "1e300",
                                  "123456789.12345679",
                                  "9e999",
                                  "-9e999",
                                  "(9e999-9e999)",
                                  "2459278.5"};
constexpr std::string_view kLiteralTexts[] = {""sv,          " "sv,
                                              "a"sv,         "A"sv,
                                              "a "sv,        "é"sv,
                                              "É"sv,         "ß"sv,
                                              "日本"sv,      "😀"sv,
                                              "null"sv,      "NULL"sv,
                                              "1"sv,         "1.0"sv,
                                              "0x10"sv,      "12abc"sv,
                                              "true"sv,      "it's"sv,
                                              R"(")"sv,      R"(\)"sv,
                                              R"(\x00)"sv,   R"(\N)"sv,
                                              "\t\n\r"sv,    "\x01\x7f"sv,
                                              R"(\u0000)"sv, "\xef\xbb\xbf"sv,
                                              "%s $1"sv,     R"({"a":1})"sv,
                                              "e\u0301"sv,   "\u202e"sv,
                                              "\ufffd"sv,    "\U0010ffff"sv,
                                              "Infinity"sv,  "NaN"sv,
                                              "1e999"sv};
constexpr std::string_view kBrokenTexts[] = {
    "a\0b"sv,     "\0"sv,      "end\0"sv,        "\xff"sv,
    "caf\xe9"sv,  "\xc3"sv,    "\xed\xa0\x80"sv, "\xf4\x90\x80\x80"sv,
    "\xc0\x80"sv, "\xe2\x82"sv};
constexpr std::string_view kBlobs[] = {""sv, "\0"sv, "\xff\x00"sv, "text"sv, "\x00\x00\x00\x01"sv};
constexpr const char* kDates[] = {"'2021-03-04'",
                                  "'2021-03-04 05:06:07'",
                                  "'2021-03-04T05:06:07Z'",
                                  "'2021-03-04 05:06:07+02:00'",
                                  "'2021-03-04 05:06:07.123456789'",
                                  "'2021-02-30'",
                                  "'24:00:00'",
                                  "'31/12/2020'",
                                  "'0000-00-00'",
                                  "''",
                                  "'99999-01-01'",
                                  "'-4713-11-24'",
                                  "'2021-03-04 05:06:60'",
                                  "'now'",
                                  "0",
                                  "1614834367",
                                  "1614834367123",
                                  "2459278.5"};
constexpr const char* kDocuments[] = {R"('{"a":1,"a":2}')",
                                      R"('{"a":"x\u0000y"}')",
                                      R"('{"b":1,  "a":[1.0]}')",
                                      R"('[1e400,-0,"\ud800"]')",
                                      "'null'",
                                      "'{a:1}'",
                                      "'{oops'",
                                      "''"};
// Of tables and columns alike.
constexpr const char* kTableNames[] = {
    "select",
    "Mixed",
    "with space",
    R"(quo"te)",
    "'single'",
    "semi;colon",
    "per%cent",
    "do$llar",
    "grün",
    "日本語",
    "1digit",
    "a.b",
    "--",
    "/*",
    "user",
    "\t",
    "{}",
    R"(\)",
    "public",
    "a_name_of_the_sixty_three_bytes_that_postgresql_can_hold_and_1",
    "a_name_of_the_sixty_three_bytes_that_postgresql_can_hold_and_2"};

std::string literal(std::string_view bytes, bool blob) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return blob ? "x'" + hex + "'" : "CAST(x'" + hex + "' AS TEXT)";
}

std::string in_quotes(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

class Builder {
 public:
  explicit Builder(uint64_t seed) : random_(seed) {}

  TortureDb build() {
    values();
    texts();
    keys();
    names();
    schema();
    return std::move(db_);
  }

 private:
  std::string integer() { return random_.pick(kIntegers); }
  std::string real() { return random_.pick(kReals); }
  std::string text() {
    std::string bytes(random_.pick(kLiteralTexts));
    if (random_.one_in(3)) bytes += random_.pick(kLiteralTexts);
    if (random_.one_in(60)) bytes.append(20000, 'x');
    return literal(bytes, false);
  }
  std::string broken_text() {
    const std::string before(random_.pick(kLiteralTexts));
    return literal(before + std::string(random_.pick(kBrokenTexts)), false);
  }
  std::string blob() {
    std::string bytes(random_.pick(kBlobs));
    while (random_.one_in(2)) bytes += static_cast<char>(random_.below(256));
    return literal(bytes, true);
  }
  std::string anything() {
    switch (random_.below(7)) {
      case 0:
        return "NULL";
      case 1:
        return integer();
      case 2:
        return real();
      case 3:
        return text();
      case 4:
        return broken_text();
      case 5:
        return blob();
      default:
        return random_.pick(kDates);
    }
  }
  // Short, for keys.
  std::string key() {
    switch (random_.below(4)) {
      case 0:
        return integer();
      case 1:
        return real();
      case 2:
        return literal(random_.pick(kLiteralTexts), false);
      default:
        return blob();
    }
  }

  void add(const std::string& sql) { db_.sql += sql + ";\n"; }
  using Cell = std::function<std::string()>;
  void rows(const std::string& table, int count, const std::vector<Cell>& cells,
            const char* verb = "INSERT") {
    for (int i = 0; i < count; ++i) {
      std::string row;
      for (const Cell& cell : cells) row += (row.empty() ? "" : ",") + cell();
      add(fmt::format("{} INTO {} VALUES({})", verb, table, row));
    }
  }
  Cell any() {
    return [this] { return anything(); };
  }
  static Cell automatic() {
    return [] { return "NULL"; };
  }

  // 1 to 9, 12, 13: every class in columns of every declaration, and columns of one class.
  void values() {
    add("CREATE TABLE anything(id INTEGER PRIMARY KEY, none, i INTEGER, r REAL, t TEXT, b BLOB,"
        " n NUMERIC, flag BOOLEAN, at DATETIME, doc JSON, price DECIMAL(10,2), c CHARINT(3),"
        " p FLOATING POINT, s VARCHAR(2))");
    std::vector<Cell> cells{automatic()};
    for (int i = 0; i < 13; ++i) cells.push_back(any());
    rows("anything", 150, cells);
    // A column of one value each, so that none is of one class by chance.
    add("INSERT INTO anything(none,i,r,t,b,n,flag,at,doc,price,c,p,s) "
        "VALUES(1,x'00',x'00',x'00','a',"
        "x'00',x'00',x'00',x'00',x'00',x'00',x'00',x'00'),('a','b','b','b',x'00','b','b','b','b','"
        "b',"
        "'b','b','b')");
    add("CREATE TABLE number(id INTEGER PRIMARY KEY, i INT, r REAL, d DECIMAL(8,2), flag BOOLEAN,"
        " n NUMERIC)");
    rows("number", 80,
         {automatic(), [this] { return integer(); }, [this] { return real(); },
          [this] { return fmt::format("'{}.{:02}'", random_.below(1000), random_.below(100)); },
          [this] { return std::to_string(random_.below(2)); },
          [this] { return random_.one_in(2) ? "9007199254740993" : "0.5"; }});
    add("CREATE TABLE moment(id INTEGER PRIMARY KEY, spelled DATETIME, one DATETIME, z DATETIME)");
    rows("moment", 80,
         {automatic(), [this] { return std::string(random_.pick(kDates)); },
          [this] {
            return fmt::format("'20{:02}-02-{:02} 23:59:59'", random_.below(100),
                               1 + random_.below(28));
          },
          [this] {
            return fmt::format("'1969-12-31T{:02}:00:00.{:03}Z'", random_.below(24),
                               random_.below(1000));
          }});
    add("CREATE TABLE document(id INTEGER PRIMARY KEY, some JSON, good JSON)");
    rows("document", 40,
         {automatic(), [this] { return std::string(random_.pick(kDocuments)); },
          [this] { return std::string(kDocuments[random_.below(3)]); }});
  }

  // 10, 11: text columns, of which the rows with broken text are to be set aside.
  void texts() {
    add("CREATE TABLE word(id INTEGER PRIMARY KEY, t TEXT, u VARCHAR(3), n INTEGER)");
    add("CREATE TABLE wordkey(k TEXT PRIMARY KEY NOT NULL, n INTEGER)");
    for (int64_t id = 1; id <= 120; ++id) {
      const bool broken = random_.one_in(5);
      const std::string t = broken && id % 2 == 0 ? broken_text() : text();
      const std::string u = broken && id % 2 == 1 ? broken_text() : text();
      add(fmt::format("INSERT INTO word VALUES({},{},{},{})", id, t, u, integer()));
      if (broken) db_.set_aside.push_back({"word", id});
      const std::string k =
          fmt::format("CAST({} || '{}' AS TEXT)", literal(random_.pick(kLiteralTexts), false), id);
      add(fmt::format("INSERT INTO wordkey(rowid,k,n) VALUES({},{},{})", id,
                      broken ? literal(fmt::format("{}\xff", id), false) : k, integer()));
      if (broken) db_.set_aside.push_back({"wordkey", id});
    }
  }

  // 16 to 18, 24 to 27: keys of every kind; OR IGNORE passes over what is there already.
  void keys() {
    const Cell small = [this] { return key(); };
    add("CREATE TABLE mixed_key(k PRIMARY KEY, v)");
    rows("mixed_key", 60, {small, any()}, "INSERT OR IGNORE");
    add("INSERT INTO mixed_key VALUES(NULL,1),(NULL,1)");  // 25
    add("CREATE TABLE pair(a, b TEXT COLLATE NOCASE, v, PRIMARY KEY(b,a)) WITHOUT ROWID");
    rows("pair", 60, {small, [this] { return literal(random_.pick(kLiteralTexts), false); }, any()},
         "INSERT OR IGNORE");
    add("CREATE TABLE blob_key(k BLOB PRIMARY KEY NOT NULL, v) WITHOUT ROWID");
    rows("blob_key", 30, {[this] { return blob(); }, any()}, "INSERT OR IGNORE");
    add("CREATE TABLE real_key(k REAL PRIMARY KEY NOT NULL, v)");
    rows("real_key", 30, {[this] { return real(); }, any()}, "INSERT OR IGNORE");
    add("CREATE TABLE int_key(k INT PRIMARY KEY DESC, v)");
    rows("int_key", 20, {[this] { return integer(); }, any()}, "INSERT OR IGNORE");
    add("CREATE TABLE alias(k INTEGER PRIMARY KEY AUTOINCREMENT, v)");
    rows("alias", 20, {[this] { return integer(); }, any()}, "INSERT OR IGNORE");
    add("CREATE TABLE keyless(a, b)");
    rows("keyless", 30, {any(), any()});
    add("INSERT INTO keyless SELECT * FROM keyless; DELETE FROM keyless WHERE rowid%7=0");  // 24
    add("CREATE TABLE folded(id INTEGER PRIMARY KEY, t TEXT COLLATE NOCASE UNIQUE,"
        " u TEXT COLLATE RTRIM UNIQUE)");
    const Cell short_text = [this] { return literal(random_.pick(kLiteralTexts), false); };
    rows("folded", 40, {automatic(), short_text, short_text}, "INSERT OR IGNORE");
  }

  // 37
  void names() {
    for (const char* name : kTableNames) {
      const std::string table = in_quotes(name);
      const std::string other = in_quotes(random_.pick(kTableNames));
      add(fmt::format("CREATE TABLE {}(id INTEGER PRIMARY KEY, {}{}{} TEXT UNIQUE)", table, other,
                      other == table ? "" : " INTEGER, ", other == table ? "" : table));
      rows(table, 2,
           other == table ? std::vector<Cell>{automatic(), [] { return "NULL"; }}
                          : std::vector<Cell>{automatic(), [this] { return integer(); },
                                              [] { return "NULL"; }});
      add(fmt::format("CREATE INDEX {} ON {}({})", in_quotes(std::string(name, 1) + "_i" + name),
                      table, table));
    }
  }

  // 19, 20, 29 to 36
  void schema() {
    add("CREATE TABLE circle(id INTEGER PRIMARY KEY, other INTEGER REFERENCES circle_too(id),"
        " self INTEGER REFERENCES circle(id), gone INTEGER REFERENCES nothere(id))");
    add("CREATE TABLE circle_too(id INTEGER PRIMARY KEY, other INTEGER REFERENCES circle(id)"
        " ON DELETE CASCADE)");
    rows("circle", 30,
         {automatic(), [this] { return std::to_string(1 + random_.below(30)); },
          [this] { return std::to_string(1 + random_.below(33)); },  // orphans
          [this] { return integer(); }});
    rows("circle_too", 30, {automatic(), [this] { return std::to_string(1 + random_.below(30)); }});
    add("PRAGMA ignore_check_constraints=ON");
    add("CREATE TABLE lawless(id INTEGER PRIMARY KEY, n INTEGER CHECK(n>0) DEFAULT (random()),"
        " s TEXT DEFAULT \"text\" CHECK(s GLOB '[a-z]*'), v AS (n%7), w TEXT AS (s||'!') STORED,"
        " at TEXT DEFAULT CURRENT_TIMESTAMP)");
    for (int i = 0; i < 30; ++i) {
      add(fmt::format("INSERT INTO lawless(n,s,at) VALUES({},{},'x')", integer(), text()));
    }
    add("CREATE UNIQUE INDEX lawless_partial ON lawless(id) WHERE n>0");
    add("CREATE INDEX lawless_expression ON lawless(n+1, s COLLATE NOCASE DESC)");
    add("CREATE TABLE strict(id INTEGER PRIMARY KEY, i INT, x ANY) STRICT");
    rows("strict", 30, {automatic(), [this] { return integer(); }, any()});
    std::string columns;
    std::string nulls;
    for (int i = 0; i < 200; ++i) columns += fmt::format(",c{} {}", i, i % 3 == 0 ? "INT" : "");
    for (int i = 0; i < 200; ++i) nulls += fmt::format(",{}", i % 3 == 0 ? integer() : key());
    add("CREATE TABLE wide(id INTEGER PRIMARY KEY" + columns + ")");
    add("INSERT INTO wide VALUES(1" + nulls + ")");
    add("CREATE TABLE vacant(id INTEGER PRIMARY KEY, a, b INTEGER, c TEXT, d BLOB, e REAL)");
    add("CREATE TABLE nulls(a INTEGER, b TEXT); INSERT INTO nulls VALUES(NULL,NULL),(NULL,NULL)");
    add("CREATE TABLE searched(id INTEGER PRIMARY KEY, body TEXT);"
        "INSERT INTO searched VALUES(1,'words')");
    add("CREATE VIRTUAL TABLE search USING fts5(body); INSERT INTO search VALUES('words')");
    add("CREATE VIRTUAL TABLE box USING rtree(id,low,high); INSERT INTO box VALUES(1,0,1)");
    add("CREATE VIEW seen AS SELECT \"id\" FROM circle");
    add("CREATE TRIGGER touched AFTER INSERT ON circle BEGIN UPDATE circle SET gone=0; END");
  }

  Random random_;
  TortureDb db_;
};

}  // namespace

TortureDb torture_db(uint64_t seed) {
  return Builder(seed).build();
}

}  // namespace crossfade::testing

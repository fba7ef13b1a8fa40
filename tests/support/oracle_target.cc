#include <libpq-fe.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/support/oracle_sides.h"

namespace crossfade::testing::oracle {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clear>;

Answer ask(PGconn* db, const std::string& sql, const std::vector<std::string>& params,
           std::string* error) {
  std::vector<const char*> values;
  for (const std::string& p : params) values.push_back(p.c_str());
  Answer answer(PQexecParams(db, sql.c_str(), static_cast<int>(values.size()), nullptr,
                             values.data(), nullptr, nullptr, /*resultFormat=*/0));
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    *error = "oracle, target: " + sql + ": " + PQresultErrorMessage(answer.get());
  }
  return answer;
}

std::string field(const Answer& answer, int row, int column) {
  return {PQgetvalue(answer.get(), row, column),
          static_cast<size_t>(PQgetlength(answer.get(), row, column))};
}

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::strtol(hex.substr(i, 2).c_str(), nullptr, 16));
  }
  return out;
}

std::string variant_cell(const std::string& text) {
  if (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) {
    if (text.find('.') == std::string::npos) return "I" + text;
    return double_cell(std::strtod(text.c_str(), nullptr));
  }
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_string()) return "T" + json.get<std::string>();
  if (json.is_object() && json.size() == 1 && json.begin()->is_string()) {
    const std::string tag = json.begin().key();
    const std::string value = json.begin()->get<std::string>();
    if (tag == "$blob") return "B" + value;
    if (tag == "$text") return "T" + from_hex(value);
    if (tag == "$real") return double_cell(std::strtod(value.c_str(), nullptr));
  }
  // No variant spells a value so: a column of JSON documents, which keep their very text.
  if (json.is_object() || json.is_array()) return "T" + text;
  return "(no variant) " + text;
}

std::string numeric_cell(const std::string& text) {
  // More digits than the shortest form are as good, if they say the same REAL.
  const size_t point = text.find('.');
  if (point == std::string::npos) return decimal_cell(text);
  if (text.find_first_not_of('0', point + 1) == std::string::npos) {
    return decimal_cell(text.substr(0, point));  // numeric(p,s) writes all s of them
  }
  return shortest_decimal_cell(std::strtod(text.c_str(), nullptr));
}

std::string cell(const std::string& text, const std::string& type) {
  if (type == "bigint" || type == "integer" || type == "smallint") return "I" + text;
  if (type == "real") return double_cell(static_cast<double>(std::strtof(text.c_str(), nullptr)));
  if (type == "boolean") return text == "t" ? "I1" : "I0";
  if (type == "double precision") return double_cell(std::strtod(text.c_str(), nullptr));
  if (type.starts_with("numeric")) return numeric_cell(text);
  if (type == "text" || type.starts_with("character varying")) return "T" + text;
  if (type == "bytea") return "B" + text.substr(2);  // \x...
  if (type == "jsonb") return variant_cell(text);
  const std::string formed = target_form_cell(text, type);
  return formed.empty() ? "(unexpected type " + type + ") " + text : formed;
}

}  // namespace

void FinishPostgres::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

PostgresDb open_target(const std::string& url, std::string* error) {
  PostgresDb db(PQconnectdb(url.c_str()));
  if (PQstatus(db.get()) != CONNECTION_OK) {
    *error = std::string("oracle, target: ") + PQerrorMessage(db.get());
    return db;
  }
  PQsetClientEncoding(db.get(), "UTF8");
  for (const char* setting : {"SET extra_float_digits = 3", "SET bytea_output = 'hex'",
                              "SET timezone = 'UTC'", "SET datestyle = 'ISO'"}) {
    ask(db.get(), setting, {}, error);
  }
  return db;
}

std::vector<std::string> target_tables(pg_conn* db, const std::string& schema, std::string* error) {
  const Answer answer = ask(db,
                            "SELECT c.relname FROM pg_catalog.pg_class c"
                            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                            " WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1",
                            {schema}, error);
  std::vector<std::string> names;
  for (int i = 0; i < PQntuples(answer.get()); ++i) names.push_back(field(answer, i, 0));
  return names;
}

std::vector<TargetColumn> target_columns(pg_conn* db, const std::string& schema,
                                         const std::string& table, std::string* error) {
  const Answer answer = ask(db,
                            "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)"
                            " FROM pg_catalog.pg_attribute a"
                            " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
                            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                            " WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0"
                            " AND NOT a.attisdropped"
                            // What PostgreSQL makes of the others for searches is no data.
                            " AND NOT (a.attgenerated = 's' AND a.atttypid ="
                            " 'pg_catalog.tsvector'::pg_catalog.regtype) ORDER BY a.attnum",
                            {schema, table}, error);
  std::vector<TargetColumn> columns;
  for (int i = 0; i < PQntuples(answer.get()); ++i) {
    columns.push_back({field(answer, i, 0), field(answer, i, 1)});
  }
  return columns;
}

std::vector<Cells> target_rows(pg_conn* db, const std::string& schema, const std::string& table,
                               const std::vector<TargetColumn>& columns, std::string* error) {
  std::string list;
  for (const TargetColumn& column : columns)
    list += (list.empty() ? "" : ", ") + quote(column.name);
  const Answer answer =
      ask(db, "SELECT " + list + " FROM " + quote(schema) + "." + quote(table), {}, error);
  std::vector<Cells> rows;
  for (int i = 0; i < PQntuples(answer.get()); ++i) {
    Cells cells;
    for (int j = 0; j < static_cast<int>(columns.size()); ++j) {
      const bool null = PQgetisnull(answer.get(), i, j) != 0;
      cells.push_back(null ? "NULL"
                           : cell(field(answer, i, j), columns[static_cast<size_t>(j)].type));
    }
    rows.push_back(std::move(cells));
  }
  return rows;
}

}  // namespace crossfade::testing::oracle

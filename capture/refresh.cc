#include "capture/refresh.h"

#include <fmt/format.h>

#include "capture/change_log.h"
#include "capture/log_writer.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::capture {
namespace {

std::string select_sql(const Table& table) {
  std::string columns;
  for (const Column& column : table.columns) {
    columns += (columns.empty() ? "" : ",") + column.source_sql;
  }
  std::string where;  // IS: keys may hold NULLs. A row too many, equal by collation, does no harm
  for (const size_t k : table.key) {
    where += (where.empty() ? "" : " AND ") + table.columns[k].source_sql + " IS ?";
  }
  return fmt::format("SELECT {} FROM main.{} WHERE {}", columns, sqlite::quote(table.name), where);
}

}  // namespace

Result<Refreshed> log_refresh(sqlite::Connection& source, const Table& table, CaptureId id,
                              const std::vector<Row>& keys) {
  Refreshed out;
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(auto select, sqlite::Statement::prepare(source, select_sql(table)));
  CROSSFADE_TRY(auto log, LogWriter::prepare(source));
  for (size_t i = 0; i < keys.size(); ++i) {
    select.clear();
    int parameter = 0;
    for (const Value& part : keys[i]) select.bind(++parameter, part);
    bool any = false;
    while (true) {
      CROSSFADE_TRY(const bool row, select.step());
      if (!row) break;
      any = true;
      Row values = select.row();
      values.resize(table.columns.size());
      CROSSFADE_TRY(log.write_update(id, values, values));
    }
    if (!any) out.absent.push_back(i);
  }
  CROSSFADE_TRY(out.through, newest_lsn(source));
  CROSSFADE_TRY(transaction.commit());
  return out;
}

}  // namespace crossfade::capture

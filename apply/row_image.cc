#include "apply/row_image.h"

#include <fmt/format.h>

#include <utility>

#include "apply/source_value.h"
#include "engine/schema/utf8.h"

namespace crossfade::apply {

Unfit unfit_of(const Table& table, const TargetMisfit& misfit) {
  return {table.columns[misfit.column].name,
          fmt::format("no value of the source's is PostgreSQL's {}",
                      schema::printable(to_literal(Value(Text{misfit.field}))))};
}

Result<Row> key_after(const TargetChange& change) {
  const Table& table = *change.table;
  Row key;
  for (size_t i = 0; i < table.key.size(); ++i) {
    const size_t column = table.key[i];
    if (change.after[column]) {
      key.push_back(*change.after[column]);
    } else if (change.misfit && change.misfit->column == column) {
      key.emplace_back(Text{change.misfit->field});
    } else if (i < change.key.size()) {
      key.push_back(change.key[i]);
    } else {
      Error error;
      error.op = "reverse.insert";
      error.object = table.name;
      error.native = "a new row came without its key";
      return fail(std::move(error));
    }
  }
  return key;
}

void change_image(const TargetChange& change, Image* image) {
  for (size_t i = 0; i < image->size(); ++i) {
    if (change.table->columns[i].generated) continue;
    if (change.misfit && (change.misfit->column == i || !change.after[i])) {
      (*image)[i].reset();
    } else if (change.after[i]) {
      (*image)[i] = change.after[i];
    }
  }
}

bool is_complete(const Table& table, const Image& image) {
  for (size_t i = 0; i < image.size(); ++i) {
    if (!image[i] && !table.columns[i].generated) return false;
  }
  return true;
}

std::optional<Unfit> find_not_kept(const Table& table, const Image& image) {
  for (size_t i = 0; i < image.size(); ++i) {
    if (!image[i] || table.columns[i].generated) continue;
    if (auto reason = why_not_kept(table.columns[i], *image[i])) {
      return Unfit{table.columns[i].name, std::move(*reason)};
    }
  }
  return std::nullopt;
}

}  // namespace crossfade::apply

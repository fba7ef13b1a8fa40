#include "capture/move_rows.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "capture/field_numbers.h"

namespace crossfade::capture {
namespace {

std::optional<std::string_view> text_of(const std::vector<std::string>& columns,
                                        std::string_view name, const pgoutput::Tuple& row) {
  const auto found = std::find(columns.begin(), columns.end(), name);
  const auto place = static_cast<size_t>(found - columns.begin());
  if (place >= row.size() || row[place].kind != pgoutput::FieldKind::kText) return std::nullopt;
  return row[place].bytes;
}

Error not_ours(std::string table) {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kTarget;
  error.op = "target.stream";
  error.object = std::move(table);
  error.native = "its row is not what this version writes";
  error.hint = "use the crossfade version that began this move";
  return error;
}

}  // namespace

Result<RouteChanged> read_route(const std::vector<std::string>& columns,
                                const pgoutput::Tuple& after) {
  const auto primary = text_of(columns, "primary", after);
  const auto epoch = text_of(columns, "epoch", after);
  const auto number = epoch ? read_integer(*epoch) : std::nullopt;
  if (!primary || !number) return fail(not_ours("crossfade.route"));
  return RouteChanged{*primary == "postgres", Epoch{*number}};
}

Result<ProbeSeen> read_probe(const std::vector<std::string>& columns,
                             const pgoutput::Tuple& after) {
  const auto nonce = text_of(columns, "nonce", after);
  if (!nonce) return fail(not_ours("crossfade.probe"));
  return ProbeSeen{std::string(*nonce)};
}

}  // namespace crossfade::capture

// The words of a rule for types and forms: "numeric(10,2)", "epoch_ms".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/column_type.h"

namespace crossfade::schema {

// Nothing: it is none. In no form.
[[nodiscard]] std::optional<ColumnType> read_type(const std::string& written);
[[nodiscard]] std::optional<SourceForm> read_form(const std::string& written);

// Those that can be written, for messages.
[[nodiscard]] std::vector<std::string> type_names();
[[nodiscard]] std::vector<std::string> form_names();

// Whether values of the form can become the type.
[[nodiscard]] bool goes_with(SourceForm form, TargetType base);

}  // namespace crossfade::schema

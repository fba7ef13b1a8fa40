#include "engine/schema/rules.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <utility>

#include "engine/schema/rules_conflict.h"
#include "engine/schema/rules_type.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t swap = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({swap, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

class Parser {
 public:
  explicit Parser(Rules* rules) : rules_(*rules) {}

  void run(const toml::table& file, Problems* problems) {
    read(file);
    // In the order of the file, whatever that of the keys.
    const auto by_line = [](const auto& a, const auto& b) { return a.line < b.line; };
    std::stable_sort(rules_.tables.begin(), rules_.tables.end(), by_line);
    for (TableRule& table : rules_.tables) {
      std::stable_sort(table.columns.begin(), table.columns.end(), by_line);
    }
    std::stable_sort(found_.begin(), found_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [line, what] : found_) {
      problems->push_back(fmt::format("{}:{}: {}", rules_.file, line, what));
    }
  }

 private:
  static int64_t line_of(const toml::key& key) { return key.source().begin.line; }

  void read(const toml::table& file) {
    for (const auto& [key, node] : file) {
      if (key == "defaults") {
        if (const auto* table = as_table(key, node)) read_defaults(*table);
      } else if (key == "tables") {
        if (const auto* table = as_table(key, node)) read_tables(*table);
      } else {
        unknown(key, "", {"defaults", "tables"});
      }
    }
  }

  void problem(int64_t line, std::string what) { found_.emplace_back(line, std::move(what)); }

  void unknown(const toml::key& key, const std::string& where,
               const std::vector<std::string>& known) {
    problem(line_of(key),
            fmt::format("unknown key '{}'{}{}; known: {}", printable(key.str()), where,
                        did_you_mean(key.str(), known), fmt::join(known, ", ")));
  }

  const toml::table* as_table(const toml::key& key, const toml::node& node) {
    if (const toml::table* table = node.as_table()) return table;
    problem(line_of(key), fmt::format("'{}' must be a table: [{}]", key.str(), key.str()));
    return nullptr;
  }

  std::optional<std::string> take_text(const toml::key& key, const toml::node& node) {
    if (auto text = node.value_exact<std::string>()) return text;
    problem(line_of(key), fmt::format("'{}' must be a text in quotes", key.str()));
    return std::nullopt;
  }

  bool take_flag(const toml::key& key, const toml::node& node) {
    const auto flag = node.value_exact<bool>();
    if (!flag) problem(line_of(key), fmt::format("'{}' must be true or false", key.str()));
    return flag.value_or(false);
  }

  std::optional<OnMisfit> take_misfit(const toml::key& key, const toml::node& node) {
    const auto text = take_text(key, node);
    if (!text) return std::nullopt;
    if (*text == "quarantine") return OnMisfit::kQuarantine;
    if (*text == "widen") return OnMisfit::kWiden;
    if (*text == "stop") return OnMisfit::kStop;
    problem(line_of(key), fmt::format("on_misfit = '{}' is none of quarantine, widen, stop{}",
                                      *text, did_you_mean(*text, {"quarantine", "widen", "stop"})));
    return std::nullopt;
  }

  std::optional<std::string> take_name(const toml::key& key, const toml::node& node) {
    auto name = take_text(key, node);
    if (!name) return name;
    const TextFlaws flaws = find_flaws(*name);
    if (name->empty() || name->size() > 63 || flaws.nul || flaws.invalid) {
      problem(line_of(key),
              fmt::format("rename = '{}' is no name: 1 to 63 bytes of UTF-8", printable(*name)));
    }
    return name;
  }

  static std::string as_toml(const toml::key& key, const toml::node& node) {
    if (const auto text = node.value_exact<std::string>()) {
      return fmt::format("{} = {}\n", key.str(), toml_string(*text));
    }
    return fmt::format("{} = {}\n", key.str(), node.value_exact<bool>().value_or(false));
  }

  void read_defaults(const toml::table& table) {
    for (const auto& [key, node] : table) {
      if (key == "on_misfit") {
        rules_.on_misfit = take_misfit(key, node);
      } else if (!read_dual_key(key, node, say_, &rules_)) {
        unknown(key, " in [defaults]", {"on_misfit", "conflict"});
      }
    }
  }

  void read_tables(const toml::table& tables) {
    for (const auto& [key, node] : tables) {
      const auto* table = as_table(key, node);
      if (table == nullptr) continue;
      if (rules_.find(key.str()) != nullptr) {
        problem(line_of(key), fmt::format("table '{}' has rules already: SQLite takes names in"
                                          " capitals for the same",
                                          key.str()));
      }
      rules_.tables.push_back(read_table(key, *table));
    }
  }

  TableRule read_table(const toml::key& name, const toml::table& table) {
    TableRule rule;
    rule.table = name.str();
    rule.line = line_of(name);
    const toml::table* columns = nullptr;
    for (const auto& [key, node] : table) {
      if (key == "columns") {
        columns = as_table(key, node);
        continue;
      }
      if (key == "exclude") {
        rule.exclude = take_flag(key, node);
      } else if (key == "rename") {
        rule.rename = take_name(key, node);
      } else if (key == "on_misfit") {
        rule.on_misfit = take_misfit(key, node);
      } else if (read_dual_key(key, node, say_, &rule)) {
        continue;
      } else {
        unknown(key, fmt::format(" in table '{}'", rule.table),
                {"exclude", "rename", "on_misfit", "conflict", "owner_column", "target_owns", "ids",
                 "columns"});
        continue;
      }
      rule.text += as_toml(key, node);
    }
    if (columns != nullptr) read_columns(*columns, &rule);
    check_dual_keys(rule, say_);
    const bool more =
        rule.rename || rule.on_misfit || !rule.columns.empty() || !rule.dual_text.empty();
    if (rule.exclude && more) {
      problem(rule.line,
              fmt::format("table '{}' is excluded: its other rules say nothing", rule.table));
    }
    return rule;
  }

  void read_columns(const toml::table& columns, TableRule* rule) {
    for (const auto& [key, node] : columns) {
      const auto* table = as_table(key, node);
      if (table == nullptr) continue;
      const bool again = std::any_of(rule->columns.begin(), rule->columns.end(),
                                     [name = std::string_view(key.str())](const ColumnRule& c) {
                                       return same_name(c.column, name);
                                     });
      if (again) {
        problem(line_of(key), fmt::format("column '{}' has rules already: SQLite takes names in"
                                          " capitals for the same",
                                          key.str()));
      }
      rule->columns.push_back(read_column(rule->table, key, *table));
    }
  }

  ColumnRule read_column(const std::string& table, const toml::key& name, const toml::table& keys) {
    static const std::vector<std::string> kKnown = {
        "type",   "format",          "form", "zone",    "words", "rename", "exclude", "on_misfit",
        "on_nul", "on_invalid_utf8", "mask", "conflict"};
    ColumnRule rule;
    rule.column = name.str();
    rule.line = line_of(name);
    TypeKeys typed;
    std::map<std::string, int64_t> lines;
    for (const auto& [key, node] : keys) {
      const std::string known(key.str());
      lines[known] = line_of(key);
      if (key == "exclude") {
        rule.exclude = take_flag(key, node);
      } else if (key == "rename") {
        rule.rename = take_name(key, node);
      } else if (key == "on_misfit") {
        rule.on_misfit = take_misfit(key, node);
      } else if (key == "mask") {
        const auto how = take_text(key, node);
        typed.masked = true;
        if (how && *how != "hash") {
          problem(line_of(key), fmt::format("mask = '{}' is not hash", printable(*how)));
        }
      } else if (read_dual_key(key, node, say_, &rule)) {
        continue;
      } else if (std::find(kKnown.begin(), kKnown.end(), known) != kKnown.end()) {
        typed.given[known] = take_text(key, node);
      } else {
        typed.given[known] = std::nullopt;
        unknown(key, fmt::format(" in column '{}.{}'", table, rule.column), kKnown);
        continue;
      }
      rule.text += as_toml(key, node);
    }
    settle(table, typed, lines, &rule);
    return rule;
  }

  void settle(const std::string& table, const TypeKeys& keys,
              const std::map<std::string, int64_t>& lines, ColumnRule* rule) {
    const std::string name = printable(table + "." + rule->column);
    ResolvedType resolved = resolve_type(keys);
    for (const TypeProblem& each : resolved.problems) {
      problem(lines.at(each.key), fmt::format("column '{}': {}", name, each.what));
    }
    rule->type = resolved.type;
    rule->mask = keys.masked;
    if (rule->mask && rule->type) rule->type->form = SourceForm::kMasked;
    const bool more = rule->rename || rule->on_misfit || rule->mask || !rule->dual_text.empty() ||
                      std::any_of(keys.given.begin(), keys.given.end(),
                                  [](const auto& each) { return each.second.has_value(); });
    if (rule->exclude && more) {
      problem(rule->line,
              fmt::format("column '{}' is excluded: its other rules say nothing", name));
    }
  }

  Rules& rules_;
  std::vector<std::pair<int64_t, std::string>> found_;  // by line
  const SayProblem say_ = [this](int64_t line, const std::string& what) { problem(line, what); };
};

}  // namespace

const TableRule* Rules::find(std::string_view table) const {
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const TableRule& rule) {
    return same_name(rule.table, table);
  });
  return found == tables.end() ? nullptr : &*found;
}

const ColumnRule* Rules::find(std::string_view table, std::string_view column) const {
  const TableRule* rule = find(table);
  if (rule == nullptr) return nullptr;
  const auto found =
      std::find_if(rule->columns.begin(), rule->columns.end(),
                   [&](const ColumnRule& each) { return same_name(each.column, column); });
  return found == rule->columns.end() ? nullptr : &*found;
}

bool Rules::masks() const {
  return std::any_of(tables.begin(), tables.end(), [](const TableRule& table) {
    return std::any_of(table.columns.begin(), table.columns.end(),
                       [](const ColumnRule& column) { return column.mask; });
  });
}

Rules parse_rules(std::string text, std::string file, Problems* problems) {
  Rules rules;
  rules.source = std::move(text);
  rules.file = std::move(file);
  try {
    const toml::table parsed = toml::parse(rules.source);
    Parser(&rules).run(parsed, problems);
  } catch (const toml::parse_error& e) {
    problems->push_back(
        fmt::format("{}:{}: {}", rules.file, e.source().begin.line, std::string(e.description())));
  }
  return rules;
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7F') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string upper = ascii_upper(word);
  const std::string* best = nullptr;
  size_t least = word.size() < 4 ? 2 : std::clamp<size_t>(word.size() / 3, 2, 3) + 1;
  for (const std::string& each : known) {
    const size_t far = distance(upper, ascii_upper(each));
    if (far >= least) continue;
    least = far;
    best = &each;
  }
  return best == nullptr ? "" : fmt::format(", did you mean '{}'?", printable(*best));
}

}  // namespace crossfade::schema

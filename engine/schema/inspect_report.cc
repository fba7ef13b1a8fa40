#include "engine/schema/inspect_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// Names and SQL keep their control characters in JSON, which escapes them itself.
std::string clean(const std::string& text) {
  return printable(text, false);
}

const char* identity_name(Identity identity) {
  switch (identity) {
    case Identity::kRowidAlias:
      return "rowid_alias";
    case Identity::kPrimaryKey:
      return "primary_key";
    case Identity::kSurrogate:
      return "surrogate";
  }
  return "surrogate";
}

nlohmann::json table_json(const TablePlan& plan) {
  nlohmann::json columns = nlohmann::json::array();
  for (size_t i = 0; i < plan.table.columns.size(); ++i) {
    const Column& column = plan.table.columns[i];
    if (column.synthetic) continue;
    const StorageCounts& storage = plan.storage[i];
    columns.push_back({{"name", clean(column.name)},
                       {"declared_type", clean(column.declared_type)},
                       {"storage",
                        {{"null", storage.null},
                         {"integer", storage.integer},
                         {"real", storage.real},
                         {"text", storage.text},
                         {"blob", storage.blob}}},
                       {"target_type", to_string(column.type)},
                       {"reason", clean(column.reason)}});
  }
  nlohmann::json key = nlohmann::json::array();
  for (const size_t column : plan.table.key) key.push_back(clean(plan.table.columns[column].name));
  return {{"name", clean(plan.table.name)},
          {"rows", plan.rows},
          {"identity", identity_name(plan.table.identity)},
          {"key", std::move(key)},
          {"columns", std::move(columns)}};
}

nlohmann::json finding_json(const Finding& finding) {
  nlohmann::json samples = nlohmann::json::array();
  for (const std::string& sample : finding.samples) samples.push_back(clean(sample));
  return {{"severity", to_string(finding.severity)},
          {"code", finding.code},
          {"table", clean(finding.table)},
          {"column", clean(finding.column)},
          {"rows", finding.rows},
          {"message", clean(finding.message)},
          {"samples", std::move(samples)},
          {"remedy", clean(finding.remedy)}};
}

class TextReport {
 public:
  TextReport(const Plan& plan, bool colour) : plan_(plan), colour_(colour) {}

  std::string render() {
    for (const TablePlan& table : plan_.tables) add_table(table);
    add_findings(Severity::kBlocker, "BLOCKERS", "31");
    add_findings(Severity::kWarning, "WARNINGS", "33");
    add_findings(Severity::kInfo, "NOTES", "36");
    add_verdict();
    return out_;
  }

 private:
  [[nodiscard]] std::string paint(std::string_view text, const char* code) const {
    return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }

  void add_table(const TablePlan& plan) {
    out_ += fmt::format("{}  {} rows\n", paint(printable(plan.table.name), "1"), plan.rows);
    std::vector<std::vector<std::string>> rows;
    for (const Column& column : plan.table.columns) {
      rows.push_back(
          {printable(column.name),
           column.declared_type.empty() || column.synthetic ? "-" : printable(column.declared_type),
           to_string(column.type), printable(column.reason)});
    }
    std::vector<size_t> widths(3, 0);
    for (const auto& row : rows) {
      for (size_t i = 0; i < widths.size(); ++i) {
        widths[i] = std::min<size_t>(32, std::max(widths[i], width(row[i])));
      }
    }
    for (const auto& row : rows) {
      out_ += " ";
      for (size_t i = 0; i < widths.size(); ++i) {
        const size_t pad = widths[i] - std::min(widths[i], width(row[i]));
        out_ += " " + row[i] + std::string(pad + 1, ' ');
      }
      out_ += " " + row[3] + "\n";
    }
    out_ += "\n";
  }

  // Characters, near enough to columns of a terminal.
  static size_t width(const std::string& text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
  }

  [[nodiscard]] int64_t count(Severity severity) const {
    return std::count_if(
        plan_.findings.begin(), plan_.findings.end(),
        [severity](const Finding& finding) { return finding.severity == severity; });
  }

  void add_findings(Severity severity, const char* title, const char* code) {
    if (count(severity) == 0) return;
    out_ += paint(fmt::format("{} ({})", title, count(severity)), code) + "\n";
    for (const Finding& finding : plan_.findings) {
      if (finding.severity != severity) continue;
      std::string place = printable(finding.table);
      if (!finding.column.empty()) place += "." + printable(finding.column);
      out_ += fmt::format("  {}{}{}", paint(finding.code, code), place.empty() ? "" : "  ", place);
      if (finding.rows > 0) out_ += fmt::format("  ({} rows)", finding.rows);
      out_ += "\n      " + indent(finding.message) + "\n";
      for (const std::string& sample : finding.samples) out_ += "      - " + indent(sample) + "\n";
      if (!finding.remedy.empty()) out_ += "      -> " + indent(finding.remedy) + "\n";
    }
    out_ += "\n";
  }

  // Quoted SQL keeps its lines; no other control character reaches the terminal.
  static std::string indent(const std::string& text) {
    std::string out;
    std::string line;
    for (const char c : text + "\n") {
      if (c != '\n') {
        line += c == '\t' ? ' ' : c;
        continue;
      }
      if (!line.empty() && line.back() == '\r') line.pop_back();
      out += (out.empty() ? "" : "\n      ") + printable(line);
      line.clear();
    }
    return out;
  }

  void add_verdict() {
    int64_t rows = 0;
    for (const TablePlan& table : plan_.tables) rows += table.rows;
    const std::string what = fmt::format("{} tables, {} rows", plan_.tables.size(), rows);
    const int64_t blockers = count(Severity::kBlocker);
    out_ += blockers > 0
                ? paint(fmt::format("blocked: {} findings need a decision ({})", blockers, what),
                        "31;1")
                : paint(fmt::format("ready to run: {}, {} warnings, no blockers", what,
                                    count(Severity::kWarning)),
                        "32;1");
    out_ += "\n";
  }

  const Plan& plan_;
  const bool colour_;
  std::string out_;
};

}  // namespace

const char* to_string(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kBlocker:
      return "blocker";
  }
  return "info";
}

nlohmann::json to_json(const Plan& plan) {
  nlohmann::json tables = nlohmann::json::array();
  nlohmann::json findings = nlohmann::json::array();
  nlohmann::json ddl = nlohmann::json::array();
  for (const TablePlan& table : plan.tables) tables.push_back(table_json(table));
  for (const Finding& finding : plan.findings) findings.push_back(finding_json(finding));
  for (const std::string& statement : plan.ddl) ddl.push_back(clean(statement));
  return {{"tables", std::move(tables)},
          {"findings", std::move(findings)},
          {"ddl", std::move(ddl)},
          {"blocked", plan.blocked()}};
}

std::string to_text(const Plan& plan, bool colour) {
  return TextReport(plan, colour).render();
}

}  // namespace crossfade::schema

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/schema/assessment_effort.h"
#include "engine/schema/assessment_format.h"
#include "engine/schema/inspect_facts.h"
#include "engine/schema/inspect_report.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr size_t kWidthMin = 40;        // narrower terminals get longer lines
constexpr size_t kColumnWidthMax = 32;  // of a name or a type, before the next one moves
constexpr size_t kLabelWidth = 13;

// Characters, near enough to columns of a terminal.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}

const char* colour_of(Severity severity) {
  switch (severity) {
    case Severity::kBlocker:
      return "31";
    case Severity::kWarning:
      return "33";
    case Severity::kInfo:
      return "36";
  }
  return "36";
}

const char* colour_of(Grade grade) {
  switch (grade) {
    case Grade::kReady:
      return "32;1";
    case Grade::kReadyWithDecisions:
      return "33;1";
    case Grade::kBlocked:
      return "31;1";
  }
  return "31;1";
}

class TextReport {
 public:
  TextReport(const Plan& plan, const Assessment& assessment, const TextOptions& options)
      : plan_(plan), assessment_(assessment), options_(options) {}

  std::string render() {
    add_summary();
    add_findings(Severity::kBlocker, "BLOCKERS");
    add_findings(Severity::kWarning, "WARNINGS");
    add_findings(Severity::kInfo, "NOTES");
    if (!plan_.tables.empty()) out_ += paint("TABLES", "1") + "\n";
    for (size_t i = 0; i < plan_.tables.size(); ++i) add_table(i);
    add_ddl();
    add_verdict();
    return out_;
  }

 private:
  [[nodiscard]] std::string paint(std::string_view text, const char* code) const {
    return options_.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }

  void add_summary() {
    const Grade grade = grade_of(plan_);
    out_ += fmt::format("{}: {}\n", printable(assessment_.database.path),
                        paint(grade_title(grade), colour_of(grade)));
    out_ += "  " + wrapped(grade_meaning(plan_), 2) + "\n\n";
    for (const Fact& fact : source_facts(plan_, assessment_)) add_fact(fact);
    add_fact({"effort", effort_sentence(plan_), ""});
    for (const Fact& fact : target_facts(assessment_)) add_fact(fact);
    out_ += "\n";
  }

  void add_fact(const Fact& fact) {
    const std::string value =
        fact.basis.empty() ? fact.value : fmt::format("{} ({})", fact.value, fact.basis);
    out_ += fmt::format("  {}{}\n", paint(padded(fact.label, kLabelWidth), "2"),
                        wrapped(value, 2 + kLabelWidth));
  }

  void add_findings(Severity severity, const char* title) {
    const int64_t count = count_findings(plan_, severity);
    if (count == 0) return;
    const char* const colour = colour_of(severity);
    out_ += paint(fmt::format("{} ({})", title, count), colour) + "\n";
    for (const Finding& finding : plan_.findings) {
      if (finding.severity == severity) add_finding(finding, colour);
    }
    out_ += "\n";
  }

  void add_finding(const Finding& finding, const char* colour) {
    std::string place = printable(finding.table);
    if (!finding.column.empty()) place += "." + printable(finding.column);
    out_ += fmt::format("  {}{}{}", paint(finding.code, colour), place.empty() ? "" : "  ", place);
    if (finding.rows > 0) out_ += fmt::format("  ({})", plural(finding.rows, "row"));
    out_ += "\n      " + wrapped(finding.message, 6) + "\n";
    for (const std::string& sample : finding.samples) {
      out_ += "      - " + wrapped(sample, 8) + "\n";
    }
    if (!finding.remedy.empty()) out_ += "      -> " + wrapped(finding.remedy, 9) + "\n";
    const EffortEstimate effort = effort_of(finding);
    if (effort.effort != Effort::kNone) {
      out_ += "      " +
              wrapped(fmt::format("effort: {} ({})", to_string(effort.effort), effort.reason), 6) +
              "\n";
    }
  }

  void add_table(size_t at) {
    const TablePlan& plan = plan_.tables[at];
    out_ += fmt::format("{}  {}", paint(printable(plan.table.name), "1"), plural(plan.rows, "row"));
    if (at < assessment_.sizes.tables.size()) {
      const TableSize& size = assessment_.sizes.tables[at];
      out_ += fmt::format(", {}{}", size.measured ? "" : "about ", format_bytes(size.table_bytes));
      if (size.index_bytes > 0) {
        out_ += fmt::format(" and {} of indexes", format_bytes(size.index_bytes));
      }
    }
    out_ += "\n";
    std::vector<std::vector<std::string>> rows;
    for (const Column& column : plan.table.columns) {
      rows.push_back(
          {printable(column.name),
           column.declared_type.empty() || column.synthetic ? "-" : printable(column.declared_type),
           to_string(column.type) + (column.target_generated ? ", computed" : ""), column.reason});
    }
    std::vector<size_t> widths(3, 0);
    for (const auto& row : rows) {
      for (size_t i = 0; i < widths.size(); ++i) {
        widths[i] = std::min(kColumnWidthMax, std::max(widths[i], width_of(row[i])));
      }
    }
    const size_t indent = widths[0] + widths[1] + widths[2] + 8;
    for (const auto& row : rows) {
      out_ += " ";
      for (size_t i = 0; i < widths.size(); ++i) out_ += " " + padded(row[i], widths[i] + 1);
      out_ += " " + wrapped(row[3], indent) + "\n";
    }
    out_ += "\n";
  }

  // Statements are never wrapped, so that they can be copied.
  void add_ddl() {
    if (plan_.ddl.empty()) return;
    out_ += paint("DDL", "1") + "\n";
    for (const std::string& statement : plan_.ddl) out_ += lines(statement, 2, 0) + ";\n";
    out_ += "\n";
  }

  void add_verdict() {
    const std::string what =
        fmt::format("{}, {}", plural(static_cast<int64_t>(plan_.tables.size()), "table"),
                    plural(totals_of(plan_).rows, "row"));
    const int64_t blockers = count_findings(plan_, Severity::kBlocker);
    const Grade grade = grade_of(plan_);
    out_ += paint(blockers > 0
                      ? fmt::format("blocked: {} {} a decision ({})", plural(blockers, "finding"),
                                    blockers == 1 ? "needs" : "need", what)
                      : fmt::format("ready to run: {}, {}, no blockers", what,
                                    plural(count_findings(plan_, Severity::kWarning), "warning")),
                  colour_of(grade));
    out_ += "\n";
  }

  [[nodiscard]] std::string wrapped(const std::string& text, size_t indent) const {
    const std::string block = lines(text, indent, options_.width);
    return block.substr(std::min(indent, block.size()));  // the caller has written the first one's
  }

  // `text` with every line indented, and broken at spaces where it would pass `width`. Quoted SQL
  // keeps its lines; no other control character reaches the terminal.
  static std::string lines(const std::string& text, size_t indent, size_t width) {
    const std::string margin(indent, ' ');
    const size_t room =
        width == 0 ? SIZE_MAX : std::max(kWidthMin, width > indent ? width - indent : 0);
    std::string out;
    std::string line;
    for (const char c : text + "\n") {
      if (c != '\n') {
        line += c == '\t' ? ' ' : c;
        continue;
      }
      if (!line.empty() && line.back() == '\r') line.pop_back();
      std::string rest = printable(line);
      while (true) {
        const std::string piece = take_line(&rest, room);
        if (!out.empty()) out += '\n';
        out += margin;
        out += piece;
        if (rest.empty()) break;
      }
      line.clear();
    }
    return out;
  }

  // A word longer than the room stays whole.
  static std::string take_line(std::string* rest, size_t room) {
    size_t space = std::string::npos;  // where it may be broken
    size_t width = 0;
    for (size_t i = 0; i < rest->size(); ++i) {
      const auto byte = static_cast<unsigned char>((*rest)[i]);
      if ((byte & 0xC0) != 0x80) ++width;
      if (byte == ' ' && i > 0 && (width <= room + 1 || space == std::string::npos)) space = i;
      if (width > room && space != std::string::npos) {
        std::string piece = rest->substr(0, space);
        rest->erase(0, space + 1);
        return piece;
      }
    }
    return std::exchange(*rest, {});
  }

  const Plan& plan_;
  const Assessment& assessment_;
  const TextOptions options_;
  std::string out_;
};

}  // namespace

std::string to_text(const Plan& plan, const Assessment& assessment, const TextOptions& options) {
  return TextReport(plan, assessment, options).render();
}

}  // namespace crossfade::schema

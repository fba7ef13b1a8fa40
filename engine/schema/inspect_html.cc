#include "engine/schema/inspect_html.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/schema/assessment_effort.h"
#include "engine/schema/assessment_format.h"
#include "engine/schema/inspect_facts.h"
#include "engine/schema/inspect_html_style.h"
#include "engine/schema/inspect_report.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// As text of an element or of a quoted attribute. Line ends stay; other control characters, and
// bytes that are not UTF-8, are shown as \xNN.
std::string escaped(std::string_view text) {
  std::string out;
  std::string line;
  const auto end_line = [&] {
    for (const char c : printable(line)) {
      switch (c) {
        case '&':
          out += "&amp;";
          break;
        case '<':
          out += "&lt;";
          break;
        case '>':
          out += "&gt;";
          break;
        case '"':
          out += "&quot;";
          break;
        case '\'':
          out += "&#39;";
          break;
        default:
          out += c;
      }
    }
    line.clear();
  };
  for (const char c : text) {
    if (c == '\r') continue;
    if (c != '\n') {
      line += c == '\t' ? ' ' : c;
      continue;
    }
    end_line();
    out += '\n';
  }
  end_line();
  return out;
}

const char* grade_class(Grade grade) {
  switch (grade) {
    case Grade::kReady:
      return "good";
    case Grade::kReadyWithDecisions:
      return "warn";
    case Grade::kBlocked:
      return "bad";
  }
  return "bad";
}

std::string sentence_case(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = char(text[0] - 'a' + 'A');
  return text;
}

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

class HtmlReport {
 public:
  HtmlReport(const Plan& plan, const Assessment& assessment, const std::string& made_at)
      : plan_(plan), assessment_(assessment), made_at_(made_at) {}

  std::string render() {
    add_head();
    add_verdict();
    add_numbers();
    add_facts("The database", source_facts(plan_, assessment_));
    add_facts("The target", target_facts(assessment_));
    add_findings(Severity::kBlocker, "To decide before the move");
    add_findings(Severity::kWarning, "Warnings");
    add_findings(Severity::kInfo, "For information");
    add_overview();
    add_tables();
    add_ddl();
    out_ +=
        "<footer>Made by <code>crossfade inspect</code>, which read the database and changed "
        "nothing. Estimates are estimates; each says on what it rests.</footer>\n"
        "</main>\n</body>\n</html>\n";
    return std::move(out_);
  }

 private:
  void add_head() {
    const std::string name = escaped(file_name(assessment_.database.path));
    // The policy is a second wall behind escaped(): nothing on the page can run or load.
    out_ += fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>Move of {} to PostgreSQL: assessment</title>\n<style>{}</style>\n</head>\n<body>\n"
        "<main>\n<header>\n<h1>Moving {} to PostgreSQL</h1>\n"
        "<p class=\"top\">Assessment of <bdi>{}</bdi>, {}</p>\n</header>\n",
        name, kHtmlStyle, name, escaped(assessment_.database.path), escaped(made_at_));
  }

  void add_verdict() {
    const Grade grade = grade_of(plan_);
    out_ += fmt::format(
        "<section class=\"card verdict {}\"><strong>{}</strong><p>{}</p></section>\n",
        grade_class(grade), sentence_case(grade_title(grade)), escaped(grade_meaning(plan_)));
  }

  void add_number(const std::string& number, std::string_view label) {
    out_ += fmt::format("<div><b>{}</b><span>{}</span></div>\n", escaped(number), label);
  }

  void add_numbers() {
    const EffortTotals effort = effort_totals(plan_);
    out_ += "<section class=\"numbers\">\n";
    add_number(format_count(static_cast<int64_t>(plan_.tables.size())), "tables");
    add_number(format_count(totals_of(plan_).rows), "rows");
    add_number(format_bytes(assessment_.table_bytes() + assessment_.index_bytes()),
               "in tables and indexes");
    add_number(format_seconds(assessment_.copy.total_seconds), "to copy and verify (estimate)");
    add_number(format_count(count_findings(plan_, Severity::kBlocker)), "blockers");
    add_number(format_count(count_findings(plan_, Severity::kWarning)), "warnings");
    add_number(format_count(effort.minutes),
               effort.minutes == 1 ? "finding takes minutes" : "findings take minutes");
    add_number(format_count(effort.hours),
               effort.hours == 1 ? "finding takes hours" : "findings take hours");
    out_ += "</section>\n";
  }

  void add_facts(std::string_view title, const std::vector<Fact>& facts) {
    out_ += fmt::format("<h2>{}</h2>\n<section class=\"card\"><dl>\n", title);
    for (const Fact& fact : facts) {
      const std::string basis =
          fact.basis.empty() ? ""
                             : fmt::format("<span class=\"basis\">{}</span>", escaped(fact.basis));
      out_ += fmt::format("<dt>{}</dt><dd>{}{}</dd>\n", sentence_case(escaped(fact.label)),
                          escaped(fact.value), basis);
    }
    out_ += "</dl></section>\n";
  }

  void add_findings(Severity severity, std::string_view title) {
    const int64_t count = count_findings(plan_, severity);
    if (count == 0) return;
    out_ += fmt::format("<h2>{} <span class=\"soft\">({})</span></h2>\n", title, count);
    for (const Finding& finding : plan_.findings) {
      if (finding.severity == severity) add_finding(finding);
    }
  }

  void add_finding(const Finding& finding) {
    const char* const severity = to_string(finding.severity);
    const EffortEstimate effort = effort_of(finding);
    out_ += fmt::format(
        "<article class=\"card finding is-{0}\"><div class=\"head\"><span class=\"tag "
        "{0}\">{0}</span>"
        "<code>{1}</code>",
        severity, escaped(finding.code));
    if (!finding.table.empty()) {
      out_ += fmt::format("<span class=\"where\">{}{}</span>", escaped(finding.table),
                          finding.column.empty() ? "" : "." + escaped(finding.column));
    }
    if (finding.rows > 0) {
      out_ += fmt::format("<span class=\"soft small\">{}</span>", plural(finding.rows, "row"));
    }
    if (effort.effort != Effort::kNone) {
      out_ += fmt::format("<span class=\"tag plain\">effort: {}</span>", to_string(effort.effort));
    }
    out_ += fmt::format("</div>\n<p>{}</p>\n", escaped(finding.message));
    if (!finding.samples.empty()) {
      out_ += "<ul class=\"small\">\n";
      for (const std::string& sample : finding.samples) {
        out_ += fmt::format("<li><code>{}</code></li>\n", escaped(sample));
      }
      out_ += "</ul>\n";
    }
    if (!finding.remedy.empty() || effort.effort != Effort::kNone) {
      out_ +=
          fmt::format("<p class=\"todo small\">{}{}</p>\n", escaped(finding.remedy),
                      effort.effort == Effort::kNone
                          ? ""
                          : fmt::format("{}<span class=\"soft\">Effort: {}, because: {}.</span>",
                                        finding.remedy.empty() ? "" : "\n",
                                        to_string(effort.effort), escaped(effort.reason)));
    }
    out_ += "</article>\n";
  }

  [[nodiscard]] TableSize size_of(size_t at) const {
    return at < assessment_.sizes.tables.size() ? assessment_.sizes.tables[at] : TableSize{};
  }

  void add_overview() {
    if (plan_.tables.empty()) return;
    int64_t bytes_max = 1;
    for (size_t i = 0; i < plan_.tables.size(); ++i) {
      bytes_max = std::max(bytes_max, size_of(i).table_bytes + size_of(i).index_bytes);
    }
    out_ += fmt::format(
        "<h2>Tables <span class=\"soft\">({})</span></h2>\n<section class=\"card scroll\"><table>\n"
        "<tr><th>Table</th><th class=\"n\">Rows</th><th class=\"n\">Data</th>"
        "<th class=\"n\">Indexes</th><th class=\"wide\">Size</th></tr>\n",
        plan_.tables.size());
    for (size_t i = 0; i < plan_.tables.size(); ++i) {
      const TablePlan& plan = plan_.tables[i];
      const TableSize size = size_of(i);
      const char* const about = size.measured ? "" : "about ";
      out_ += fmt::format(
          "<tr><td class=\"name\"><a href=\"#t{}\">{}</a></td><td class=\"n\">{}</td>"
          "<td class=\"n\">{}{}</td><td class=\"n\">{}{}</td>"
          "<td class=\"wide\" style=\"width:28%\"><span class=\"size\" style=\"width:{:.1f}%\">"
          "</span></td></tr>\n",
          i, escaped(plan.table.name), format_count(plan.rows), about,
          format_bytes(size.table_bytes), about, format_bytes(size.index_bytes),
          100.0 * static_cast<double>(size.table_bytes + size.index_bytes) /
              static_cast<double>(bytes_max));
    }
    out_ += "</table></section>\n";
  }

  void add_tables() {
    if (plan_.tables.empty()) return;
    out_ +=
        "<h2>Columns and their types</h2>\n"
        "<p class=\"soft\">Types follow what is stored first and what is declared second. The "
        "bars show which kinds of values each column holds.</p>\n<p class=\"legend\">";
    for (const char* kind : {"integer", "real", "text", "blob", "null"}) {
      out_ += fmt::format("<span><i class=\"{0}\"></i>{0}</span>", kind);
    }
    out_ += "</p>\n";
    for (size_t i = 0; i < plan_.tables.size(); ++i) add_table(i);
  }

  void add_table(size_t at) {
    const TablePlan& plan = plan_.tables[at];
    out_ += fmt::format(
        "<section class=\"card\" id=\"t{}\"><div class=\"head\"><h3 class=\"name\">{}</h3>"
        "<span class=\"soft small\">{}, {}{}{}</span></div>\n<div class=\"scroll\"><table "
        "class=\"cols\">\n"
        "<tr><th>Column</th><th>Declared</th><th>On PostgreSQL</th><th>Stored values</th>"
        "<th>Why</th></tr>\n",
        at, escaped(plan.table.name), plural(plan.rows, "row"),
        size_of(at).measured ? "" : "about ", format_bytes(size_of(at).table_bytes),
        plan.table.identity == Identity::kSurrogate ? ", identified by its rowid" : "");
    for (size_t i = 0; i < plan.table.columns.size(); ++i) {
      const Column& column = plan.table.columns[i];
      if (column.synthetic) continue;
      const bool key =
          std::find(plan.table.key.begin(), plan.table.key.end(), i) != plan.table.key.end();
      out_ += fmt::format(
          "<tr><td class=\"name\">{}{}{}</td><td class=\"decl\">{}</td><td "
          "class=\"type\"><code>{}{}"
          "</code></td><td class=\"mix\">{}</td><td class=\"reason\">{}</td></tr>\n",
          escaped(column.name), key ? " <span class=\"tag plain\">key</span>" : "",
          column.target_generated ? " <span class=\"tag plain\">computed</span>" : "",
          column.declared_type.empty()
              ? ""
              : fmt::format("<code>{}</code>", escaped(column.declared_type)),
          escaped(to_string(column.type)), column.not_null ? " NOT NULL" : "",
          storage_bar(plan.storage[i]), escaped(column.reason));
    }
    out_ += "</table></div></section>\n";
  }

  static std::string storage_bar(const StorageCounts& storage) {
    const std::array<std::pair<const char*, int64_t>, 5> kinds{{{"integer", storage.integer},
                                                                {"real", storage.real},
                                                                {"text", storage.text},
                                                                {"blob", storage.blob},
                                                                {"null", storage.null}}};
    int64_t all = 0;
    for (const auto& [kind, rows] : kinds) all += rows;
    if (all == 0) return "<span class=\"soft small\">no rows</span>";
    std::string bar;
    std::string legend;
    for (const auto& [kind, rows] : kinds) {
      if (rows == 0) continue;
      bar += fmt::format(R"(<i class="{}" style="width:{:.2f}%"></i>)", kind,
                         100.0 * static_cast<double>(rows) / static_cast<double>(all));
      legend += fmt::format("{}{} {}", legend.empty() ? "" : ", ", format_count(rows), kind);
    }
    return fmt::format(R"(<div class="bar">{}</div><span class="soft small">{}</span>)", bar,
                       legend);
  }

  void add_ddl() {
    if (plan_.ddl.empty()) return;
    out_ += "<h2>What will be created</h2>\n<pre>";
    bool first = true;
    for (const std::string& statement : plan_.ddl) {
      out_ += (std::exchange(first, false) ? "" : "\n\n") + escaped(statement) + ";";
    }
    out_ += "</pre>\n";
  }

  const Plan& plan_;
  const Assessment& assessment_;
  const std::string& made_at_;
  std::string out_;
};

}  // namespace

std::string to_html(const Plan& plan, const Assessment& assessment, const std::string& made_at) {
  return HtmlReport(plan, assessment, made_at).render();
}

}  // namespace crossfade::schema

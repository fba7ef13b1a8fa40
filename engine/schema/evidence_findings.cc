#include "engine/schema/evidence_findings.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/evidence_epoch.h"
#include "engine/schema/evidence_forms.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr int64_t kSamenessMin = 20;  // rows per distinct text that make an enumeration

void add_samples(const RowTally& tally, Finding* finding) {
  for (const std::string& sample : tally.samples) {
    if (finding->samples.size() < limits::kSamplesMax) finding->samples.push_back(sample);
  }
}

// One column whose values are of one storage class.
class ColumnFindings {
 public:
  ColumnFindings(const Table& table, size_t column, const ColumnEvidence& evidence,
                 std::vector<Finding>* findings)
      : table_(table),
        column_(table.columns[column]),
        at_(column),
        evidence_(evidence),
        forms_(evidence.forms),
        claims_(evidence.forms.claims()),
        findings_(*findings) {}

  void find() {
    const StorageCounts& storage = evidence_.storage;
    const bool numbers = storage.integer + storage.real > 0;
    if (numbers && storage.text + storage.blob == 0) {
      find_epoch();
      find_beyond_decimal();
    } else if (storage.text > 0 && !numbers && storage.blob == 0) {
      find_in_text();
    } else if (storage.blob > 0 && !numbers && storage.text == 0) {
      find_broken_uuids(storage.blob);
      find_in_blobs();
    }
  }

 private:
  void find_in_text() {
    if (is_text()) {
      find_bad_dates();
      find_mixed_dates();
      find_broken_json();
      find_broken_uuids(evidence_.storage.text);
      find_boolean_words();
      find_enumeration();
    }
    find_json_losses();
    if (forms_.beyond_length.rows == 0) return;
    Finding& finding = add(Severity::kInfo, "longer_than_declared", forms_.beyond_length.rows);
    finding.message = fmt::format("declared {}, which SQLite does not enforce: values are longer",
                                  printable(column_.declared_type));
    finding.remedy = "nothing to do: text takes any length";
    add_samples(forms_.beyond_length, &finding);
  }

  Finding& add(Severity severity, const char* code, int64_t rows) {
    Finding& finding = findings_.emplace_back();
    finding.severity = severity;
    finding.code = code;
    finding.table = table_.name;
    finding.column = column_.name;
    finding.rows = rows;
    return finding;
  }

  [[nodiscard]] bool is_text() const { return column_.type == ColumnType(TargetType::kText); }

  // A broken promise of the declaration is worth a warning; a pattern in the values is a hint.
  [[nodiscard]] Severity severity(bool claimed) const {
    return claimed ? Severity::kWarning : Severity::kInfo;
  }
  [[nodiscard]] std::string declared(bool claimed) const {
    return claimed ? fmt::format("declared {}, but ", printable(column_.declared_type)) : "";
  }

  void find_bad_dates() {
    const DateEvidence& dates = forms_.dates;
    if (dates.abandoned()) return;
    int64_t rows = 0;
    std::string counts;
    for (size_t i = 1; i < kDateFlaws; ++i) {
      const RowTally& tally = dates.flaw(static_cast<DateFlaw>(i));
      if (tally.rows == 0) continue;
      rows += tally.rows;
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", tally.rows,
                            to_string(static_cast<DateFlaw>(i)));
    }
    if (rows == 0 || (!claims_.date && dates.dates() < rows)) return;
    Finding& finding = add(severity(claims_.date), "dates_invalid", rows);
    finding.message = fmt::format("{}of {} values {}; it stays text", declared(claims_.date),
                                  evidence_.storage.text, counts);
    for (size_t i = 1; i < kDateFlaws; ++i) {
      add_samples(dates.flaw(static_cast<DateFlaw>(i)), &finding);
    }
    finding.remedy = "correct the rows, or set them NULL, and inspect again to have a date type";
  }

  void find_mixed_dates() {
    const DateEvidence& dates = forms_.dates;
    if (dates.abandoned() || dates.dates() == 0 || dates.form(dates.dates(), false)) return;
    std::vector<const DateEvidence::Shape*> shapes;
    for (const DateEvidence::Shape& shape : dates.shapes()) shapes.push_back(&shape);
    std::sort(shapes.begin(), shapes.end(), [](const auto* a, const auto* b) {
      return std::pair(a->rows.rows, a->pattern()) > std::pair(b->rows.rows, b->pattern());
    });
    Finding& finding =
        add(severity(claims_.date), "dates_mixed", dates.dates() - shapes.front()->rows.rows);
    std::string list;
    for (const DateEvidence::Shape* shape : shapes) {
      list += fmt::format("{}{} ({} rows)", list.empty() ? "" : ", ", shape->pattern(),
                          shape->rows.rows);
    }
    if (dates.other_shapes().rows > 0) {
      list += fmt::format(", others ({} rows)", dates.other_shapes().rows);
    }
    finding.message = fmt::format("{}dates are written in {} ways: {}; it stays text",
                                  declared(claims_.date), shapes.size(), list);
    // What most of the column is not, first: those are the rows to mend.
    std::reverse(shapes.begin(), shapes.end());
    for (const DateEvidence::Shape* shape : shapes) add_samples(shape->rows, &finding);
    finding.remedy = "write the rarer ones like the others and inspect again to have a date type";
  }

  void find_broken_json() {
    const JsonEvidence& json = forms_.json;
    const int64_t rows = json.invalid.rows + json.json5.rows;
    if (json.abandoned || rows == 0 || (!claims_.json && json.documents < rows)) return;
    Finding& finding = add(severity(claims_.json), "json_invalid", rows);
    std::string json5;
    if (json.json5.rows > 0) json5 = fmt::format(" ({} of them are JSON5)", json.json5.rows);
    finding.message = fmt::format("{}{} of {} values are not valid JSON{}; it stays text",
                                  declared(claims_.json), rows, evidence_.storage.text, json5);
    add_samples(json.invalid, &finding);
    add_samples(json.json5, &finding);
    finding.remedy = "correct the rows and inspect again to have json";
  }

  void find_json_losses() {
    if (column_.type.base != TargetType::kJson) return;
    const auto find = [this](const RowTally& tally, const char* code, const char* message,
                             const char* remedy) {
      if (tally.rows == 0) return;
      Finding& finding = add(Severity::kWarning, code, tally.rows);
      finding.message = message;
      finding.remedy = remedy;
      add_samples(tally, &finding);
    };
    find(forms_.json.duplicate_keys, "json_duplicate_keys",
         "objects have a key twice; json keeps both, jsonb and most readers only the last",
         "decide which one is meant before converting the column to jsonb");
    find(forms_.json.nul_escapes, "json_nul_escape",
         "strings contain \\u0000; json keeps it, but ->> and jsonb refuse it",
         "remove the escape before reading these values with ->> or converting to jsonb");
  }

  void find_broken_uuids(int64_t count) {
    const UuidEvidence& uuid = forms_.uuid;
    const bool kept =
        column_.type.base == TargetType::kText || column_.type.base == TargetType::kBytea;
    const bool text = evidence_.storage.text > 0;
    if (!kept || uuid.abandoned() ||
        (text ? uuid.form(count, 0, true) : uuid.form(0, count, true))) {
      return;
    }
    if (!claims_.uuid && uuid.dashed() <= uuid.others.rows) return;
    const int64_t most = std::max({uuid.lower.rows, uuid.upper.rows, uuid.hex.rows});
    Finding& finding = add(severity(claims_.uuid), "uuid_mixed", count - most);
    finding.message = fmt::format(
        "{}of {} values {} are UUIDs in lower case, {} in upper case, {} without dashes, and {} are"
        " none or spelled otherwise; it stays {}",
        declared(claims_.uuid), count, uuid.lower.rows, uuid.upper.rows, uuid.hex.rows,
        uuid.others.rows, to_string(column_.type));
    add_samples(uuid.others, &finding);
    for (const RowTally* tally : {&uuid.hex, &uuid.upper, &uuid.lower}) {
      if (tally->rows < most) add_samples(*tally, &finding);
    }
    finding.remedy = "write all of them the same way and inspect again to have uuid";
  }

  void find_boolean_words() {
    if (!claims_.boolean) return;
    int64_t rows = forms_.beyond_boolean.rows;
    Finding finding;
    add_samples(forms_.beyond_boolean, &finding);
    if (rows == 0) {  // words of several pairs, or in several cases
      int64_t most = 0;
      for (const WordEvidence::Word& word : forms_.words.words()) {
        most = std::max(most, word.rows.rows);
        add_samples(word.rows, &finding);
      }
      rows = evidence_.storage.text - most;
    }
    Finding& out = add(Severity::kWarning, "boolean_words", rows);
    out.samples = std::move(finding.samples);
    out.message = fmt::format(
        "declared {}, but the texts are not two words of one pair such as true and false; it stays"
        " text",
        printable(column_.declared_type));
    out.remedy = "write one pair of words, or 1 and 0, and inspect again to have boolean";
  }

  void find_enumeration() {
    const std::vector<WordEvidence::Word>& words = forms_.words.words();
    const auto distinct = static_cast<int64_t>(words.size());
    if (forms_.words.overflowed() || distinct < 2) return;
    // Texts that were to be something else, or nearly are: another finding says so.
    if (claims_.boolean || claims_.date || claims_.json || claims_.uuid) return;
    if (!forms_.dates.abandoned() && forms_.dates.dates() > 0) return;
    if (evidence_.storage.text < distinct * kSamenessMin) return;
    Finding& finding = add(Severity::kInfo, "enumeration", 0);
    std::string list;
    for (const WordEvidence::Word& word : words) {
      list += fmt::format("{}'{}' ({})", list.empty() ? "" : ", ", printable(word.text),
                          word.rows.rows);
    }
    finding.message =
        fmt::format("{} values are {} distinct texts: {}", evidence_.storage.text, distinct, list);
    finding.remedy = "a CHECK or an enum type on the target could say so; text takes all of them";
  }

  void find_epoch() {
    const bool rowid = table_.identity != Identity::kPrimaryKey && table_.key.front() == at_;
    if (rowid || column_.synthetic || column_.type.base == TargetType::kBoolean) return;
    const NumberRange range{.count = evidence_.storage.integer + evidence_.storage.real,
                            .min = evidence_.number_min,
                            .max = evidence_.number_max,
                            .real = evidence_.storage.real > 0};
    const auto guess = guess_epoch(column_, range, is_referring());
    if (!guess) return;
    Finding& finding = add(Severity::kInfo, "epoch_numbers", 0);
    finding.message =
        fmt::format("its numbers read as {}, from {} to {} UTC{}; it stays {}", guess->unit,
                    guess->first, guess->last, guess->doubt, to_string(column_.type));
    finding.remedy = fmt::format(
        R"(to have timestamptz, set the rule type = "timestamptz", form = "{}")", guess->rule);
    if (!guess->other_rule.empty()) {
      finding.remedy += fmt::format(R"(, or form = "{}")", guess->other_rule);
    }
  }

  [[nodiscard]] bool is_referring() const {
    if (std::find(table_.key.begin(), table_.key.end(), at_) != table_.key.end()) return true;
    return std::any_of(
        table_.foreign_keys.begin(), table_.foreign_keys.end(), [this](const ForeignKey& key) {
          return std::any_of(
              key.columns.begin(), key.columns.end(),
              [this](const std::string& name) { return same_name(name, column_.name); });
        });
  }

  void find_beyond_decimal() {
    const RowTally& beyond = forms_.beyond_decimal;
    if (beyond.rows == 0) return;
    Finding& finding = add(Severity::kWarning, "decimal_beyond_declared", beyond.rows);
    finding.message =
        fmt::format("declared {}, but {} values have more digits; it becomes {}",
                    printable(column_.declared_type), beyond.rows, to_string(column_.type));
    finding.remedy = "round the rows and inspect again to have the declared numeric(p,s)";
    add_samples(beyond, &finding);
  }

  void find_in_blobs() {
    const TargetType base = column_.type.base;
    if (base == TargetType::kReals || base == TargetType::kDoubles) {
      Finding& finding = add(Severity::kInfo, "float_array", 0);
      finding.message = column_.reason;
      if (base == TargetType::kReals) {
        finding.remedy =
            "with the extension vector (pgvector) on the target it becomes vector(n), which can be"
            " searched by distance";
      }
    }
    if (!forms_.sqlite_jsonb || base != TargetType::kBytea) return;
    Finding& finding = add(Severity::kInfo, "sqlite_jsonb", evidence_.storage.blob);
    finding.message =
        "its blobs are SQLite's own JSONB, which PostgreSQL does not read; it becomes bytea";
    finding.remedy = "store json(value) as text and inspect again to have json";
  }

  const Table& table_;
  const Column& column_;
  const size_t at_;
  const ColumnEvidence& evidence_;
  const FormEvidence& forms_;
  const Claims& claims_;
  std::vector<Finding>& findings_;
};

}  // namespace

void find_in_forms(const Table& table, const TableEvidence& evidence,
                   std::vector<Finding>* findings) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    ColumnFindings(table, i, evidence.columns[i], findings).find();
  }
}

}  // namespace crossfade::schema

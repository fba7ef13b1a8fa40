#include "engine/schema/inspect_facts.h"

#include <fmt/core.h>

#include <utility>

#include "engine/schema/assessment_effort.h"
#include "engine/schema/assessment_format.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

std::string contents(const Plan& plan, const DatabaseFacts& d) {
  const PlanTotals totals = totals_of(plan);
  std::string out =
      fmt::format("{} with {}", plural(static_cast<int64_t>(plan.tables.size()), "table"),
                  plural(totals.columns, "column"));
  const auto add = [&out](int64_t number, const char* noun) {
    if (number > 0) out += ", " + plural(number, noun);
  };
  add(totals.indexes, "index");
  add(totals.foreign_keys, "foreign key");
  add(d.triggers, "trigger");
  add(d.views, "view");
  add(static_cast<int64_t>(d.virtual_tables.size()), "virtual table");
  return out;
}

std::string file(const DatabaseFacts& d) {
  std::string out = format_bytes(d.file_bytes);
  if (d.free_pages > 0) {
    out += fmt::format(", of which {} are free pages", format_bytes(d.free_pages * d.page_bytes));
  }
  out +=
      fmt::format("; {}-byte pages, {}, auto_vacuum {}", d.page_bytes, d.encoding, d.auto_vacuum);
  if (d.application_id != 0) out += fmt::format(", application_id {:#x}", d.application_id);
  if (d.user_version != 0) out += fmt::format(", user_version {}", d.user_version);
  return out;
}

Fact journal(const DatabaseFacts& d) {
  if (d.journal_mode == "wal") {
    return {"journal",
            fmt::format("WAL; {} in the -wal file, {} not yet written back",
                        format_bytes(d.wal_bytes), plural(d.wal_frames_pending, "page")),
            ""};
  }
  std::string value = fmt::format("rollback journal ({})", printable(d.journal_mode));
  if (d.journal_bytes > 0) value += fmt::format("; -journal of {}", format_bytes(d.journal_bytes));
  return {"journal", std::move(value),
          "crossfade run switches to WAL, so that readers and writers do not wait for each other"};
}

Fact writes(const WriteRate& writes) {
  if (!writes.known) return {"writes", "not known", writes.basis};
  if (writes.commits == 0) return {"writes", "no commit while it was looked at", writes.basis};
  if (writes.at_least) return {"writes", "at least 1 commit", writes.basis};
  return {"writes",
          fmt::format("about {:.0f} commits per second ({})", writes.commits_per_s(),
                      plural(writes.commits, "commit")),
          writes.basis};
}

std::string extensions(const TargetFacts& target) {
  std::string out;
  for (const auto& [name, state] : target.extensions) {
    if (!out.empty()) out += ", ";
    out += !state.installed.empty()   ? fmt::format("{} {}", name, printable(state.installed))
           : !state.available.empty() ? fmt::format("{} (available)", name)
                                      : fmt::format("{} (lacking)", name);
  }
  return out;
}

}  // namespace

std::vector<Fact> source_facts(const Plan& plan, const Assessment& a) {
  return {
      {"contents", contents(plan, a.database), ""},
      {"rows", format_count(totals_of(plan).rows), ""},
      {"size",
       fmt::format("{} in tables, {} in indexes, {} in other pages", format_bytes(a.table_bytes()),
                   format_bytes(a.index_bytes()), format_bytes(a.sizes.other_bytes)),
       a.sizes.basis},
      {"file", file(a.database), ""},
      journal(a.database),
      writes(a.writes),
      {"copy time",
       fmt::format("about {} to copy, {} until the first verification is done",
                   format_seconds(a.copy.copy_seconds), format_seconds(a.copy.total_seconds)),
       a.copy.basis},
  };
}

std::vector<Fact> target_facts(const Assessment& a) {
  const TargetFacts& t = a.target;
  std::vector<Fact> out;
  if (t.origin == "none") {
    out.push_back({"target", "none named",
                   "crossfade run would make a private PostgreSQL beside the database"});
  } else {
    out.push_back({"target", printable(t.url), t.origin == "remembered" ? "remembered" : ""});
  }
  if (!t.reachable && t.origin != "none") {
    out.push_back({"server",
                   t.problem.empty() ? "does not run; crossfade run starts it" : "not reached",
                   printable(t.problem)});
  }
  if (t.reachable) {
    out.push_back({"server",
                   fmt::format("PostgreSQL {}, {}, wal_level {}, {} in this database",
                               printable(t.server_version), printable(t.encoding),
                               printable(t.wal_level), format_bytes(t.database_bytes)),
                   ""});
    out.push_back({"rights",
                   fmt::format("the role {} create schemas, and {} create the tables",
                               t.may_create_schema ? "may" : "may not",
                               t.may_create_tables ? "may" : "may not"),
                   ""});
    out.push_back({"extensions", extensions(t), ""});
  }
  out.push_back(
      {"disk needed", "about " + format_bytes(a.copy.target_bytes), a.copy.target_bytes_basis});
  out.push_back({"disk free", t.disk_free_bytes ? format_bytes(*t.disk_free_bytes) : "not known",
                 printable(t.disk_basis)});
  return out;
}

std::string effort_sentence(const Plan& plan) {
  const EffortTotals totals = effort_totals(plan);
  if (totals.minutes + totals.hours == 0) return "none";
  std::string out;
  const auto add = [&out](int64_t number, const char* what) {
    if (number == 0) return;
    if (!out.empty()) out += ", ";
    out += fmt::format("{} {} {}", plural(number, "finding"), number == 1 ? "takes" : "take", what);
  };
  add(totals.hours, "hours");
  add(totals.minutes, "minutes");
  return out;
}

}  // namespace crossfade::schema

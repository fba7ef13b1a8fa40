// Proves that the demo lost nothing.
//
//   demo_check --target URL ACK_FILE...
//
// Every acknowledged (writer, seq) is in PostgreSQL's journal once, nothing was acknowledged twice,
// and the shop's books balance. Exit 0 when that is so; 1 when not, naming what is lost.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/demo/side.h"

namespace crossfade::demo {
namespace {

using WriteId = std::pair<int64_t, int64_t>;  // writer, seq
constexpr size_t kNamedMax = 20;

struct Acknowledged {
  std::map<WriteId, int> times;
  std::map<std::string, int64_t> by_side;
};

// Each query answers with the number of rows that break the rule.
struct Rule {
  const char* text;
  const char* sql;
};
constexpr Rule kRules[] = {
    {"every order's total is the sum of its items",
     "SELECT count(*) FROM orders o WHERE total_cents IS DISTINCT FROM "
     "(SELECT sum(quantity * price_cents) FROM order_items WHERE order_id = o.id)"},
    {"every item has its order",
     "SELECT count(*) FROM order_items i WHERE NOT EXISTS "
     "(SELECT FROM orders WHERE id = i.order_id)"},
    {"every product's stock and what is sold make its initial stock",
     "SELECT count(*) FROM products p WHERE stock_initial <> stock + "
     "(SELECT coalesce(sum(quantity), 0) FROM order_items WHERE product_id = p.id)"},
    {"the counters count the orders",
     "SELECT abs((SELECT count(*) FROM orders) - "
     "(SELECT sum(CASE name WHEN 'orders placed' THEN value ELSE -value END) FROM counters "
     "WHERE name IN ('orders placed', 'orders removed')))"},
    {"the counters count the journal",
     "SELECT abs((SELECT value FROM counters WHERE name = 'orders placed') "
     "- (SELECT value FROM counters WHERE name = 'orders at start') "
     "- (SELECT count(*) FROM journal WHERE op = 'place order'))"},
    {"every order in the journal is there until the journal removes it",
     "SELECT count(*) FROM journal j WHERE op = 'place order' AND "
     "(EXISTS (SELECT FROM orders WHERE id = j.payload::bigint)) = "
     "(EXISTS (SELECT FROM journal r WHERE r.op = 'remove order' AND r.payload = j.payload))"},
    {"every transaction left its audit note",
     "SELECT abs((SELECT count(*) FROM journal) - "
     "(SELECT count(*) FROM audit WHERE note NOT LIKE 'note %'))"},
    {"every customer in the journal is there",
     "SELECT count(*) FROM journal j WHERE op = 'add customer' AND NOT EXISTS "
     "(SELECT FROM customers WHERE email = j.payload)"},
};

bool read_acks(const std::vector<std::string>& files, Acknowledged* acks) {
  for (const std::string& name : files) {
    std::ifstream file(name);
    if (!file) {
      fmt::print(stderr, "demo_check: cannot read {}\n", name);
      return false;
    }
    WriteId id;
    std::string side;
    int64_t latency_us = 0;
    while (file >> id.first >> id.second >> side >> latency_us) {
      ++acks->times[id];
      ++acks->by_side[side];
    }
    if (!file.eof()) {
      fmt::print(stderr, "demo_check: {} holds a line that is no acknowledgement\n", name);
      return false;
    }
  }
  return true;
}

int64_t number(const std::string& text) {
  return std::strtoll(text.c_str(), nullptr, 10);
}

bool query(Side& target, const std::string& sql, Rows* rows) {
  if (target.run(sql, {}, rows) == Outcome::kDone) return true;
  fmt::print(stderr, "demo_check: {}", target.message());
  return false;
}

// Names what breaks the promise and returns how many there are.
size_t report(const char* what, const std::vector<WriteId>& writes) {
  for (size_t i = 0; i < std::min(writes.size(), kNamedMax); ++i) {
    fmt::print("{}: writer {} seq {}\n", what, writes[i].first, writes[i].second);
  }
  if (writes.size() > kNamedMax) {
    fmt::print("{}: and {} more\n", what, writes.size() - kNamedMax);
  }
  return writes.size();
}

bool check_writes(Side& target, const Acknowledged& acks, size_t* broken) {
  Rows rows;
  if (!query(target, "SELECT writer, seq, count(*) FROM journal GROUP BY 1, 2", &rows)) {
    return false;
  }
  std::map<WriteId, int64_t> journal;
  for (const auto& row : rows) {
    journal[{number(row.at(0)), number(row.at(1))}] = number(row.at(2));
  }
  std::vector<WriteId> lost;
  std::vector<WriteId> doubled;
  for (const auto& [id, times] : acks.times) {
    const auto found = journal.find(id);
    if (found == journal.end()) {
      lost.push_back(id);
    } else if (found->second != 1 || times != 1) {
      doubled.push_back(id);
    }
  }
  *broken += report("LOST", lost) + report("DOUBLED", doubled);
  return true;
}

bool check_rules(Side& target, size_t* broken) {
  for (const Rule& rule : kRules) {
    Rows rows;
    if (!query(target, rule.sql, &rows)) return false;
    if (rows.at(0).at(0) == "0") continue;
    ++*broken;
    fmt::print("BROKEN: {}: {} times not so\n", rule.text, rows.at(0).at(0));
  }
  return true;
}

int check(const std::string& url, const std::vector<std::string>& files) {
  Acknowledged acks;
  if (!read_acks(files, &acks)) return 1;
  if (acks.times.empty()) {
    fmt::print(stderr, "demo_check: nothing was acknowledged, so nothing is proved\n");
    return 1;
  }
  const std::unique_ptr<Side> target = open_postgres(url);
  if (target->begin() != Outcome::kDone) {
    fmt::print(stderr, "demo_check: {}", target->message());
    return 1;
  }
  size_t broken = 0;
  if (!check_writes(*target, acks, &broken) || !check_rules(*target, &broken)) return 1;
  target->rollback();
  fmt::print("acknowledged writes: {} on SQLite, {} on PostgreSQL\n", acks.by_side["sqlite"],
             acks.by_side["postgres"]);
  if (broken > 0) {
    fmt::print("NOT PROVED: {} broken promises\n", broken);
    return 1;
  }
  fmt::print(
      "PROVED: each of the {} acknowledged writes is in PostgreSQL once, and all {} rules hold\n",
      acks.times.size(), std::size(kRules));
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app("proves that the demo lost nothing");
  std::string url;
  std::vector<std::string> files;
  app.add_option("--target", url, "the PostgreSQL the data moved to")->required();
  app.add_option("acks", files, "the writers' acknowledgements")->required();
  CLI11_PARSE(app, argc, argv);
  return check(url, files);
}

}  // namespace
}  // namespace crossfade::demo

int main(int argc, char** argv) {
  try {
    return crossfade::demo::run(argc, argv);
  } catch (const std::exception& error) {  // of the standard library or of CLI11
    std::fprintf(stderr, "demo_check: %s\n", error.what());
    return 1;
  }
}

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>

#include "bench/micro/kernels.h"
#include "engine/schema/catalog.h"
#include "engine/schema/plan.h"

namespace crossfade::bench {
namespace {

constexpr uint64_t kSeed = 1;
constexpr const char* kSchema =
    "CREATE TABLE segments(id INTEGER PRIMARY KEY, thought_id INTEGER NOT NULL, title TEXT,"
    " content TEXT NOT NULL, kind TEXT, weight REAL, created_at TEXT, embedding BLOB);"
    "CREATE INDEX segments_thought ON segments(thought_id)";
constexpr const char* kKinds[] = {"text", "image", "code"};

std::string letters(std::mt19937_64& random, size_t size) {
  std::string out;
  for (size_t i = 0; i < size; ++i) out += static_cast<char>('a' + random() % 26);
  return out;
}

}  // namespace

void give_up(const std::string& what) {
  std::fprintf(stderr, "micro_bench: %s\n", what.c_str());
  std::exit(1);
}

std::shared_ptr<Sample> make_sample() {
  auto sample = std::make_shared<Sample>(
      Sample{must(sqlite::Connection::open({":memory:", sqlite::Access::kCreate})), {}, {}});
  must(sample->source.exec(kSchema));
  auto insert = must(
      sqlite::Statement::prepare(sample->source, "INSERT INTO segments VALUES(?,?,?,?,?,?,?,?)"));
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kSampleRows; ++i) {
    Row row;
    row.emplace_back(int64_t{i + 1});
    row.emplace_back(static_cast<int64_t>(random() % 100));
    row.emplace_back(Text{letters(random, 20)});
    row.emplace_back(Text{letters(random, 110)});
    row.emplace_back(Text{kKinds[i % 3]});
    row.emplace_back(static_cast<double>(random() % 1'000'000) / 1e6);
    row.emplace_back(Text{fmt::format("2025-{:02}-{:02} {:02}:{:02}:{:02}", i % 12 + 1, i % 28 + 1,
                                      i % 24, i % 60, i % 60)});
    row.emplace_back(Blob{letters(random, 64)});
    for (size_t c = 0; c < row.size(); ++c) insert.bind(static_cast<int>(c) + 1, row[c]);
    must(insert.run());
    sample->rows.push_back(std::move(row));
  }
  const schema::Catalog catalog = must(schema::read_catalog(sample->source));
  schema::Plan plan = must(schema::make_plan(sample->source, catalog, {}));
  sample->table = std::move(plan.tables.at(0).table);
  return sample;
}

}  // namespace crossfade::bench

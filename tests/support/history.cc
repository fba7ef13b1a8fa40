#include "tests/support/history.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace crossfade::testing {
namespace {

using nlohmann::json;

json to_json(const Believed& route) {
  return {route.epoch_before, route.epoch_after};
}

json to_json(const WriteOp& op) {
  return {{"op", "write"},
          {"client", op.id.first},
          {"n", op.id.second},
          {"side", static_cast<int>(op.side)},
          {"route", to_json(op.route)},
          {"at", {op.invoked_us, op.completed_us}},
          {"outcome", static_cast<int>(op.outcome)},
          {"native", op.native}};
}

json to_json(const char* kind, const ReadOp& op) {
  json found = json::array();
  for (const auto& [client, n] : op.found) found.push_back({client, n});
  json last = json::array();
  for (const auto& [client, n] : op.last_number) last.push_back({client, n});
  return {{"op", kind},
          {"side", static_cast<int>(op.side)},
          {"of_primary", op.of_primary},
          {"route", to_json(op.route)},
          {"at", {op.invoked_us, op.completed_us}},
          {"found", found},
          {"last_number", last},
          {"balance", op.balance},
          {"torn", op.torn},
          {"orphans", op.orphans},
          {"unbalanced", op.unbalanced}};
}

WriteOp write_of(const json& j) {
  WriteOp op;
  op.id = {j.at("client"), j.at("n")};
  op.side = static_cast<Side>(j.at("side").get<int>());
  op.route = {j.at("route").at(0), j.at("route").at(1)};
  op.invoked_us = j.at("at").at(0);
  op.completed_us = j.at("at").at(1);
  op.outcome = static_cast<Outcome>(j.at("outcome").get<int>());
  op.native = j.at("native");
  return op;
}

ReadOp read_of(const json& j) {
  ReadOp op;
  op.side = static_cast<Side>(j.at("side").get<int>());
  op.of_primary = j.at("of_primary");
  op.route = {j.at("route").at(0), j.at("route").at(1)};
  op.invoked_us = j.at("at").at(0);
  op.completed_us = j.at("at").at(1);
  for (const json& each : j.at("found")) op.found.emplace_back(each.at(0), each.at(1));
  for (const json& each : j.at("last_number")) op.last_number[each.at(0)] = each.at(1);
  op.balance = j.at("balance");
  op.torn = j.at("torn");
  op.orphans = j.at("orphans");
  op.unbalanced = j.at("unbalanced");
  return op;
}

}  // namespace

void HistoryRecorder::record(WriteOp op) {
  const std::lock_guard lock(mutex_);
  if (op.outcome == Outcome::kOk) ++acknowledged_[static_cast<size_t>(op.side)];
  history_.writes.push_back(std::move(op));
}

void HistoryRecorder::record(ReadOp op) {
  const std::lock_guard lock(mutex_);
  history_.reads.push_back(std::move(op));
}

History HistoryRecorder::take() {
  const std::lock_guard lock(mutex_);
  return std::move(history_);
}

int64_t HistoryRecorder::acknowledged(Side side) const {
  const std::lock_guard lock(mutex_);
  return acknowledged_[static_cast<size_t>(side)];
}

void write_history(const std::string& path, const History& history) {
  std::ofstream out(path, std::ios::trunc);
  out << json({{"op", "history"},
               {"seed", history.seed},
               {"balance", history.balance},
               {"epochs", {history.first_epoch, history.last_epoch}}})
      << '\n';
  for (const WriteOp& op : history.writes) out << to_json(op) << '\n';
  for (const ReadOp& op : history.reads) out << to_json("read", op) << '\n';
  out << to_json("final", history.final_state) << '\n';
  EXPECT_TRUE(out.good()) << path;
}

History read_history(const std::string& path) {
  History history;
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  for (std::string line; std::getline(in, line);) {
    const json j = json::parse(line);
    const std::string op = j.at("op");
    if (op == "write") {
      history.writes.push_back(write_of(j));
    } else if (op == "read") {
      history.reads.push_back(read_of(j));
    } else if (op == "final") {
      history.final_state = read_of(j);
    } else {
      history.seed = j.at("seed");
      history.balance = j.at("balance");
      history.first_epoch = j.at("epochs").at(0);
      history.last_epoch = j.at("epochs").at(1);
    }
  }
  return history;
}

}  // namespace crossfade::testing

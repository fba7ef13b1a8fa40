#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "tools/demo/shop.h"

namespace crossfade::demo {
namespace {

constexpr int64_t kCustomers = 5000;
constexpr int64_t kProducts = 2000;
constexpr int64_t kSettings = 200;

// Runs `expression` and returns its outcome unless it is kDone.
#define DEMO_TRY(expression)                                 \
  do {                                                       \
    const Outcome demo_outcome = (expression);               \
    if (demo_outcome != Outcome::kDone) return demo_outcome; \
  } while (false)

int64_t number(const std::string& text) {
  return std::strtoll(text.c_str(), nullptr, 10);
}

// The same choices at every attempt of a task.
class Choices {
 public:
  explicit Choices(const Task& task) : random_(task.seed) {}
  int64_t up_to(int64_t max) { return std::uniform_int_distribution<int64_t>(1, max)(random_); }
  Blob blob(int64_t size) {
    Blob blob;
    for (int64_t i = 0; i < size; ++i) blob.bytes += static_cast<char>(up_to(256) - 1);
    return blob;
  }

 private:
  std::mt19937_64 random_;
};

Outcome count_up(Side& side, const char* counter) {
  return side.run("UPDATE counters SET value = value + 1 WHERE name = $1", {counter});
}

}  // namespace

const char* to_string(Op op) {
  switch (op) {
    case Op::kPlaceOrder:
      return "place order";
    case Op::kSetStatus:
      return "set status";
    case Op::kRemoveOrder:
      return "remove order";
    case Op::kChangeSetting:
      return "change setting";
    case Op::kLogIn:
      return "log in";
    case Op::kAddCustomer:
      return "add customer";
  }
  return "";
}

Outcome Clerk::load(Side& side) {
  Rows rows;
  DEMO_TRY(side.run("SELECT coalesce(max(seq), 0) FROM journal WHERE writer = $1", {id_}, &rows));
  seq_ = number(rows.at(0).at(0));
  rows.clear();
  DEMO_TRY(
      side.run("SELECT id FROM orders WHERE writer = $1 ORDER BY id LIMIT 1000", {id_}, &rows));
  orders_.clear();
  for (const auto& row : rows) orders_.push_back(number(row.at(0)));
  return Outcome::kDone;
}

Task Clerk::next() {
  const auto draw = std::uniform_int_distribution<int>(1, 100)(random_);
  Task task;
  task.seq = ++seq_;
  task.seed = random_();
  if (draw <= 45 || orders_.empty()) {
    task.op = Op::kPlaceOrder;
  } else if (draw <= 65) {
    task.op = Op::kSetStatus;
  } else if (draw <= 75) {
    task.op = Op::kRemoveOrder;
  } else if (draw <= 85) {
    task.op = Op::kChangeSetting;
  } else if (draw <= 95) {
    task.op = Op::kLogIn;
  } else {
    task.op = Op::kAddCustomer;
  }
  return task;
}

Outcome Clerk::attempt(Side& side, const Task& task) {
  std::string payload;
  switch (task.op) {
    case Op::kPlaceOrder:
      DEMO_TRY(place_order(side, task, &payload));
      break;
    case Op::kSetStatus:
      DEMO_TRY(set_status(side, task, &payload));
      break;
    case Op::kRemoveOrder:
      DEMO_TRY(remove_order(side, task, &payload));
      break;
    case Op::kChangeSetting:
      DEMO_TRY(change_setting(side, task, &payload));
      break;
    case Op::kLogIn:
      DEMO_TRY(log_in(side, task, &payload));
      break;
    case Op::kAddCustomer:
      DEMO_TRY(add_customer(side, task, &payload));
      break;
  }
  DEMO_TRY(side.run("INSERT INTO audit (at, writer, note) VALUES (CURRENT_TIMESTAMP, $1, $2)",
                    {id_, to_string(task.op)}));
  return side.run("INSERT INTO journal (writer, seq, op, payload) VALUES ($1, $2, $3, $4)",
                  {id_, task.seq, to_string(task.op), payload});
}

void Clerk::committed(const Task& task) {
  if (task.op == Op::kPlaceOrder) orders_.push_back(placed_);
  if (task.op == Op::kRemoveOrder) orders_.pop_front();
}

Outcome Clerk::find(Side& side, const Task& task, bool* found) const {
  Rows rows;
  DEMO_TRY(side.run("SELECT count(*) FROM journal WHERE writer = $1 AND seq = $2", {id_, task.seq},
                    &rows));
  *found = number(rows.at(0).at(0)) > 0;
  return Outcome::kDone;
}

Outcome Clerk::place_order(Side& side, const Task& task, std::string* payload) {
  Choices choices(task);
  const int64_t customer = choices.up_to(kCustomers);
  // In the order of their ids, so that writers do not lock the same products crosswise.
  std::vector<int64_t> products(static_cast<size_t>(choices.up_to(4)));
  std::generate(products.begin(), products.end(), [&] { return choices.up_to(kProducts); });
  std::sort(products.begin(), products.end());
  Rows rows;
  DEMO_TRY(
      side.run("INSERT INTO orders (customer_id, writer, status, total_cents) "
               "VALUES ($1, $2, 'new', 0) RETURNING id",
               {customer, id_}, &rows));
  placed_ = number(rows.at(0).at(0));
  for (size_t line = 0; line < products.size(); ++line) {
    const int64_t quantity = choices.up_to(5);
    DEMO_TRY(
        side.run("INSERT INTO order_items (order_id, line, product_id, quantity, price_cents) "
                 "SELECT $1, $2, id, $3, price_cents FROM products WHERE id = $4",
                 {placed_, static_cast<int64_t>(line) + 1, quantity, products[line]}));
    DEMO_TRY(side.run("UPDATE products SET stock = stock - $1 WHERE id = $2",
                      {quantity, products[line]}));
  }
  DEMO_TRY(
      side.run("UPDATE orders SET total_cents = (SELECT sum(quantity * price_cents) "
               "FROM order_items WHERE order_id = orders.id) WHERE id = $1",
               {placed_}));
  *payload = std::to_string(placed_);
  return count_up(side, "orders placed");
}

Outcome Clerk::set_status(Side& side, const Task& task, std::string* payload) {
  Choices choices(task);
  const int64_t order =
      orders_.at(static_cast<size_t>(choices.up_to(static_cast<int64_t>(orders_.size())) - 1));
  constexpr std::array<const char*, 3> kStatuses = {"new", "paid", "sent"};
  *payload = std::to_string(order);
  return side.run("UPDATE orders SET status = $1 WHERE id = $2",
                  {kStatuses.at(static_cast<size_t>(choices.up_to(3)) - 1), order});
}

Outcome Clerk::remove_order(Side& side, const Task& /*task*/, std::string* payload) {
  const int64_t order = orders_.front();
  Rows items;
  DEMO_TRY(
      side.run("SELECT product_id, quantity FROM order_items WHERE order_id = $1 "
               "ORDER BY product_id",
               {order}, &items));
  for (const auto& item : items) {
    DEMO_TRY(side.run("UPDATE products SET stock = stock + $1 WHERE id = $2",
                      {number(item.at(1)), number(item.at(0))}));
  }
  // The items go with it, by the foreign key's cascade.
  DEMO_TRY(side.run("DELETE FROM orders WHERE id = $1", {order}));
  *payload = std::to_string(order);
  return count_up(side, "orders removed");
}

Outcome Clerk::change_setting(Side& side, const Task& task, std::string* payload) const {
  Choices choices(task);
  *payload = fmt::format("setting {}", choices.up_to(kSettings));
  const std::string value = fmt::format("value {} of writer {}", task.seq, id_);
  return side.run(side.is_sqlite()
                      ? "INSERT OR REPLACE INTO settings (name, value, changed_by) "
                        "VALUES ($1, $2, $3)"
                      : "INSERT INTO settings (name, value, changed_by) VALUES ($1, $2, $3) "
                        "ON CONFLICT (name) DO UPDATE SET value = excluded.value, "
                        "changed_by = excluded.changed_by",
                  {*payload, value, id_});
}

// A customer has one session: logging in replaces it, by its second unique key. SQLite fires no
// DELETE trigger for the row that goes.
Outcome Clerk::log_in(Side& side, const Task& task, std::string* payload) const {
  Choices choices(task);
  const int64_t customer = choices.up_to(kCustomers);
  *payload = std::to_string(customer);
  const Blob token = choices.blob(16);
  const Blob data = choices.blob(choices.up_to(200) - 1);
  const double expires = 1.7e9 + static_cast<double>(choices.up_to(8000)) / 8.0;
  return side.run(side.is_sqlite()
                      ? "INSERT OR REPLACE INTO sessions (token, customer_id, data, expires) "
                        "VALUES ($1, $2, $3, $4)"
                      : "INSERT INTO sessions (token, customer_id, data, expires) "
                        "VALUES ($1, $2, $3, $4) ON CONFLICT (customer_id) DO UPDATE SET "
                        "token = excluded.token, data = excluded.data, expires = excluded.expires",
                  {token, customer, data, expires});
}

Outcome Clerk::add_customer(Side& side, const Task& task, std::string* payload) const {
  *payload = fmt::format("c{}-{}@example.org", id_, task.seq);
  return side.run(
      "INSERT INTO customers (email, name, credit, newsletter) "
      "VALUES ($1, $2, 12.5, $3)",
      {*payload, fmt::format("Customer of writer {}", id_), static_cast<int64_t>(task.seed % 2)});
}

}  // namespace crossfade::demo

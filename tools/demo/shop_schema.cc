#include <sqlite3.h>

#include <filesystem>
#include <memory>

#include "tools/demo/shop.h"

namespace crossfade::demo {
namespace {

constexpr char kSchema[] = R"(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
BEGIN;
CREATE TABLE customers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  credit DECIMAL(10,2) NOT NULL DEFAULT 0,
  newsletter BOOLEAN NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  sku VARCHAR(20) NOT NULL UNIQUE,
  title TEXT NOT NULL,
  price_cents INTEGER NOT NULL,
  weight_kg REAL,
  stock INTEGER NOT NULL,
  stock_initial INTEGER NOT NULL
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  writer INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('new', 'paid', 'sent')),
  total_cents INTEGER NOT NULL,
  placed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at DESC);
CREATE INDEX orders_to_send ON orders (id) WHERE status = 'paid';
CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  line INTEGER NOT NULL,
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL,
  price_cents INTEGER NOT NULL,
  PRIMARY KEY (order_id, line)
);
CREATE TABLE settings (name TEXT PRIMARY KEY NOT NULL, value TEXT, changed_by INTEGER);
CREATE TABLE counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL);
CREATE TABLE sessions (
  token BLOB PRIMARY KEY NOT NULL,
  customer_id INTEGER NOT NULL UNIQUE,
  data BLOB,
  expires REAL NOT NULL
);
CREATE TABLE audit (at TEXT, writer INTEGER, note TEXT);
CREATE TABLE journal (
  writer INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  op TEXT NOT NULL,
  payload TEXT,
  PRIMARY KEY (writer, seq)
) WITHOUT ROWID;
)";

constexpr char kRows[] = R"(
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO customers (email, name, credit, newsletter)
  SELECT 'c' || i || '@example.org', 'Customer ' || i || ' ' || char(0xe9, 0x4e2d), i % 500 / 4.0, i % 2
  FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO products (id, sku, title, price_cents, weight_kg, stock, stock_initial)
  SELECT i, printf('SKU-%05d', i), 'Product ' || i, 100 + i * 37 % 9900, i / 7.0, 0, 1000000 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
INSERT INTO orders (customer_id, writer, status, total_cents)
  SELECT i * 31 % 5000 + 1, i % 4 + 1, CASE i % 3 WHEN 0 THEN 'new' WHEN 1 THEN 'paid' ELSE 'sent' END, 0
  FROM n;
WITH lines(line) AS (VALUES (1), (2), (3))
INSERT INTO order_items (order_id, line, product_id, quantity, price_cents)
  SELECT o.id, line, p.id, 1 + (o.id + line) % 3, p.price_cents
  FROM orders o, lines JOIN products p ON p.id = (o.id * 7 + line * 13) % 2000 + 1;
UPDATE orders SET total_cents =
  (SELECT sum(quantity * price_cents) FROM order_items WHERE order_id = orders.id);
CREATE TEMP TABLE sold AS
  SELECT product_id AS id, sum(quantity) AS quantity FROM order_items GROUP BY product_id;
UPDATE products SET stock = stock_initial -
  coalesce((SELECT quantity FROM sold WHERE sold.id = products.id), 0);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO settings SELECT 'setting ' || i, 'value ' || i, NULL FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800)
INSERT INTO sessions SELECT randomblob(16), i, randomblob(i % 200), 1.7e9 + i / 8.0 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
INSERT INTO audit SELECT CURRENT_TIMESTAMP, i % 4, 'note ' || (i % 100) FROM n;
INSERT INTO counters VALUES
  ('orders at start', 12000), ('orders placed', 12000), ('orders removed', 0);
COMMIT;
)";

}  // namespace

bool create_shop(const std::string& path, std::string* message) {
  if (std::filesystem::exists(path)) {
    *message = "the file exists";
    return false;
  }
  sqlite3* handle = nullptr;
  int rc =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> db(handle, &sqlite3_close);
  if (rc == SQLITE_OK) rc = sqlite3_exec(handle, kSchema, nullptr, nullptr, nullptr);
  if (rc == SQLITE_OK) rc = sqlite3_exec(handle, kRows, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) *message = sqlite3_errmsg(handle);
  return rc == SQLITE_OK;
}

}  // namespace crossfade::demo

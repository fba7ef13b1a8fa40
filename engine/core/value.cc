#include "engine/core/value.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <string_view>

#include "engine/core/value_view.h"

namespace crossfade {

size_t Value::size_bytes() const {
  switch (storage()) {
    case StorageClass::kText:
      return sizeof(Value) + text().size();
    case StorageClass::kBlob:
      return sizeof(Value) + blob().size();
    case StorageClass::kNull:
    case StorageClass::kInteger:
    case StorageClass::kReal:
      break;
  }
  return sizeof(Value);
}

bool operator==(const Value& a, const Value& b) {
  if (a.storage() == StorageClass::kReal && b.storage() == StorageClass::kReal) {
    return std::bit_cast<uint64_t>(a.real()) == std::bit_cast<uint64_t>(b.real());
  }
  return a.v_ == b.v_;
}

size_t size_bytes(const Row& row) {
  size_t total = sizeof(Row);
  for (const Value& value : row) total += value.size_bytes();
  return total;
}

std::string to_literal(const Value& value, size_t bytes_max) {
  return to_literal(view_of(value), bytes_max);
}

std::string to_literal(const ValueView& value, size_t bytes_max) {
  const std::string_view shown = value.bytes.substr(0, bytes_max);
  const char* const end = value.bytes.size() > bytes_max ? "...'" : "'";
  switch (value.storage) {
    case StorageClass::kNull:
      return "NULL";
    case StorageClass::kInteger:
      return fmt::format("{}", value.integer);
    case StorageClass::kReal: {
      if (std::isinf(value.real)) return value.real > 0 ? "9e999" : "-9e999";
      return fmt::format("{:.17g}", value.real);
    }
    case StorageClass::kText: {
      std::string out = "'";
      for (const char c : shown) {
        if (c == '\'') out += '\'';
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f) {
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
      }
      return out + end;
    }
    case StorageClass::kBlob: {
      std::string out = "x'";
      for (const char c : shown) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
      return out + end;
    }
  }
  return "NULL";
}

const char* to_string(StorageClass storage) {
  switch (storage) {
    case StorageClass::kNull:
      return "null";
    case StorageClass::kInteger:
      return "integer";
    case StorageClass::kReal:
      return "real";
    case StorageClass::kText:
      return "text";
    case StorageClass::kBlob:
      return "blob";
  }
  return "null";
}

void append_identity_head(const ValueView& value, std::string* out) {
  out->push_back(static_cast<char>('0' + static_cast<int>(value.storage)));
  const auto append_u64 = [out](uint64_t v) {
    for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(v >> shift));
  };
  switch (value.storage) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      append_u64(static_cast<uint64_t>(value.integer));
      break;
    case StorageClass::kReal:
      append_u64(std::bit_cast<uint64_t>(value.real));
      break;
    case StorageClass::kText:
    case StorageClass::kBlob:
      append_u64(value.bytes.size());
      break;
  }
}

void append_identity(const Value& value, std::string* out) {
  const ValueView view = view_of(value);
  append_identity_head(view, out);
  *out += view.bytes;
}

std::optional<Row> parse_identity(std::string_view bytes) {
  Row row;
  const auto take_u64 = [&bytes](uint64_t* out) {
    if (bytes.size() < 8) return false;
    *out = 0;
    for (size_t i = 0; i < 8; ++i) *out = (*out << 8) | static_cast<unsigned char>(bytes[i]);
    bytes.remove_prefix(8);
    return true;
  };
  while (!bytes.empty()) {
    const int tag = bytes.front() - '0';
    bytes.remove_prefix(1);
    uint64_t bits = 0;
    if (tag == static_cast<int>(StorageClass::kNull)) {
      row.emplace_back();
      continue;
    }
    if (tag < 0 || tag > static_cast<int>(StorageClass::kBlob) || !take_u64(&bits)) return {};
    if (tag == static_cast<int>(StorageClass::kInteger)) {
      row.emplace_back(static_cast<int64_t>(bits));
    } else if (tag == static_cast<int>(StorageClass::kReal)) {
      row.emplace_back(std::bit_cast<double>(bits));
    } else {
      if (bits > bytes.size()) return {};
      std::string data(bytes.substr(0, bits));
      bytes.remove_prefix(bits);
      if (tag == static_cast<int>(StorageClass::kText)) {
        row.emplace_back(Text{std::move(data)});
      } else {
        row.emplace_back(Blob{std::move(data)});
      }
    }
  }
  return row;
}

Value value_of(const ValueView& view) {
  switch (view.storage) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      return Value(view.integer);
    case StorageClass::kReal:
      return Value(view.real);
    case StorageClass::kText:
      return Value(Text{std::string(view.bytes)});
    case StorageClass::kBlob:
      return Value(Blob{std::string(view.bytes)});
  }
  return Value();
}

ValueView view_of(const Value& value) {
  ValueView out{.storage = value.storage()};
  switch (out.storage) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      out.integer = value.integer();
      break;
    case StorageClass::kReal:
      out.real = value.real();
      break;
    case StorageClass::kText:
      out.bytes = value.text();
      break;
    case StorageClass::kBlob:
      out.bytes = value.blob();
      break;
  }
  return out;
}

}  // namespace crossfade

#include "engine/schema/evidence_jsonb_blob.h"

#include <cstddef>
#include <cstdint>

namespace crossfade::schema {
namespace {

constexpr int kDepthMax = 64;
constexpr int kTextFirst = 7;  // TEXT, TEXTJ, TEXT5, TEXTRAW
constexpr int kTextLast = 10;
constexpr int kArray = 11;
constexpr int kObject = 12;

struct Element {
  int type = -1;  // -1: not one
  std::string_view payload;
  size_t size = 0;  // with its header
};

// The low half of the first byte is the type, the high half the payload's size or, from 12 on,
// how many bytes hold it.
Element read_element(std::string_view bytes) {
  if (bytes.empty()) return {};
  const auto first = static_cast<unsigned char>(bytes[0]);
  const unsigned length = first >> 4;
  const size_t size_bytes = length < 12 ? 0 : size_t{1} << (length - 12);
  if (bytes.size() < 1 + size_bytes) return {};
  uint64_t payload = length;
  if (size_bytes > 0) {
    payload = 0;
    for (size_t i = 1; i <= size_bytes; ++i) {
      payload = (payload << 8) | static_cast<unsigned char>(bytes[i]);
    }
  }
  if (payload > bytes.size() - 1 - size_bytes) return {};
  Element out;
  out.type = first & 0x0F;
  out.payload = bytes.substr(1 + size_bytes, payload);
  out.size = 1 + size_bytes + payload;
  return out;
}

bool is_sound(const Element& element, int depth) {
  if (element.type < 0 || element.type > kObject || depth > kDepthMax) return false;
  if (element.type < 3) return element.payload.empty();  // null, true, false
  if (element.type < kArray) return element.type >= kTextFirst || !element.payload.empty();
  std::string_view rest = element.payload;
  size_t count = 0;
  while (!rest.empty()) {
    const Element child = read_element(rest);
    if (!is_sound(child, depth + 1)) return false;
    const bool label = element.type == kObject && count % 2 == 0;
    if (label && (child.type < kTextFirst || child.type > kTextLast)) return false;
    rest.remove_prefix(child.size);
    ++count;
  }
  return element.type == kArray || count % 2 == 0;
}

}  // namespace

bool is_sqlite_jsonb(std::string_view bytes) {
  const Element top = read_element(bytes);
  return top.type >= kArray && top.size == bytes.size() && is_sound(top, 0);
}

}  // namespace crossfade::schema

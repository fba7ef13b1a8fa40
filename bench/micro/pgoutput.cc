// The way back's inner loop: messages of pgoutput, taken apart. One transaction of a thousand
// changes: inserts, updates and deletes of eight columns as text.
#include "capture/pgoutput.h"

#include <string>
#include <vector>

#include "bench/micro/kernels.h"
#include "engine/postgres/binary.h"

namespace crossfade::bench {
namespace {

constexpr uint32_t kRelation = 16'463;
constexpr int kChanges = 1000;

// A number as a text; not to_string of the value, whose literals have quotes.
std::string text_of(const Value& value) {
  switch (value.storage()) {
    case StorageClass::kNull:
      return "";
    case StorageClass::kInteger:
      return std::to_string(value.integer());
    case StorageClass::kReal:
      return std::to_string(value.real());
    case StorageClass::kText:
      return value.text();
    case StorageClass::kBlob:
      return "\\x" + std::string(2 * value.blob().size(), '6');
  }
  return "";
}

void append_tuple(const Row& row, bool key_only, std::string* out) {
  postgres::append_be(static_cast<int16_t>(row.size()), out);
  for (size_t i = 0; i < row.size(); ++i) {
    if (key_only && i > 0) {
      out->push_back('n');
      continue;
    }
    const std::string field = text_of(row[i]);
    out->push_back('t');
    postgres::append_be(static_cast<int32_t>(field.size()), out);
    out->append(field);
  }
}

std::string message_of(int i, const Row& row) {
  std::string out;
  const int kind = i % 10;
  out.push_back(kind < 5 ? 'I' : kind < 9 ? 'U' : 'D');
  postgres::append_be(kRelation, &out);
  out.push_back(kind < 9 ? 'N' : 'K');
  append_tuple(row, kind == 9, &out);
  return out;
}

}  // namespace

Kernel pgoutput_kernel() {
  const auto sample = make_sample();
  auto messages = std::make_shared<std::vector<std::string>>();
  for (int i = 0; i < kChanges; ++i) {
    messages->push_back(message_of(i, sample->rows[static_cast<size_t>(i % kSampleRows)]));
  }
  return {"pgoutput_decode", kChanges, "change", true, [messages] {
            capture::pgoutput::Decoder decoder;
            for (const std::string& message : *messages) {
              if (must(decoder.decode(message)).xid) give_up("not in a stream");
            }
          }};
}

}  // namespace crossfade::bench

// Promise: any bytes are a message of pgoutput or an error; what a message says lies within them;
// and an error changes nothing for the message after it.
//
// Input: messages, each after a byte that says how long it is.
#include "capture/pgoutput.h"
#include "tests/fuzz/input.h"

using namespace crossfade;
using namespace crossfade::capture::pgoutput;

namespace {

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check(const Tuple& tuple, std::string_view message) {
  for (const Field& field : tuple) {
    fuzz::require(lies_in(field.bytes, message), "a field lies in its message");
    const bool has_bytes = field.kind == FieldKind::kText || field.kind == FieldKind::kBinary;
    fuzz::require(has_bytes || field.bytes.empty(), "NULL and what was not sent have no bytes");
  }
}

struct Check {
  std::string_view message;

  void operator()(const Insert& m) const { check(m.after, message); }
  void operator()(const Update& m) const {
    check(m.before, message);
    check(m.after, message);
    fuzz::require(m.old != Old::kNone || m.before.empty(), "no old row, no fields of it");
  }
  void operator()(const Delete& m) const {
    check(m.before, message);
    fuzz::require(m.old != Old::kNone, "a deleted row is told from others");
  }
  void operator()(const Relation& m) const {
    for (const RelationColumn& column : m.columns) {
      fuzz::require(lies_in(column.name, message), "a name lies in its message");
    }
  }
  template <typename T>
  void operator()(const T&) const {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  Decoder decoder;
  bool streaming = false;
  while (!input.done()) {
    const std::string_view message = input.take(input.byte());
    const auto decoded = decoder.decode(message);
    if (!decoded) continue;
    const Content& content = decoded.value().content;
    std::visit(Check{message}, content);
    const bool starts = std::holds_alternative<StreamStart>(content);
    const bool stops = std::holds_alternative<StreamStop>(content);
    fuzz::require(!(starts && streaming) && !(stops && !streaming), "streams do not nest");
    fuzz::require(streaming || !decoded.value().xid, "an xid comes in a stream only");
    if (starts || stops) streaming = starts;
  }
  return 0;
}

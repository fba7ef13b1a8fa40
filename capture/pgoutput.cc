#include "capture/pgoutput.h"

#include <fmt/format.h>

#include <utility>

namespace crossfade::capture::pgoutput {
namespace {

// Reads on from where it is. Once something was missing, all that is read is empty, and ok() false:
// so that each message is read straight through and judged once.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T number() {
    if (rest_.size() < sizeof(T)) return missing<T>();
    const T out = postgres::read_be<T>(rest_);
    rest_.remove_prefix(sizeof(T));
    return out;
  }
  char letter() { return static_cast<char>(number<uint8_t>()); }
  PgLsn lsn() { return PgLsn{number<uint64_t>()}; }
  std::string_view string() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return missing<std::string_view>();
    const std::string_view out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return out;
  }
  std::string_view bytes(int32_t count) {
    if (count < 0 || rest_.size() < static_cast<size_t>(count)) return missing<std::string_view>();
    const std::string_view out = rest_.substr(0, static_cast<size_t>(count));
    rest_.remove_prefix(out.size());
    return out;
  }
  // Of things that take at least `each` bytes: nobody may make us reserve more than was sent.
  size_t count(int64_t said, size_t each) {
    if (said < 0 || static_cast<uint64_t>(said) > rest_.size() / each) return missing<size_t>();
    return static_cast<size_t>(said);
  }
  void refuse() { missing<int>(); }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  template <typename T>
  T missing() {
    ok_ = false;
    rest_ = {};
    return T();
  }

  std::string_view rest_;
  bool ok_ = true;
};

Field field(Reader& in) {
  switch (in.letter()) {
    case 'n':
      return {FieldKind::kNull, {}};
    case 'u':
      return {FieldKind::kUnchanged, {}};
    case 't':
      return {FieldKind::kText, in.bytes(in.number<int32_t>())};
    case 'b':
      return {FieldKind::kBinary, in.bytes(in.number<int32_t>())};
    default:
      in.refuse();
      return {};
  }
}

Tuple tuple(Reader& in) {
  Tuple out(in.count(in.number<int16_t>(), 1));
  for (Field& each : out) each = field(in);
  return out;
}

Begin begin(Reader& in) {
  Begin out;
  out.commit = in.lsn();
  out.committed_at = in.number<int64_t>();
  out.xid = in.number<uint32_t>();
  return out;
}

Commit commit(Reader& in) {
  Commit out;
  in.number<uint8_t>();  // flags, none defined
  out.commit = in.lsn();
  out.end = in.lsn();
  out.committed_at = in.number<int64_t>();
  return out;
}

Origin origin(Reader& in) {
  Origin out;
  out.commit = in.lsn();
  out.name = in.string();
  return out;
}

Message message(Reader& in) {
  Message out;
  out.transactional = (in.number<uint8_t>() & 1U) != 0;
  out.at = in.lsn();
  out.prefix = in.string();
  out.content = in.bytes(in.number<int32_t>());
  return out;
}

Relation relation(Reader& in) {
  constexpr size_t kColumnBytesMin = 1 + 1 + 4 + 4;
  Relation out;
  out.id = in.number<uint32_t>();
  out.schema = in.string();
  out.name = in.string();
  out.replica_identity = in.letter();
  out.columns.resize(in.count(in.number<int16_t>(), kColumnBytesMin));
  for (RelationColumn& column : out.columns) {
    column.key = (in.number<uint8_t>() & 1U) != 0;
    column.name = in.string();
    column.type = in.number<uint32_t>();
    column.typmod = in.number<int32_t>();
  }
  return out;
}

Type type(Reader& in) {
  Type out;
  out.id = in.number<uint32_t>();
  out.schema = in.string();
  out.name = in.string();
  return out;
}

// The new row, after its 'N'.
Tuple new_tuple(Reader& in, char letter) {
  if (letter != 'N') in.refuse();
  return tuple(in);
}

Insert insert(Reader& in) {
  Insert out;
  out.relation = in.number<uint32_t>();
  out.after = new_tuple(in, in.letter());
  return out;
}

Old old_of(char letter) {
  if (letter == 'K') return Old::kKey;
  return letter == 'O' ? Old::kRow : Old::kNone;
}

Update update(Reader& in) {
  Update out;
  out.relation = in.number<uint32_t>();
  char letter = in.letter();
  out.old = old_of(letter);
  if (out.old != Old::kNone) {
    out.before = tuple(in);
    letter = in.letter();
  }
  out.after = new_tuple(in, letter);
  return out;
}

Delete deletion(Reader& in) {
  Delete out;
  out.relation = in.number<uint32_t>();
  out.old = old_of(in.letter());
  if (out.old == Old::kNone) in.refuse();
  out.before = tuple(in);
  return out;
}

Truncate truncate(Reader& in) {
  Truncate out;
  const auto said = in.number<int32_t>();
  const auto options = in.number<uint8_t>();
  out.cascade = (options & 1U) != 0;
  out.restart_identity = (options & 2U) != 0;
  out.relations.resize(in.count(said, sizeof(Oid)));
  for (Oid& each : out.relations) each = in.number<uint32_t>();
  return out;
}

StreamStart stream_start(Reader& in) {
  StreamStart out;
  out.xid = in.number<uint32_t>();
  out.first = in.number<uint8_t>() == 1;
  return out;
}

StreamCommit stream_commit(Reader& in) {
  StreamCommit out;
  out.xid = in.number<uint32_t>();
  in.number<uint8_t>();  // flags, none defined
  out.commit = in.lsn();
  out.end = in.lsn();
  out.committed_at = in.number<int64_t>();
  return out;
}

StreamAbort stream_abort(Reader& in) {
  StreamAbort out;
  out.xid = in.number<uint32_t>();
  out.subtransaction = in.number<uint32_t>();
  return out;
}

bool begins_with_xid(char letter) {
  return std::string_view("MRYIUDT").find(letter) != std::string_view::npos;
}

Content content(char letter, Reader& in) {
  switch (letter) {
    case 'B':
      return begin(in);
    case 'C':
      return commit(in);
    case 'O':
      return origin(in);
    case 'M':
      return message(in);
    case 'R':
      return relation(in);
    case 'Y':
      return type(in);
    case 'I':
      return insert(in);
    case 'U':
      return update(in);
    case 'D':
      return deletion(in);
    case 'T':
      return truncate(in);
    case 'S':
      return stream_start(in);
    case 'E':
      return StreamStop();
    case 'c':
      return stream_commit(in);
    case 'A':
      return stream_abort(in);
    default:
      in.refuse();
      return StreamStop();
  }
}

Error no_message(char letter, size_t size, bool streaming) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "pgoutput.decode";
  error.native = fmt::format("{} bytes that begin with 0x{:02x} are no message of pgoutput{}", size,
                             static_cast<unsigned char>(letter),
                             streaming ? " inside a streamed transaction" : "");
  error.hint = "nothing was applied from it. Report it with the server's version";
  return error;
}

}  // namespace

Result<Decoded> Decoder::decode(std::string_view bytes) {
  Reader in(bytes);
  const char letter = in.letter();
  Decoded out;
  if (streaming_ && begins_with_xid(letter)) out.xid = in.number<uint32_t>();
  out.content = content(letter, in);
  const bool starts = std::holds_alternative<StreamStart>(out.content);
  const bool stops = std::holds_alternative<StreamStop>(out.content);
  // Streams do not nest.
  if (!in.ok() || !in.done() || (starts && streaming_) || (stops && !streaming_)) {
    return fail(no_message(letter, bytes.size(), streaming_));
  }
  if (starts || stops) streaming_ = starts;
  return out;
}

}  // namespace crossfade::capture::pgoutput

// Decodes what PostgreSQL's output plugin pgoutput sends: one message's bytes in, what it says out.
//
// Source: postgresql.org/docs/15, protocol-logicalrep-message-formats, versions 1 and 2 (streamed
// transactions); those of two-phase commits are not asked for, and refused.
// A message borrows the bytes it was decoded from. Any bytes may be given: what is no message is an
// error, and nothing is read beyond them. Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/core/result.h"
#include "engine/postgres/binary.h"
#include "engine/postgres/pg_lsn.h"

namespace crossfade::capture::pgoutput {

using postgres::Oid;
using postgres::PgLsn;
using Xid = uint32_t;

// Microseconds since 2000-01-01T00:00:00Z, PostgreSQL's own count.
using PgTime = int64_t;

struct Begin {
  PgLsn commit;  // the commit record's
  PgTime committed_at = 0;
  Xid xid = 0;
};

struct Commit {
  PgLsn commit;
  PgLsn end;  // where the next transaction may begin: what is confirmed
  PgTime committed_at = 0;
};

// The transaction was applied by something that names its origin: not by an application.
struct Origin {
  PgLsn commit;  // on the origin
  std::string_view name;
};

// pg_logical_emit_message()
struct Message {
  bool transactional = false;
  PgLsn at;
  std::string_view prefix;
  std::string_view content;
};

struct RelationColumn {
  bool key = false;  // part of the replica identity
  std::string_view name;
  Oid type = 0;
  int32_t typmod = -1;
};

// Sent before the first change of a table, and again after its definition changed.
struct Relation {
  Oid id = 0;
  std::string_view schema;  // empty: pg_catalog
  std::string_view name;
  char replica_identity = 'd';  // pg_class.relreplident: d, n, f, i
  std::vector<RelationColumn> columns;
};

struct Type {
  Oid id = 0;
  std::string_view schema;
  std::string_view name;
};

enum class FieldKind : uint8_t {
  kNull,
  kUnchanged,  // a value out of line that the statement did not touch: not sent
  kText,
  kBinary,
};
struct Field {
  FieldKind kind = FieldKind::kNull;
  std::string_view bytes;
};
using Tuple = std::vector<Field>;

struct Insert {
  Oid relation = 0;
  Tuple after;
};

enum class Old : uint8_t {
  kNone,  // an update that left the replica identity alone
  kKey,   // the fields that are no key are NULL, whatever they were
  kRow,   // replica identity full
};

struct Update {
  Oid relation = 0;
  Old old = Old::kNone;
  Tuple before;
  Tuple after;
};

struct Delete {
  Oid relation = 0;
  Old old = Old::kKey;  // never kNone
  Tuple before;
};

struct Truncate {
  bool cascade = false;
  bool restart_identity = false;
  std::vector<Oid> relations;
};

// Between a StreamStart and its StreamStop are changes of a transaction that may yet be aborted.
struct StreamStart {
  Xid xid = 0;
  bool first = false;  // stretch of this transaction
};
struct StreamStop {};
struct StreamCommit {
  Xid xid = 0;
  PgLsn commit;
  PgLsn end;
  PgTime committed_at = 0;
};
struct StreamAbort {
  Xid xid = 0;
  Xid subtransaction = 0;  // equal to xid: all of it
};

using Content = std::variant<Begin, Commit, Origin, Message, Relation, Type, Insert, Update, Delete,
                             Truncate, StreamStart, StreamStop, StreamCommit, StreamAbort>;

struct Decoded {
  Content content;
  std::optional<Xid> xid;  // inside a stream: of the (sub)transaction that did it
};

class Decoder {
 public:
  Result<Decoded> decode(std::string_view message);
  // After a reconnect: nothing is streamed.
  void reset() { streaming_ = false; }

 private:
  bool streaming_ = false;  // decides whether messages begin with an xid
};

}  // namespace crossfade::capture::pgoutput

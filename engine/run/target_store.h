// What crossfade keeps on the target, in the schema `crossfade`: the lease, the progress, the plan
// and copy state of each table, the route, quarantine and conflicts.
//
// A phase is what these rows say, never a flag in memory: a restart reads the same rows.
// Threads: its connection's. Owns the connection.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/snapshot_reader.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/stop.h"
#include "engine/core/strong.h"
#include "engine/postgres/connection.h"
#include "engine/run/route_file.h"
#include "engine/schema/plan.h"

namespace crossfade::run {

struct EngineOptions;
class LockWait;

// What stood on the target before the move and was in its way (engine/run/put_aside.h).
struct Aside {
  int64_t id = 0;
  std::string table;     // the source's name of the adopted table
  std::string relation;  // where it belongs, quoted
  std::string name;
  std::string ddl;    // one statement or several
  std::string cause;  // why the target refused to have it back; empty: it was not tried
};

struct Removal {
  std::vector<std::string> removed;
  std::vector<Aside> not_put_back;
  std::vector<std::string> not_valid;  // statements that validate what is NOT VALID yet
  std::string fence_lifted_by;         // the statement, when the fence was kept; else empty
};

enum class TableState : uint8_t {
  kCopying,     // rows are being copied
  kCopied,      // all rows are there, no key yet
  kCatchingUp,  // keyed; changes since the start of the copy are replayed over it
  kLive,        // exactly the source's rows at applied_lsn; indexes and unique keys are built
};
[[nodiscard]] const char* to_string(TableState state);

struct TargetTable {
  std::shared_ptr<const Table> table;
  CaptureId capture_id;
  TableState state = TableState::kCopying;
  Lsn base_lsn;        // changes at or below it are in the copy
  Lsn consistent_lsn;  // from here on the rows are the source's
  apply::CopyPosition position;
  int64_t rows_copied = 0;
  int64_t rows_total = 0;  // an estimate from the plan
};

struct Progress {
  std::string source_id;
  std::string target_schema;
  std::string phase;
  Lsn applied_lsn;
  Lsn verified_lsn;
  int64_t schema_version = 0;  // the source's, when the tables were last reconciled with it
  Lsn digest_lsn;              // the log row whose digest is kept, to notice a restored source
  std::string digest;
};

struct Quarantined {
  std::string table;
  std::string key;
  std::string column;
  std::string reason;
};

class TargetStore {
 public:
  // Connects, as one that the fence of a rollback lets pass; does not create or change anything.
  static Result<TargetStore> open(postgres::ConnectOptions options);

  // Whether the schema `crossfade` is there.
  Result<bool> exists();
  // Creates it for this source if it is absent. When it belongs to another source: an error.
  Status ensure(const std::string& source_id, const EngineOptions& options);
  // Before either side is written to: the role may create what is needed, and no table of these
  // names is there but those that are adopted.
  Status check_room(const std::string& target_schema, const std::vector<schema::TablePlan>& plans);

  [[nodiscard]] Error of_another() const;
  // Takes the lease: no other engine can commit from then on. kFenced when a live one holds it.
  Result<LeaseToken> take_lease(const std::string& holder, StopSource& stop);
  // After a reconnect: the lock anew, if the token is still ours; else kFenced.
  Status resume_lease(LeaseToken token, StopSource& stop);
  // That the token is still ours; else kFenced.
  Status check_lease(LeaseToken token);

  Result<Progress> progress();
  Status set_phase(const std::string& phase);
  Status set_verified(Lsn verified);
  Status set_schema_version(int64_t version);
  Status set_digest(Lsn lsn, const std::string& digest);
  Result<std::vector<TargetTable>> tables();
  // Creates (or creates anew) the target tables and their rows here, and removes `dropped`, in one
  // transaction. A table that is there but not ours is an error, named. One that is adopted is
  // emptied instead of made anew, with what is in the way put aside (engine/run/put_aside.h); when
  // it goes on the source it stays here as it is. The stream goes on behind what none of the tables
  // needs. Returns what the target refused and the tables go
  // without.
  Result<std::vector<schema::Finding>> create_tables(const std::vector<TargetTable>& created,
                                                     const std::vector<TargetTable>& dropped,
                                                     const std::string& target_schema,
                                                     int64_t schema_version);
  Status set_state(const std::string& table, TableState state);

  Result<Route> route();
  // Changes primary and epoch if the lease is still ours and the epoch is the expected one, in a
  // transaction that it leaves open: the caller's COMMIT is the point of no return.
  Status begin_flip(LeaseToken token, Epoch expected, Primary primary);
  // The same inside the caller's transaction.
  Status flip_route(LeaseToken token, Epoch expected, Primary primary);

  Result<int64_t> quarantined();
  Result<std::vector<Quarantined>> quarantine_list(int64_t rows_max);
  // Table and column of rows that wait, each pair once; without those refused as a whole.
  Result<std::vector<std::pair<std::string, std::string>>> misfit_columns();
  Result<std::vector<std::string>> quarantined_tables();
  Result<int64_t> conflicts();
  Result<bool> has_pgvector();
  // The schema that pg_trgm is in; empty: the database has not got it.
  Result<std::string> trgm_schema();

  // Whether this role may set session_replication_role, so that foreign keys and triggers keep
  // still while changes are applied. Set on this connection when it may.
  [[nodiscard]] bool replica_role() const { return replica_role_; }

  // Removes the fence and the schema `crossfade`, once what was put aside is back. `keep` gets what
  // cannot come back, before the only other record of it goes. With `fence_for`, the SQLite file
  // that is the primary, a fence that is up stays.
  using KeepAside = std::function<Status(const std::vector<Aside>&)>;
  Result<Removal> remove(const KeepAside& keep, const std::string& fence_for = "");

  postgres::Connection& connection() { return connection_; }

 private:
  explicit TargetStore(postgres::Connection connection) : connection_(std::move(connection)) {}
  // Inside create_tables()'s transaction.
  Result<std::vector<schema::Finding>> replace_tables(const std::vector<TargetTable>& created,
                                                      const std::vector<TargetTable>& dropped,
                                                      const std::string& target_schema);
  Status remove_at_once(const LockWait& wait, const KeepAside& keep, const std::string& fence_for,
                        Removal* out);
  Status lock_lease(std::chrono::milliseconds patience, StopSource& stop);

  postgres::Connection connection_;
  bool replica_role_ = false;
};

}  // namespace crossfade::run

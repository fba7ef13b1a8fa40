// One comparison of all tables, chunk by chunk, and of what was changed meanwhile.
//
// No I/O: it is told what came out and says where it stands. Dirty keys are those touched since the
// round began; a cutover compares them again, inside the pause, at the final position.
// Threads: the engine's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/change.h"
#include "engine/core/target_change.h"
#include "engine/run/target_store.h"
#include "verify/chunk.h"

namespace crossfade::run {

struct VerifyReport {
  struct TableVerdict {
    std::string name;
    verify::ChunkVerdict verdict;
    // SHA-256 of all rows of either side, in hexadecimal, where it was asked for. Of the target's
    // nothing where they were too many to be put in order.
    std::string sha256_source;
    std::string sha256_target;
    bool by_key = true;  // the order of the rows in it; false: of canonical keys
    std::shared_ptr<const Table> table = nullptr;
  };
  std::vector<TableVerdict> tables;
  int64_t rows = 0;
  Lsn from;     // the position of the first chunk
  Lsn through;  // and of the last
  verify::DigestKind digest = verify::DigestKind::kXxh3;
  // Nothing was changed on the way from the first chunk to the last: digests are of one state.
  bool at_rest = false;
  std::vector<Quarantined> quarantined;  // the first of them
  int64_t set_aside = 0;                 // all of them: each is one difference at most

  [[nodiscard]] bool equal() const;
  // Rows differ that do not wait in quarantine.
  [[nodiscard]] bool has_unexplained() const;
};

[[nodiscard]] nlohmann::json to_json(const VerifyReport& report);
[[nodiscard]] std::string to_text(const VerifyReport& report);

class VerifyRound {
 public:
  explicit VerifyRound(const std::vector<std::shared_ptr<const Table>>& tables,
                       verify::DigestKind digest = verify::DigestKind::kXxh3);

  // What the table's next chunk is to be added to; nothing where no digests are asked for.
  [[nodiscard]] std::optional<verify::TableDigests> digests(const Table& table) const;
  [[nodiscard]] verify::DigestKind digest_kind() const { return report_.digest; }
  void add(const Table& table, bool last, const verify::ChunkVerdict& verdict, Lsn at,
           std::optional<verify::TableDigests> digests = std::nullopt);
  [[nodiscard]] bool done() const { return open_tables_ == 0; }
  [[nodiscard]] const VerifyReport& report() const { return report_; }

 private:
  VerifyReport report_;
  std::map<std::string, size_t> index_;
  std::map<std::string, verify::TableDigests> digests_;
  size_t open_tables_;
  bool begun_ = false;
};

// What `op` says that needs what DirtyKeys::take() did not have.
[[nodiscard]] Error too_many_changed(std::string op);

class DirtyKeys {
 public:
  void note(const ChangeBatch& batch);
  void note(const TargetChange& change);
  void clear();
  [[nodiscard]] size_t size() const { return size_; }
  // More keys than may be held: only a new round can tell.
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  struct OfTable {
    std::shared_ptr<const Table> table;
    std::vector<Row> keys;
  };
  // Takes all keys out. Nothing where there were more than may be held: which ones is not known any
  // more, and that nothing differs must not be said of them.
  [[nodiscard]] std::optional<std::vector<OfTable>> take();
  void put_back(std::vector<OfTable> taken);

 private:
  void note_key(const std::shared_ptr<const Table>& table, Row&& key);
  struct Entry {
    std::shared_ptr<const Table> table;
    std::unordered_map<std::string, Row> keys;
  };
  std::map<const Table*, Entry> tables_;
  size_t size_ = 0;
  bool overflowed_ = false;
};

}  // namespace crossfade::run

// Whether a source's pages are damaged, which is looked at once, before a move begins: later every
// command would wait until all of the file was read once more, a rollback among them. By then there
// is a verified backup, unless none was wanted, and whoever reads a damaged page says so: each
// comparison reads all moved rows, but neither secondary indexes nor tables that a rule leaves out.
//
// A small file is looked through when it is opened, before anything is written anywhere. A large
// one in WAL mode is while its rows are read for their types, before anything is written to it or
// to the target. With a rollback journal a large one is not: its application could not write
// meanwhile, and the read cannot be taken in parts. Its backup is looked through instead.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "engine/core/result.h"
#include "engine/run/source_file.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

// What quick_check finds wrong with the file itself; empty: nothing. Rows that break their own
// table's CHECK, NOT NULL or STRICT types are no damage.
Result<std::string> find_damage(sqlite::Connection& connection);

// The source is; with the remedy.
Error damaged_source(const std::string& path, std::string native);

// The look at a file that was just opened: an error if it is small, and damaged.
Status refuse_damaged(sqlite::Connection& connection);

// The look at a large file, over a connection of its own.
// Threads: one, made and waited for by whoever owns this; owns its connection.
class DamageCheck {
 public:
  // Null: the file is not to be looked through beside others, by what is said above.
  static Result<std::unique_ptr<DamageCheck>> begin(SourceFile& source);
  ~DamageCheck();  // ends it
  DamageCheck(const DamageCheck&) = delete;
  DamageCheck& operator=(const DamageCheck&) = delete;

  // Waits until all is read. An error: the file is damaged, or was not read.
  Status result();

 private:
  explicit DamageCheck(sqlite::Connection connection);

  sqlite::Connection connection_;
  Status result_ = ok();  // the thread's until it is joined
  std::thread thread_;
};

}  // namespace crossfade::run

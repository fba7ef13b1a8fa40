// The folder beside the database, `app.db.crossfade/`: route file, control socket, remembered
// target, audit log, embedded cluster. Made with mode 0711, so that an application of another user
// can read the route file; everything else in it is its owner's alone.
//
// Threads: any, for the paths. The lock is held as long as the object lives.
#pragma once

#include <string>

#include "engine/core/result.h"

namespace crossfade::run {

class StateFolder {
 public:
  // `database` is resolved to its real path first, so two names of one file meet in one folder.
  // Does not create anything; ensure() does.
  static Result<StateFolder> of(const std::string& database);
  StateFolder(StateFolder&& other) noexcept;
  StateFolder& operator=(StateFolder&&) = delete;
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;
  ~StateFolder();

  Status ensure() const;
  // One engine per source on this machine: kFenced (exit 7) when another process holds it. The
  // system lets go of the lock when the process ends, however it ends.
  Status lock();
  // Another process holds it: an engine works, starts or ends here.
  [[nodiscard]] bool locked_by_another() const;

  [[nodiscard]] const std::string& database() const { return database_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string route() const { return folder_ + "/route"; }
  [[nodiscard]] std::string control_socket() const { return folder_ + "/control.sock"; }
  [[nodiscard]] std::string audit() const { return audit_in(folder_); }
  [[nodiscard]] static std::string audit_in(const std::string& folder) {
    return folder + "/audit.jsonl";
  }
  [[nodiscard]] std::string backups() const { return folder_ + "/backups"; }
  [[nodiscard]] std::string cluster() const { return folder_ + "/postgresql"; }

  // The rules file of the last run, or empty.
  [[nodiscard]] std::string rules() const { return folder_ + "/rules.toml"; }
  [[nodiscard]] Result<std::string> remembered_rules() const;
  Status remember_rules(const std::string& text) const;

  // The watch after a cutover (engine/run/watch_record.h), or empty.
  [[nodiscard]] std::string watch() const { return folder_ + "/watch.json"; }
  [[nodiscard]] Result<std::string> remembered_watch() const;
  Status remember_watch(const std::string& text) const;
  Status forget_watch() const;

  // Statements that make what a move had put aside on the target and could not put back. Added to
  // what earlier moves left there.
  [[nodiscard]] std::string put_aside() const { return folder_ + "/put_aside.sql"; }
  Status keep_put_aside(const std::string& statements) const;

  // The target of the last run (a URL, perhaps with its password, in a file only the owner may
  // read), or empty.
  [[nodiscard]] Result<std::string> remembered_target() const;
  Status remember_target(const std::string& target) const;
  Status forget_target() const;

 private:
  StateFolder(std::string database, std::string folder);

  std::string database_;
  std::string folder_;
  int lock_fd_ = -1;
};

}  // namespace crossfade::run

#include "engine/schema/evidence_references.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "engine/schema/find_column.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// The columns that `key` refers to; empty when they do not exist.
std::vector<size_t> parent_columns(const Table& parent, const ForeignKey& key) {
  std::vector<size_t> out;
  for (const std::string& name : key.parent_columns) {
    const auto column = find_column(parent, name);
    if (!column) return {};
    out.push_back(*column);
  }
  if (!out.empty()) return out;
  if (parent.identity != Identity::kSurrogate) return parent.key;
  for (const Index& index : parent.indexes) {
    if (!index.primary) continue;
    for (const Index::Part& part : index.parts) out.push_back(part.column);
  }
  return out;
}

class Joiner {
 public:
  Joiner(const std::set<std::pair<std::string, std::string>>& plain,
         std::vector<TableDraft>* drafts)
      : plain_(plain), drafts_(*drafts) {}

  void run() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (TableDraft& child : drafts_) {
        for (const ForeignKey& key : child.table.foreign_keys) changed |= join(&child, key);
      }
    }
  }

 private:
  bool join(TableDraft* child, const ForeignKey& key) {
    const auto parent = std::find_if(drafts_.begin(), drafts_.end(), [&](const TableDraft& each) {
      return same_name(each.table.name, key.parent_table);
    });
    if (parent == drafts_.end()) return false;
    const std::vector<size_t> to = parent_columns(parent->table, key);
    if (to.size() != key.columns.size()) return false;
    bool changed = false;
    for (size_t i = 0; i < to.size(); ++i) {
      const auto from = find_column(child->table, key.columns[i]);
      if (from) changed |= join(child, *from, &*parent, to[i]);
    }
    return changed;
  }

  bool join(TableDraft* child, size_t from, TableDraft* parent, size_t to) {
    const ColumnType& a = child->table.columns[from].type;
    const ColumnType& b = parent->table.columns[to].type;
    if (a == b || (!has_form(a) && !has_form(b))) return false;
    if (take(child, from, *parent, to) || take(parent, to, *child, from)) return true;
    const bool child_changed = make_plain(child, from, *parent, to);
    return make_plain(parent, to, *child, from) || child_changed;
  }

  // A column without values follows the other end, whatever it is declared, if values stand behind
  // that one's form; once, for it may have another end to follow.
  bool take(TableDraft* draft, size_t column, const TableDraft& other, size_t there) {
    Column& mine = draft->table.columns[column];
    const Column& theirs = other.table.columns[there];
    const bool proven =
        has_values(other.evidence.columns[there].storage) || followed_.contains(&theirs);
    if (has_values(draft->evidence.columns[column].storage) || followed_.contains(&mine) ||
        is_rowid_key(draft->table, column) || !has_form(theirs.type) || !proven ||
        mine.collation != "BINARY" || settled_.contains(&mine) ||
        plain_.contains({draft->table.name, mine.name})) {
      return false;
    }
    followed_.insert(&mine);
    mine.type = theirs.type;
    mine.reason = fmt::format("no values are stored, and its foreign key connects it with {}.{}",
                              printable(other.table.name), printable(theirs.name));
    return true;
  }

  bool make_plain(TableDraft* draft, size_t column, const TableDraft& other, size_t there) {
    Column& mine = draft->table.columns[column];
    settled_.insert(&mine);
    if (!has_form(mine.type)) return false;
    TypeChoice plain = choose_plain_type(mine, draft->evidence.columns[column],
                                         is_rowid_key(draft->table, column));
    mine.type = plain.type;
    mine.reason = fmt::format("{}, and a foreign key connects it with {}.{}, which is different",
                              plain.reason, printable(other.table.name),
                              printable(other.table.columns[there].name));
    return true;
  }

  const std::set<std::pair<std::string, std::string>>& plain_;
  std::vector<TableDraft>& drafts_;
  std::set<const Column*> followed_;  // have another end's form
  std::set<const Column*> settled_;   // made plain: final, so that run() ends
};

// A rowid is bigint whatever refers to it.
bool refers_to_rowid(const Table& parent, const ForeignKey& key) {
  if (parent.identity != Identity::kRowidAlias) return false;
  const std::vector<size_t> to = parent_columns(parent, key);
  return to.size() == 1 && to.front() == parent.key.front();
}

}  // namespace

void join_references(const std::set<std::pair<std::string, std::string>>& plain,
                     std::vector<TableDraft>* drafts) {
  Joiner(plain, drafts).run();
}

std::vector<const Table*> connected_tables(const Catalog& catalog, const Table& table) {
  std::vector<const Table*> out{&table};
  const auto add = [&out](const Table& each) {
    if (std::find(out.begin(), out.end(), &each) == out.end()) out.push_back(&each);
  };
  for (size_t i = 0; i < out.size(); ++i) {
    for (const Table& child : catalog.tables) {
      for (const ForeignKey& key : child.foreign_keys) {
        const auto parent = std::find_if(
            catalog.tables.begin(), catalog.tables.end(),
            [&key](const Table& each) { return same_name(each.name, key.parent_table); });
        if (parent == catalog.tables.end()) continue;
        const bool rowid = refers_to_rowid(*parent, key);
        if (&child == out[i] && (!rowid || i == 0)) add(*parent);
        if (&*parent == out[i] && !rowid) add(child);
      }
    }
  }
  return out;
}

}  // namespace crossfade::schema

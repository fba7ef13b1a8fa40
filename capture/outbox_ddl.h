// The DDL of the outbox: the tables in the schema `crossfade`, the functions that fill them, and
// the triggers of a table (docs/decisions/0010). No I/O.
//
// The functions run as their owner, with a search_path of their own, and nobody else may make
// triggers of them: whoever may write to a moved table writes to the outbox by that, and not
// otherwise. They must not fail, since the application's statement would fail with them.
#pragma once

#include <string>

namespace crossfade::capture {

inline constexpr const char* kOutboxTrigger = "_crossfade_outbox";  // what their names begin with

// Tables and functions.
[[nodiscard]] std::string outbox_ddl();
// From then on the triggers do nothing; waits for nobody's lock on a table.
[[nodiscard]] std::string outbox_off_ddl();
// What outbox_ddl() made, once no trigger is left.
[[nodiscard]] std::string drop_outbox_ddl();

// `table`: its quoted name. `by_row`: the statements that write to it need not name it (it is a
// partition, takes part in an inheritance, or a subscription writes to it).
[[nodiscard]] std::string outbox_triggers_ddl(const std::string& table, bool by_row);
// Of crossfade.route and crossfade.probe, which are written to row by row.
[[nodiscard]] std::string own_outbox_trigger_ddl(const std::string& table);

}  // namespace crossfade::capture

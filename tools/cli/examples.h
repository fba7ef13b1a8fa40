// What `--help` shows last: of the program, and of each verb.
#pragma once

namespace crossfade::cli {

inline constexpr const char* kFooter = R"(
Examples:
  crossfade inspect app.db --html report.html
  crossfade run app.db --target postgresql://app@db.example/app --until verified
  crossfade run app.db            (goes on, and follows live changes until told to stop)
  crossfade status app.db --json
  crossfade cutover app.db --dry-run
  crossfade cutover app.db --max-pause 2000
  crossfade rollback app.db

Exit codes: 0 ok, 1 internal error, 2 usage, 3 blocked by findings, 4 verification found a
difference, 5 source error, 6 target error, 7 another engine owns this source, 8 cutover or
rollback stepped back (the old side is still primary, nothing lost; also a cutover that was rolled back
within its --watch), 9 stopped by a signal before the goal.
Settings also come from CROSSFADE_* and DATABASE_URL in the environment and from crossfade.toml.)";

struct VerbExamples {
  const char* verb;
  const char* examples;
};
inline constexpr VerbExamples kExamples[] = {
    {"inspect",
     "  crossfade inspect app.db\n"
     "  crossfade inspect app.db --target postgresql://app@db.example/app --html report.html"},
    {"run",
     "  crossfade run app.db --target postgresql://app@db.example/app --until verified\n"
     "  crossfade run app.db            (goes on, and follows until SIGTERM or Ctrl-C)\n"
     "  crossfade run app.db --mode dual --rules rules.toml     (both sides are written to)"},
    {"status", "  crossfade status app.db\n  crossfade status app.db --json | jq .lag_ms"},
    {"verify",
     "  crossfade verify app.db         (exit 4: a difference, named by table and key)\n"
     "  crossfade verify app.db --report proof.json --sign-key key.pem     (SHA-256, signed)"},
    {"cutover",
     "  crossfade cutover app.db --dry-run\n"
     "  crossfade cutover app.db --max-pause 2000\n"
     "  crossfade cutover app.db --no-rollback          (where there can be no way back)\n"
     "  crossfade cutover app.db --watch 10m --rollback-if 'curl -fsS http://localhost/health'\n"
     "                                  (stays for 10 minutes; exit 8 when it was rolled back)"},
    {"rollback",
     "  crossfade rollback app.db --dry-run\n"
     "  crossfade rollback app.db --max-pause 2000\n"
     "  crossfade rollback app.db --target-lost         (PostgreSQL does not come back)"},
    {"quarantine",
     "  crossfade quarantine list app.db\n"
     "  crossfade quarantine show app.db 17\n"
     "  crossfade quarantine accept app.db --table person --all"},
    {"conflicts",
     "  crossfade conflicts list app.db\n"
     "  crossfade conflicts show app.db 17\n"
     "  crossfade conflicts resolve app.db 17 --take source\n"
     "  crossfade conflicts resolve app.db 17 --row '{\"balance\": 120}'"},
    {"undo",
     "  crossfade status app.db --json | jq .captured_lsn   (before what may go wrong: say, "
     "48210)\n"
     "  crossfade undo app.db --to 48210 --dry-run\n"
     "  crossfade undo app.db --to 48210"},
    {"audit",
     "  crossfade audit verify app.db           (exit 4: an entry was changed, removed or moved)\n"
     "  crossfade audit show app.db --since 2026-11-01\n"
     "  crossfade audit export app.db --format csv > trail.csv"},
    {"backup",
     "  crossfade backup create app.db\n"
     "  crossfade backup create app.db --side postgres\n"
     "  crossfade backup list app.db\n"
     "  crossfade backup restore app.db 20261122T101500Z-sqlite --to /tmp/restored.db"},
    {"grants",
     "  crossfade grants app.db --target postgresql://mover@db.example/app | psql -d app"},
    {"ddl", "  crossfade ddl app.db \"ALTER TABLE person DROP COLUMN fax\""},
    {"finish",
     "  crossfade finish app.db\n"
     "  crossfade finish app.db --keep-fence   (the side that was left goes on refusing writes)"},
    {"route",
     "  crossfade route app.db --json\n"
     "  crossfade route app.db --wait --timeout 600   (exit 9 when the time is over)"},
};

}  // namespace crossfade::cli

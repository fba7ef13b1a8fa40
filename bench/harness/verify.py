"""An exact comparison of both sides, against reading one of them, and against md5 sums in SQL."""
from harness import measured
from harness.report import Measurement

DATABASE = "verify"


def measure(context):
    shape = context.shape()
    rows = context.rows(shape)
    path = context.source(shape, rows)
    out = Measurement(shape=context.arguments.shape, rows=rows)
    with context.cluster() as cluster:
        context.note(cluster)
        url = cluster.fresh(DATABASE)
        context.run("run", path, "--target", url, "--until", "verified")
        psql = [cluster.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-o",
                "/dev/null", "-c"]
        reads = {
            "COPY TO, binary": "COPY %s TO STDOUT (FORMAT binary)",
            "COPY TO, text": "COPY %s TO STDOUT",
            "md5 of each row in SQL, PostgreSQL alone":
                "SELECT count(*), sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint) FROM %s t",
        }
        for run in range(context.runs):
            context.say("run %d of %d" % (run + 1, context.runs))
            spent, report = context.run("verify", path)
            if report.get("verdict") != "equal" or report.get("rows") != rows:
                raise SystemExit("bench: not verified: %r" % report)
            out.add("crossfade verify", **spent.numbers(rows_per_s=round(rows / spent.seconds)))
            for name, sql in reads.items():
                spent = measured.run(psql + [sql % shape.table])
                out.add(name, **spent.numbers(rows_per_s=round(rows / spent.seconds)))
            spent = measured.run(["sqlite3", path, ".sha3sum " + shape.table])
            out.add("sha3 in the sqlite3 shell, SQLite alone",
                    **spent.numbers(rows_per_s=round(rows / spent.seconds)))
        context.finish(path)
    ours = ("crossfade verify", "rows_per_s")
    out.ratio("to_copy", "rows/s to COPY TO, binary", ours, ("COPY TO, binary", "rows_per_s"),
              "higher", 0.5)
    out.ratio("to_md5", "rows/s to md5 in SQL of one side alone", ours,
              ("md5 of each row in SQL, PostgreSQL alone", "rows_per_s"), "higher")
    return out

"""Private PostgreSQL clusters with the settings that a user's server has."""
import glob
import os
import pwd
import shutil
import subprocess

SUPERUSER = "bench"
# Durable, otherwise the server's defaults: no setting is there to make a measurement look better.
SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_level": "logical",
    "max_connections": "50", "listen_addresses": "''", "port": "5432", "log_checkpoints": "off",
}


def binaries():
    """The folder that CROSSFADE_PG_BIN names, or else of the newest server that is installed."""
    if os.environ.get("CROSSFADE_PG_BIN"):
        return os.environ["CROSSFADE_PG_BIN"]
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda f: int(f.split("/")[-2]))
    if found:
        return found[-1]
    path = shutil.which("initdb")
    if path is None:
        raise SystemExit("bench: no PostgreSQL server is installed (tools/setup installs one)")
    return os.path.dirname(path)


def server_user():
    """The keywords for subprocess: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Session:
    """One psql that stays: for asking often what starting psql each time would drown."""

    def __init__(self, url, binary):
        self.child = subprocess.Popen(
            [binary, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, sql):
        """The first line of the answer to one statement that answers with one row."""
        self.child.stdin.write(sql + ";\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit("bench: psql ended at: " + sql)
        return line.rstrip("\n")

    def close(self):
        self.child.stdin.close()
        self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Cluster:
    """In `folder`, which its server's user must be able to enter. Stopped at the end of `with`."""

    def __init__(self, folder):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.bin = binaries()
        self.user = server_user()
        self.psql = os.path.join(self.bin, "psql")

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        if self.user:
            os.chown(self.folder, self.user["user"], self.user["group"])
        self._server([os.path.join(self.bin, "initdb"), "-D", self.data, "-A", "trust",
                      "-U", SUPERUSER, "-E", "UTF8", "--locale=C"])
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as conf:
            for name, value in SETTINGS.items():
                conf.write("%s = %s\n" % (name, value))
            conf.write("unix_socket_directories = '%s'\n" % self.folder)
        self._server([os.path.join(self.bin, "pg_ctl"), "-D", self.data, "-w", "-s",
                      "-l", os.path.join(self.folder, "server.log"), "start"])
        return self

    def __exit__(self, *_):
        self._server([os.path.join(self.bin, "pg_ctl"), "-D", self.data, "-w", "-s",
                      "-m", "immediate", "stop"])
        shutil.rmtree(self.folder, ignore_errors=True)

    def _server(self, command):
        # Not into a pipe: the server would keep it open.
        with open(os.path.join(self.folder, "commands.log"), "ab") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  cwd=self.folder, **self.user)
        if done.returncode != 0:
            with open(log.name, encoding="utf-8", errors="replace") as file:
                raise SystemExit("bench: %s failed:\n%s" % (command[0], file.read()[-2000:]))

    def url(self, database):
        return "postgresql://%s@/%s?host=%s&port=5432" % (SUPERUSER, database, self.folder)

    def ask(self, database, sql):
        done = subprocess.run([self.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-d", self.url(database), "-c", sql],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit("bench: %s\n%s" % (sql, done.stderr))
        return done.stdout.strip()

    def fresh(self, database):
        """The URL of a new, empty database of that name; the dirty pages of others are on disk."""
        self.ask("postgres", 'DROP DATABASE IF EXISTS "%s" WITH (FORCE)' % database)
        self.ask("postgres", 'CREATE DATABASE "%s"' % database)
        self.ask("postgres", "CHECKPOINT")
        return self.url(database)

    def session(self, database):
        return Session(self.url(database), self.psql)

    def version(self):
        return self.ask("postgres", "SHOW server_version")

    def settings(self):
        names = [n for n in SETTINGS if n not in ("listen_addresses", "port", "log_checkpoints")]
        names += ["shared_buffers", "max_wal_size", "maintenance_work_mem"]
        return {n: self.ask("postgres", "SHOW " + n) for n in names}

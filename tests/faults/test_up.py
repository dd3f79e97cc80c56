"""What `make up` promises however it is treated, tried with stub programs on real servers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from tests.support import servers
from tests.support.namespaces import in_namespace
from tests.support.stack import free_port
from tests.support.upping import ROOT, STUBS, Up, wait_for

pytestmark = pytest.mark.faults


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def connect(up: Up) -> psycopg.Connection[tuple[object, ...]]:
    url = up.noted("web")["environment"]["DATABASE_URL"]
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def fails_with_a_sentence(up: Up, *words: str) -> None:
    assert up.ends() == 1, up.output()
    told = up.output()
    assert "Traceback" not in told, told
    for word in words:
        assert word in told
    up.leaves_nothing()


def test_one_address_then_ctrl_c_stops_all_in_seconds(data: Path) -> None:
    with Up(data).until_ready() as up:
        assert up.output().count(f"ready: http://127.0.0.1:{up.port}\n") == 1
        assert f"http://127.0.0.1:{up.port}/setup/once" in up.output()
        with connect(up) as connection:
            assert connection.execute("select current_user, current_setting('is_superuser')").fetchone() == (
                "accord",
                "off",
            )
            assert connection.execute("select rolcreaterole, rolcreatedb from pg_roles where rolname = current_user")
        asked_at = time.monotonic()
        up.signal(signal.SIGINT)
        assert up.ends() == 0
        assert time.monotonic() - asked_at < 6
        up.leaves_nothing(1)
        stopping = up.output().index("Stopping")
        assert "Traceback" not in up.output()[stopping:]


def test_each_start_keeps_data_and_secret(data: Path) -> None:
    secrets = []
    for _ in range(2):
        with Up(data).until_ready() as up:
            secrets.append(up.noted("web")["environment"]["ACCORD_SECRET_KEY"])
            with connect(up) as connection:
                connection.execute("create table if not exists kept (at timestamptz default now())")
                connection.execute("insert into kept default values")
                kept = connection.execute("select count(*) from kept").fetchone()
    assert kept == (2,)
    assert secrets[0] == secrets[1]
    assert len(secrets[0]) >= 32
    assert (data / "secret-key").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700


def test_a_second_ctrl_c_hastens(data: Path) -> None:
    with Up(data, STUB_WORKER="stubborn").until_ready() as up:
        up.signal(signal.SIGINT)
        wait_for(lambda: "Stopping" in up.output(), "the first signal", up.output)
        asked_at = time.monotonic()
        up.signal(signal.SIGINT)
        assert up.ends() == 0
        assert time.monotonic() - asked_at < 4
        up.leaves_nothing(1)


def test_a_signal_while_the_servers_start_stops_too(data: Path) -> None:
    with Up(data) as up:
        wait_for((data / "postgres-unfinished").exists, "initdb", up.output)
        up.signal(signal.SIGTERM)
        assert up.ends() == 0
        up.leaves_nothing(5)
    with Up(data).until_ready():
        assert not (data / "postgres-unfinished").exists()


def test_sigkill_of_the_supervisor_leaves_nothing_and_the_next_start_recovers(data: Path) -> None:
    with Up(data, STUB_WORKER="stubborn").until_ready() as up:
        with connect(up) as connection:
            connection.execute("create table kept as select 1 as one")
        assert len(up.processes()) > 8
        up.signal(signal.SIGKILL)
        up.ends()
        up.leaves_nothing()
    with Up(data).until_ready() as up, connect(up) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


def test_sigkill_of_supervisor_and_postgres_at_once_is_recovered(data: Path) -> None:
    with Up(data).until_ready() as up:
        with connect(up) as connection:
            connection.execute("create table kept as select 1 as one")
        os.kill(up.process.pid, signal.SIGSTOP)  # it must not get to restart what dies
        os.kill(up.pid_of("postgres"), signal.SIGKILL)
        up.signal(signal.SIGKILL)
        up.ends()
        up.leaves_nothing()
    pidfile = data / "postgres" / "postmaster.pid"
    assert pidfile.exists()
    # The worst that can be left: the dead server's number is another program's by now.
    pidfile.write_text("\n".join([str(os.getpid()), *pidfile.read_text().splitlines()[1:]]) + "\n")
    with Up(data).until_ready() as up, connect(up) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


def test_sigkill_of_make_leaves_nothing(data: Path) -> None:
    port = free_port()
    make = ["make", "--no-print-directory", "-o", "install-up", "up", f"RUN={' '.join(STUBS)}"]
    with Up(data, port=port, command=[*make, f"PORT={port}", f"DATA={data}"]).until_ready() as up:
        up.signal(signal.SIGKILL)
        up.ends()
        up.leaves_nothing()
        wait_for(lambda: "Accord has stopped" in up.output(), "an orderly end", up.output)


@pytest.mark.parametrize("name", ["web", "worker", "trainer", "beat", "postgres", "valkey"])
def test_what_dies_alone_is_started_again(data: Path, name: str) -> None:
    with Up(data).until_ready() as up:
        before = {each: up.pid_of(each) for each in ("web", "worker", "trainer", "beat", "postgres", "valkey")}
        os.kill(before[name], signal.SIGKILL)
        wait_for(lambda: f"{name} had ended and was started again" in up.output(), "the restart", up.output)
        wait_for(lambda: (data / "logs").exists() and pid_changed(up, name, before[name]), "a new process", up.output)
        after = {each: up.pid_of(each) for each in before}
        assert {each for each in before if before[each] != after[each]} == {name}
        if name == "postgres":
            with connect(up) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
        up.signal(signal.SIGINT)
        assert up.ends() == 0
        up.leaves_nothing(1)


def pid_changed(up: Up, name: str, before: int) -> bool:
    try:
        return up.pid_of(name) != before
    except (OSError, IndexError, ValueError):
        return False


def test_what_cannot_live_stops_everything_with_its_last_words(data: Path) -> None:
    with Up(data, STUB_WEB="dies") as up:
        fails_with_a_sentence(up, "web ended", "nothing to live for", str(data / "logs" / "web.log"))


def test_a_failed_migration_stops_everything_with_the_reason(data: Path) -> None:
    with Up(data, STUB_MIGRATE="fails") as up:
        fails_with_a_sentence(up, "could not be brought to this version", "column x is missing")
        assert not (data / "web.json").exists()


def test_port_taken(data: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with Up(data, port=port) as up:
            fails_with_a_sentence(up, f"Port {port}", "in use", "make up PORT=")
    assert not (data / "postgres").exists()


def test_no_port_at_all(data: Path) -> None:
    with Up(data, port=70000) as up:
        fails_with_a_sentence(up, "70000 is no port")


def test_a_second_up_on_the_same_folder_is_refused_and_the_first_lives_on(data: Path) -> None:
    with Up(data).until_ready() as first:
        with Up(data, shares_folder=True) as second:
            fails_with_a_sentence(second, "already running", str(first.process.pid))
        with connect(first) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_a_file_in_the_place_of_the_folder(data: Path) -> None:
    data.write_text("not a folder")
    with Up(data) as up:
        fails_with_a_sentence(up, "is a file")
    assert data.read_text() == "not a folder"


def test_a_folder_that_cannot_be_made() -> None:
    command = [*STUBS, "up", "--port", str(free_port()), "--data", "/proc/accord/data"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "The data folder /proc/accord/data cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_garbage_in_the_place_of_the_database(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "thesis.txt").write_text("years of work")
    with Up(data) as up:
        fails_with_a_sentence(up, "no database that Accord can read", "Nothing there was changed")
    assert (data / "postgres" / "thesis.txt").read_text() == "years of work"
    assert len(list((data / "postgres").iterdir())) == 1


def test_a_database_of_another_major_version_or_with_a_broken_heart(data: Path) -> None:
    with Up(data).until_ready():
        pass
    version, control = data / "postgres" / "PG_VERSION", data / "postgres" / "global" / "pg_control"
    right, whole = version.read_text(), control.read_bytes()
    version.write_text("13\n")
    with Up(data) as up:
        fails_with_a_sentence(up, "made by PostgreSQL 13", "DATABASE_URL")
    version.write_text(right)
    control.write_bytes(whole[:100])
    with Up(data) as up:
        fails_with_a_sentence(up, "did not start", "pg_control", "Nothing there was changed")
    control.write_bytes(whole)
    with Up(data).until_ready() as up, connect(up) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_set_up_that_was_killed_half_way_is_made_anew(data: Path) -> None:
    (data / "postgres-unfinished" / "base").mkdir(parents=True)
    (data / "postgres-unfinished" / "PG_VERSION").write_text("18\n")
    (data / "secret-key.unfinished").write_text("ha")
    with Up(data).until_ready() as up, connect(up) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_path_too_long_for_sockets(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30) / "data"
    data.parent.mkdir()
    with Up(data).until_ready() as up:
        with connect(up) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        sockets = Path(up.noted("web")["environment"]["REDIS_URL"].removeprefix("redis+socket://").partition("?")[0])
        assert sockets.parent.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(sockets.parent)


def test_given_servers_are_used_and_none_is_started(data: Path) -> None:
    given = {
        "DATABASE_URL": servers.create_empty_database(f"given_{os.getpid()}"),
        "REDIS_URL": servers.running().redis_url,
    }
    with Up(data, **given).until_ready() as up:
        for name in ("migrate", "web", "worker", "trainer", "beat"):
            environment = up.noted(name)["environment"]
            assert {key: environment[key] for key in given} == given
        assert not (data / "postgres").exists()
        assert not (data / "valkey").exists()
        up.signal(signal.SIGTERM)
        assert up.ends() == 0
        up.leaves_nothing(1)
    servers.drop_database(given["DATABASE_URL"])


@pytest.mark.parametrize(
    ("megabytes", "least", "words"),
    [(100, "m.LEAST_FREE_BYTES", ["MB left", "make up DATA="]), (20, "0", ["is full", "nothing was lost"])],
    ids=["seen before the start", "seen while initdb writes"],
)
def test_disk_full(tmp_path: Path, megabytes: int, least: str, words: list[str]) -> None:
    disk, port = tmp_path / "disk", free_port()
    disk.mkdir()
    python = (
        f"import sys, app.supervisor.machine as m; m.LEAST_FREE_BYTES = {least}; "
        "from tests.support.stubs import main; sys.exit(main(sys.argv[1:]))"
    )
    mount = f"mount -t tmpfs -o size={megabytes}m none {disk}"
    script = f'{mount} && exec {sys.executable} -c "{python}" up --port {port} --data {disk}/data'
    with Up(disk / "data", port=port, command=["unshare", "--mount", *map_root(), "sh", "-c", script]) as up:
        fails_with_a_sentence(up, *words)


def map_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["--map-root-user"]


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user needs no namespace: the question is root's alone")
class TestWithoutUserNamespaces:
    def test_postgres_runs_as_nobody_where_root_may_change_users(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            data, port = Path(parent) / "data", free_port()
            data.parent.chmod(0o755)
            command = in_namespace(users=65536, command=[*STUBS, "up", "--port", str(port), "--data", str(data)])
            with Up(data, port=port, command=command).until_ready() as up:
                owner = (data / "postgres").stat().st_uid
                assert owner != 0
                assert Path(f"/proc/{up.pid_of('postgres')}").stat().st_uid == owner
                up.signal(signal.SIGINT)
                assert up.ends() == 0
                up.leaves_nothing(1)
            # The same folder where namespaces are allowed: the files become root's own again.
            with Up(data).until_ready() as up, connect(up) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
                assert (data / "postgres").stat().st_uid == 0

    def test_a_folder_that_nobody_may_enter_says_where_its_database_is(self, data: Path) -> None:
        port = free_port()
        command = in_namespace(users=65536, command=[*STUBS, "up", "--port", str(port), "--data", str(data)])
        home = None
        try:
            with Up(data, port=port, command=command).until_ready() as up:
                home = Path((data / "where-the-database-is.txt").read_text().splitlines()[0])
                with connect(up) as connection:
                    connection.execute("create table kept as select 1 as one")
            assert (home / "postgres" / "PG_VERSION").exists()
            with Up(data).until_ready() as up, connect(up) as connection:
                assert connection.execute("select one from kept").fetchone() == (1,)
            moved = data.rename(data.with_name("moved"))
            with Up(moved) as up:
                fails_with_a_sentence(up, "made for another path")
        finally:
            if home is not None:
                shutil.rmtree(home)

    def test_a_sentence_where_root_may_not(self, data: Path) -> None:
        command = in_namespace(users=1, command=[*STUBS, "up", "--port", str(free_port()), "--data", str(data)])
        with Up(data, command=command) as up:
            fails_with_a_sentence(up, "cannot run as root", "DATABASE_URL")

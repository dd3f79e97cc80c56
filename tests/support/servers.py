"""The test database server: a template migrated once, cloned for each worker."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent.parent


def _superuser() -> sa.URL:
    return sa.make_url(os.environ["TEST_DATABASE_URL"])


def _run(*statements: str) -> None:
    engine = sa.create_engine(_superuser(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def _template() -> str:
    revisions = sorted(path.read_bytes() for path in (ROOT / "migrations" / "versions").glob("*.py"))
    import hashlib

    name = "accord_template_" + hashlib.sha256(b"".join(revisions)).hexdigest()[:12]
    with (Path(tempfile.gettempdir()) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine = sa.create_engine(_superuser(), poolclass=sa.NullPool)
        with engine.connect() as connection:
            exists = connection.scalar(sa.text("select 1 from pg_database where datname = :n"), {"n": name})
        engine.dispose()
        if not exists:
            _run(f"create database {name}_new owner accord")
            url = _superuser().set(username="accord", database=f"{name}_new")
            env = {**os.environ, "DATABASE_URL": url.render_as_string(hide_password=False)}
            subprocess.run([sys.executable, "-m", "app", "migrate"], cwd=ROOT, env=env, check=True)
            _run(f"alter database {name}_new rename to {name}")
    return name


def create_database(name: str) -> str:
    _run(f"drop database if exists {name} with (force)", f"create database {name} template {_template()} owner accord")
    return _superuser().set(username="accord", database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    _run(f"drop database if exists {sa.make_url(url).database} with (force)")

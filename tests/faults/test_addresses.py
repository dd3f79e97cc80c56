"""Commands beside a running `up` find its servers, and only while it runs."""

import stat

from app.embedded import claim
from app.supervisor.addresses import FILE, adopt, published

ADDRESSES = {
    "DATABASE_URL": "postgresql+psycopg://accord@/accord?host=/somewhere",
    "REDIS_URL": "redis://x",
    "HOME": "/h",
}


def test_addresses_are_found_while_it_runs_and_gone_afterwards(tmp_path):
    environment: dict[str, str] = {}
    with claim(tmp_path / "data") as folder:
        with published(folder, ADDRESSES):
            assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
            assert adopt(folder, environment)
        assert environment == {"DATABASE_URL": ADDRESSES["DATABASE_URL"], "REDIS_URL": "redis://x"}
        assert not (folder / FILE).exists()


def test_what_a_killed_run_left_behind_is_not_believed(tmp_path):
    environment: dict[str, str] = {}
    with claim(tmp_path / "data") as folder, published(folder, ADDRESSES):
        left = (folder / FILE).read_text()
    (folder / FILE).write_text(left)
    assert not adopt(folder, environment)
    assert environment == {}


def test_a_database_that_is_named_is_never_replaced(tmp_path):
    environment = {"DATABASE_URL": "postgresql://mine"}
    with claim(tmp_path / "data") as folder, published(folder, ADDRESSES):
        assert not adopt(folder, environment)
    assert environment == {"DATABASE_URL": "postgresql://mine"}


def test_no_folder_is_no_server(tmp_path):
    assert not adopt(tmp_path / "absent", {})

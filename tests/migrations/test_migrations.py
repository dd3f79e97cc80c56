"""The models and what the migrations built are the same, and migrating twice is harmless."""

from alembic import command
from alembic.config import Config

from app import schema_version
from tests.support.servers import ROOT


def config(url):
    found = Config(ROOT / "alembic.ini")
    found.set_main_option("script_location", str(ROOT / "migrations"))
    found.attributes["url"] = url
    return found


def test_models_and_migrations_agree(database_url):
    command.check(config(database_url))


def test_migrating_again_changes_nothing(database_url):
    command.upgrade(config(database_url), "head")


def test_there_is_one_head_and_the_short_way_finds_it():
    from alembic.script import ScriptDirectory

    heads = ScriptDirectory.from_config(config("")).get_heads()

    assert len(heads) == 1
    assert schema_version.newest() == set(heads)


def test_a_migrated_database_is_known_without_alembic(database_url):
    assert schema_version.is_newest(database_url)


def test_a_database_at_another_version_is_left_to_alembic(database_url, tmp_path):
    (tmp_path / "next.py").write_text('revision: str = "9999"\ndown_revision = "0005"\n')

    assert schema_version.newest(tmp_path) == {"9999"}
    assert not schema_version.is_newest(database_url, tmp_path)


def test_an_absent_database_is_left_to_alembic(database_url):
    assert not schema_version.is_newest(database_url.replace("accord_test", "none"))

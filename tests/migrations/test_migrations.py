"""The models and what the migrations built are the same, and migrating twice is harmless."""

from alembic import command
from alembic.config import Config

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


def test_there_is_one_head():
    from alembic.script import ScriptDirectory

    assert len(ScriptDirectory.from_config(config("")).get_heads()) == 1

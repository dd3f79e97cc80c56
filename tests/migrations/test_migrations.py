"""The models and what the migrations built are the same, and migrating twice is harmless."""

import json

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from app import schema_version
from app.projects.definitions import AnswerSchema, Pairwise, content_hash
from tests.support.servers import ROOT, create_empty_database, drop_database


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
    (tmp_path / "next.py").write_text('revision: str = "9999"\ndown_revision = "0006"\n')

    assert schema_version.newest(tmp_path) == {"9999"}
    assert not schema_version.is_newest(database_url, tmp_path)


def test_an_absent_database_is_left_to_alembic(database_url):
    assert not schema_version.is_newest(database_url.replace("accord_test", "none"))


OLD_SCHEMA = {
    "allows_tie": False,
    "allows_both_bad": True,
    "strength_steps": 2,
    "asks_rationale": True,
    "requires_rationale": True,
}
OLD_ROWS = f"""
INSERT INTO project (id, name, question, status, timezone, language, is_sample)
OVERRIDING SYSTEM VALUE VALUES (1, 'Old', 'Which?', 'active', 'UTC', 'en', false);
INSERT INTO schema_version (id, project_id, number, definition, content_hash)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, '{json.dumps(OLD_SCHEMA)}', 'old');
INSERT INTO policy_version (id, project_id, number, definition, content_hash)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, '{{}}', 'old');
INSERT INTO annotator (id, kind, pseudonym, project_id, external_id)
OVERRIDING SYSTEM VALUE VALUES (1, 'imported', 'imported-1', 1, 'w1');
INSERT INTO prompt (id, project_id, content, content_hash, search_text)
OVERRIDING SYSTEM VALUE VALUES (1, 1, '{{"text": "Why?"}}', 'x', 'Why?');
INSERT INTO response (id, prompt_id, position, text)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 0, 'One.'), (2, 1, 1, 'Two.');
INSERT INTO task (id, project_id, prompt_id, kind, status, priority, n_target, n_counted, n_leased, queue_key)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 'regular', 'done', 0, 1, 1, 0, 1);
INSERT INTO annotation (id, project_id, task_id, annotator_id, choice, strength, rationale, is_flagged, standing,
                        overlap_reason, schema_version_id, policy_version_id, revision)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 1, 'second', 2, 'So.', false, 'counted', 'imported', 1, 1, 1);
INSERT INTO preference (id, annotation_id, low_response_id, high_response_id, signed_strength, is_both_bad, criterion)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 2, -2, false, 'overall');
"""


def test_settings_before_kinds_of_judgement_become_the_same_schema_in_its_new_form_and_back():
    url = create_empty_database("accord_migrate_kinds")
    engine = sa.create_engine(url)
    try:
        command.upgrade(config(url), "0005")
        with engine.begin() as connection:
            connection.execute(sa.text(OLD_ROWS.replace(":", "\\:")))
        command.upgrade(config(url), "0006")
        with engine.connect() as connection:
            row = connection.execute(sa.text("SELECT definition, content_hash FROM schema_version")).one()
            steps = connection.scalar(sa.text("SELECT strength_steps FROM preference"))
            vote = connection.execute(sa.text("SELECT choice, strength, answer, shown_order FROM annotation")).one()
        wanted = AnswerSchema(
            overall=Pairwise(strength_steps=2, allows_tie=False, allows_both_bad=True), rationale="required"
        )
        assert AnswerSchema.model_validate(row.definition) == wanted
        assert row.content_hash == content_hash(wanted.model_dump(mode="json"))
        assert steps == 2
        assert tuple(vote) == ("second", 2, {}, None)
        with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
            connection.execute(sa.text("UPDATE schema_version SET number = 2"))
        command.downgrade(config(url), "0005")
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT definition FROM schema_version")) == OLD_SCHEMA
    finally:
        engine.dispose()
        drop_database(url)

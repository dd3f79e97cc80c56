"""Half a million tasks and a million votes, made inside the database by generate_series.

The text is deterministic, so that two runs measure the same rows. The shapes that hurt a list are all there: a word
in every prompt, one in half of them, one only in the last fifth (as when a second language is imported later), one in
ten prompts, one in a single prompt; a tag of one task; an annotator with five votes and one with a tenth of all.
"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import GuidelineVersion, PolicyVersion, Project, SchemaVersion
from app.projects.definitions import AnswerSchema, Policy, content_hash

BATCHES = 20
ANNOTATORS = 200

PROMPTS = """
INSERT INTO prompt (project_id, batch_id, external_id, content, content_hash, search_text)
SELECT :project, :first_batch + (i - 1) * :batches / :n, 'row-' || i, jsonb_build_object('text', body),
       sha256(convert_to(:project || ':' || i, 'UTF8')), body
FROM generate_series(1, :n) AS i,
LATERAL (
  SELECT 'common question ' || i
    || CASE WHEN i % 2 = 0 THEN ' half' ELSE '' END
    || CASE WHEN i > :n * 4 / 5 THEN ' bonjour' ELSE ' hello' END
    || CASE WHEN i % (:n / 10) = 7 THEN ' rarely' ELSE '' END
    || CASE WHEN i = :n / 3 THEN ' singular' ELSE '' END
    || ' ' || string_agg('word' || (abs(hashint8(i * 1000 + k)) % (40 * k * k + 10)), ' ') AS body
  FROM generate_series(1, 30) AS k
) AS made
ORDER BY i
"""
RESPONSES = """
INSERT INTO response (prompt_id, position, text, model)
SELECT id, p, 'Response ' || p || ' to ' || external_id, 'model-' || p
FROM prompt, generate_series(0, 1) AS p WHERE project_id = :project ORDER BY id, p
"""
TASKS = """
INSERT INTO task (project_id, prompt_id, kind, status, priority, n_target, n_counted, n_leased, queue_key, domain,
                  language, tags, created_at, done_at)
SELECT :project, id, CASE WHEN i % 1000 = 3 THEN 'gold' ELSE 'regular' END,
       CASE WHEN i % 1000 = 3 THEN 'open' WHEN i % 50 = 9 THEN 'archived'
            WHEN i <= :n * 3 / 5 THEN 'done' ELSE 'open' END,
       CASE WHEN i % 100 = 0 THEN 50 WHEN i % 100 < 5 THEN -10 ELSE 0 END,
       3, CASE WHEN i % 1000 = 3 THEN 0 WHEN i <= :n * 3 / 5 THEN 3 WHEN i <= :n * 4 / 5 THEN 1 ELSE 0 END, 0,
       abs(hashint8(i)), (ARRAY['code', 'law', 'medicine', 'prose'])[1 + (i - 1) * 4 / :n],
       CASE WHEN i > :n * 4 / 5 THEN 'fr' ELSE 'en' END,
       ARRAY['all', 'group-' || i % 50] || CASE WHEN i = :n / 2 THEN ARRAY['needle'] ELSE '{}' END,
       now() - make_interval(secs => :n - i), CASE WHEN i <= :n * 3 / 5 THEN now() END
FROM (SELECT id, row_number() OVER (ORDER BY id) AS i FROM prompt WHERE project_id = :project) AS numbered
ORDER BY i
"""
TASK_RESPONSES = """
INSERT INTO task_response (task_id, position, response_id)
SELECT task.id, response.position, response.id FROM task JOIN response ON response.prompt_id = task.prompt_id
WHERE task.project_id = :project
"""
ANNOTATORS_SQL = """
INSERT INTO annotator (kind, pseudonym, project_id, external_id)
SELECT 'imported', 'bench-' || :project || '-' || k, :project, 'w' || k FROM generate_series(1, :annotators) AS k
"""
VOTES = """
INSERT INTO annotation (project_id, task_id, annotator_id, choice, strength, rationale, is_flagged, standing,
                        overlap_reason, is_swapped, schema_version_id, policy_version_id, active_ms, revision)
SELECT :project, id,
       :first_annotator + CASE WHEN v = 0 AND i % 3 = 0 THEN 0 WHEN v = 1 AND i % (:n / 6) = 11 THEN 1
                               ELSE 2 + (i * 7 + v * 61) % (:annotators - 2) END,
       (ARRAY['first', 'second', 'tie', 'both_bad'])[1 + (i + v) % 4], CASE WHEN (i + v) % 4 < 2 THEN 2 ELSE 0 END,
       '', (i + v) % 3001 = 0, CASE WHEN v = 3 THEN 'late' ELSE 'counted' END, 'imported', (i + v) % 2 = 0,
       :schema, :policy, 9000, 1
FROM (SELECT id, row_number() OVER (ORDER BY id) AS i FROM task WHERE project_id = :project) AS numbered,
LATERAL generate_series(0, CASE WHEN i % 1000 = 3 THEN -1 WHEN i % 1500 = 1 AND i <= :n * 3 / 5 THEN 3
                                WHEN i <= :n * 3 / 5 THEN 2 WHEN i <= :n * 4 / 5 THEN 0 ELSE -1 END) AS v
"""
LEASES = """
INSERT INTO assignment (public_id, project_id, task_id, annotator_id, state, overlap_reason, is_swapped,
                        schema_version_id, policy_version_id, expires_at)
SELECT gen_random_uuid(), :project, t.id, :first_annotator + t.k + 1, 'open', 'base', false, :schema, :policy,
       now() + interval '30 minutes'
FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS k FROM task
      WHERE project_id = :project AND status = 'open' AND kind = 'regular' ORDER BY id DESC LIMIT :leases) AS t
"""
LEASED = """
UPDATE task SET n_leased = 1 FROM assignment
WHERE assignment.task_id = task.id AND assignment.state = 'open' AND task.project_id = :project
"""


def fill(session: Session, *, n_tasks: int, name: str) -> Project:
    """One project with `n_tasks` tasks and twice as many votes; statistics are brought up to date afterwards."""
    project = Project(name=name, question="Which response is better?")
    session.add(project)
    session.flush()
    versions = {}
    for kind, definition in ((PolicyVersion, Policy()), (SchemaVersion, AnswerSchema())):
        body = definition.model_dump(mode="json")
        row = kind(project_id=project.id, number=1, definition=body, content_hash=content_hash(body))
        session.add(row)
        session.flush()
        versions[kind] = row.id
    text = "# Guidelines"
    session.add(
        GuidelineVersion(project_id=project.id, body=text, content_hash=hashlib.sha256(text.encode()).hexdigest())
    )
    values = {
        "project": project.id,
        "n": n_tasks,
        "batches": BATCHES,
        "annotators": ANNOTATORS,
        "leases": 60,
        "schema": versions[SchemaVersion],
        "policy": versions[PolicyVersion],
    }
    values["first_batch"] = _batches(session, project.id)
    session.execute(sa.text(ANNOTATORS_SQL), values)
    values["first_annotator"] = session.scalar(
        sa.text("SELECT min(id) FROM annotator WHERE project_id = :project"), values
    )
    for statement in (PROMPTS, RESPONSES, TASKS, TASK_RESPONSES, VOTES, LEASES, LEASED):
        names = {name: value for name, value in values.items() if f":{name}" in statement}
        session.execute(sa.text(statement), names)
    session.commit()
    return project


def _batches(session: Session, project_id: int) -> int:
    first = 0
    for number in range(BATCHES):
        row_id = session.scalar(
            sa.text(
                "INSERT INTO import_batch (project_id, filename, file_hash, counts) "
                "VALUES (:project, :name, :hash, CAST(:counts AS jsonb)) RETURNING id"
            ),
            {
                "project": project_id,
                "name": f"part-{number:02}.jsonl",
                "hash": f"{project_id}-{number}",
                "counts": json.dumps({"tasks": 0}),
            },
        )
        first = first or int(row_id or 0)
    return first


def analyze(engine: sa.Engine) -> None:
    """Statistics as autovacuum would have them after a while."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))

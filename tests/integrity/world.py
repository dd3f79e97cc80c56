"""A database of its own with real commits, and many projects, people and tasks in it by a few statements."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.tokens import hash_token
from app.projects.definitions import AnswerSchema, Policy, content_hash

SEED_PROJECTS = """
WITH made AS (
    INSERT INTO project (name, question, status, timezone, language, is_sample)
    SELECT 'Round ' || n, 'Which is better?', 'active', 'UTC', 'en', false FROM generate_series(1, :n) n RETURNING id
), policies AS (
    INSERT INTO policy_version (project_id, number, definition, content_hash)
    SELECT id, 1, cast(:policy AS jsonb), :policy_hash FROM made
), schemas AS (
    INSERT INTO schema_version (project_id, number, definition, content_hash)
    SELECT id, 1, cast(:schema AS jsonb), :schema_hash FROM made
)
SELECT id FROM made ORDER BY id
"""
SEED_TEXTS = """
WITH prompts AS (
    INSERT INTO prompt (project_id, content, content_hash, search_text)
    SELECT id, '{"text": "A prompt"}', decode(md5(id::text), 'hex'), 'A prompt'
    FROM project WHERE id = ANY(:projects) RETURNING id
)
INSERT INTO response (prompt_id, position, text) SELECT id, n, 'Response ' || n FROM prompts, generate_series(0, 1) n
"""
SEED_TASKS = """
INSERT INTO task (project_id, prompt_id, kind, status, priority, n_target, n_counted, n_leased, queue_key)
SELECT project_id, id, 'regular', 'open', 0, :overlap, 0, 0, n
FROM prompt, generate_series(1, :n) n WHERE project_id = ANY(:projects)
"""
SEED_PAIRS = """
INSERT INTO task_response (task_id, position, response_id)
SELECT task.id, response.position, response.id FROM task JOIN response ON response.prompt_id = task.prompt_id
WHERE task.project_id = ANY(:projects)
"""
SEED_PEOPLE = """
WITH people AS (
    INSERT INTO "user" (email, name, password_hash, is_instance_admin, is_active, locale, theme)
    SELECT 'client' || n || '@example.org', 'Client ' || n, '!', false, true, 'en', 'auto'
    FROM generate_series(:first, :first + :n - 1) n RETURNING id, email
)
INSERT INTO annotator (kind, pseudonym, user_id) SELECT 'person', email, id FROM people RETURNING id, user_id
"""
SEED_MEMBERS = """
INSERT INTO membership (project_id, user_id, role)
SELECT p, u, 'annotator' FROM unnest(cast(:projects AS bigint[])) p, unnest(cast(:users AS bigint[])) u
"""
SEED_LEASES = """
INSERT INTO assignment (public_id, project_id, task_id, annotator_id, state, overlap_reason, is_swapped,
                        schema_version_id, policy_version_id, leased_at, expires_at, closed_at)
SELECT gen_random_uuid(), task.project_id, task.id, a, 'expired', 'base', (a + task.id) % 2 = 0, s.id, p.id,
       now() - interval '2 hours', now() - interval '1 hour', now() - interval '1 hour'
FROM task
JOIN schema_version s ON s.project_id = task.project_id
JOIN policy_version p ON p.project_id = task.project_id,
unnest(cast(:annotators AS bigint[])) a
WHERE task.project_id = ANY(:projects)
"""


@dataclass(frozen=True)
class Person:
    annotator_id: int
    user_id: int

    @property
    def token(self) -> str:
        """The secret of this person's API token."""
        return f"accord_token_of_{self.user_id:08d}"


class World:
    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = sa.create_engine(url, pool_size=2)

    def close(self) -> None:
        self.engine.dispose()

    def sql(self, statement: str, **values):
        with Session(self.engine) as session:
            result = session.execute(sa.text(statement), values)
            rows = result.all() if result.returns_rows else []
            session.commit()
            return rows

    def value(self, statement: str, **values):
        return self.sql(statement, **values)[0][0]

    def vacuum(self) -> None:
        """Statistics and maps as autovacuum would have them after a while."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))

    def people(self, n: int, *, first: int = 1) -> list[Person]:
        """`n` people; `first` numbers their addresses, where some are there already."""
        people = [Person(row.id, row.user_id) for row in self.sql(SEED_PEOPLE, n=n, first=first)]
        hashes = [hash_token(person.token) for person in people]
        self.sql(
            "INSERT INTO api_token (user_id, name, prefix, token_hash)"
            " SELECT u, 'test', 'accord', h FROM unnest(cast(:users AS bigint[]), cast(:hashes AS bytea[])) AS t(u, h)",
            users=[person.user_id for person in people],
            hashes=hashes,
        )
        return people

    def projects(
        self, n: int, *, tasks: int = 1, overlap: int = 1, members: list[Person] | None = None, **policy
    ) -> list[int]:
        """Projects without gold, each with its tasks; `members` may judge in all of them."""
        policy_body = Policy(overlap=overlap, **{"gold_rate": 0.0, **policy})
        schema_body = AnswerSchema()
        ids = [
            row.id
            for row in self.sql(
                SEED_PROJECTS,
                n=n,
                policy=policy_body.model_dump_json(),
                policy_hash=content_hash(policy_body.model_dump(mode="json")),
                schema=schema_body.model_dump_json(),
                schema_hash=content_hash(schema_body.model_dump(mode="json")),
            )
        ]
        self.sql(SEED_TEXTS, projects=ids)
        self.sql(SEED_TASKS, projects=ids, n=tasks, overlap=overlap)
        self.sql(SEED_PAIRS, projects=ids)
        if members:
            self.sql(SEED_MEMBERS, projects=ids, users=[person.user_id for person in members])
        return ids

    def expired_leases(self, projects: list[int], people: list[Person]) -> dict[tuple[int, int], UUID]:
        """Each person held each task and let it run out; (project, annotator) -> the last one's public id."""
        self.sql(SEED_LEASES, projects=projects, annotators=[person.annotator_id for person in people])
        rows = self.sql(
            "SELECT project_id, annotator_id, public_id FROM assignment WHERE project_id = ANY(:projects)",
            projects=projects,
        )
        return {(row.project_id, row.annotator_id): row.public_id for row in rows}

    def faults(self) -> list[str]:
        """What must never be, over the whole database; empty when all is well."""
        checks = {
            "counters differ from the rows": """
                SELECT t.id FROM task t
                LEFT JOIN (SELECT task_id, count(*) n FROM annotation
                           WHERE standing = 'counted' AND supersedes_id IS NULL GROUP BY 1) c ON c.task_id = t.id
                LEFT JOIN (SELECT task_id, count(*) n FROM assignment
                           WHERE state = 'open' AND overlap_reason <> 'retest' GROUP BY 1) l
                       ON l.task_id = t.id
                WHERE t.n_counted <> coalesce(c.n, 0) OR t.n_leased <> coalesce(l.n, 0)""",
            "more than the target": "SELECT id FROM task WHERE kind = 'regular' AND n_counted + n_leased > n_target",
            "one person twice on a task": """
                SELECT task_id FROM annotation WHERE supersedes_id IS NULL AND overlap_reason <> 'retest'
                GROUP BY task_id, annotator_id HAVING count(*) > 1""",
            "one person more than once the same repeat": """
                SELECT task_id FROM annotation WHERE supersedes_id IS NULL AND overlap_reason = 'retest'
                GROUP BY task_id, annotator_id HAVING count(*) > 1""",
            "a vote asked for later in a place of before, or the reverse": """
                SELECT t.id FROM task t
                JOIN annotation a ON a.task_id = t.id AND a.standing = 'counted' AND a.supersedes_id IS NULL
                JOIN policy_version p ON p.project_id = t.project_id
                WHERE p.number = 1 AND NOT EXISTS (
                    SELECT FROM policy_version q WHERE q.project_id = p.project_id AND q.number > 1)
                GROUP BY t.id, p.definition
                HAVING count(*) FILTER (WHERE a.overlap_reason = 'base')
                       > greatest(t.own_overlap, (p.definition->>'overlap')::int)""",
            "done without its judgements, or the reverse": """
                SELECT id FROM task WHERE kind = 'regular' AND status <> 'archived'
                AND (status = 'done') <> (n_counted >= n_target)""",
            "a judgement without its preferences": """
                SELECT a.id FROM annotation a
                JOIN schema_version s ON s.id = a.schema_version_id
                CROSS JOIN LATERAL (SELECT count(*) n FROM task_response r WHERE r.task_id = a.task_id) r
                LEFT JOIN preference p ON p.annotation_id = a.id AND p.criterion = 'overall'
                GROUP BY a.id, s.definition, r.n
                HAVING count(p.id) <> CASE s.definition->'overall'->>'kind' WHEN 'none' THEN 0
                                      ELSE r.n * (r.n - 1) / 2 END""",
            "a judgement without its audit row": """
                SELECT a.id FROM annotation a LEFT JOIN audit_event e
                ON e.target_type = 'annotation' AND e.target_id = a.id::text GROUP BY a.id HAVING count(e.id) <> 1""",
            "submitted without a judgement, or the reverse": """
                SELECT s.id FROM assignment s
                LEFT JOIN annotation a ON a.assignment_id = s.id AND a.supersedes_id IS NULL
                WHERE (s.state = 'submitted') <> (a.id IS NOT NULL)""",
        }
        return [f"{name}: {len(rows)}" for name, check in checks.items() if (rows := self.sql(check))]

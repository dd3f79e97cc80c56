"""Who may use which route: the table that tests/architecture/test_routes.py walks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Who:
    """`least` is the smallest role let in. `is_own`: only the person whom the thing belongs to.

    `exists`: the thing named in the path is there in the test's world, so that 404 would be a fault.
    `hides`: a refusal may also say 404, where a thing's existence is not for everyone.
    """

    least: str = "annotator"
    is_own: bool = False
    exists: bool = True
    hides: bool = False


PUBLIC = Who("nobody")
OWN = Who(is_own=True)

TABLE: dict[tuple[str, str], Who] = {
    ("GET", "/api/v1/openapi.json"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    # projects and their guidelines
    ("GET", "/"): Who("stranger"),
    ("GET", "/projects"): Who("stranger"),
    ("POST", "/projects"): Who("instance_admin"),
    ("GET", "/projects/new"): Who("instance_admin"),
    ("GET", "/projects/{project_id}"): Who("annotator"),
    ("GET", "/audit"): Who("instance_admin"),
    ("GET", "/projects/{project_id}/audit"): Who("admin"),
    ("POST", "/projects/sample"): Who("instance_admin"),
    ("POST", "/projects/{project_id}/simulate"): Who("admin"),
    ("POST", "/api/v1/projects/sample"): Who("instance_admin"),
    ("POST", "/api/v1/projects/{project_id}/simulate"): Who("admin"),
    ("GET", "/projects/{project_id}/settings"): Who("admin"),
    ("POST", "/projects/{project_id}/settings/details"): Who("admin"),
    ("POST", "/projects/{project_id}/settings/choices"): Who("admin"),
    ("POST", "/projects/{project_id}/settings/work"): Who("admin"),
    ("POST", "/projects/{project_id}/pause"): Who("admin"),
    ("POST", "/projects/{project_id}/resume"): Who("admin"),
    ("POST", "/projects/{project_id}/archive"): Who("admin"),
    ("POST", "/projects/{project_id}/restore"): Who("admin"),
    ("GET", "/projects/{project_id}/guidelines"): Who("annotator"),
    ("GET", "/projects/{project_id}/guidelines/versions/{number}"): Who("annotator"),
    ("GET", "/projects/{project_id}/guidelines/compare"): Who("annotator"),
    ("GET", "/projects/{project_id}/guidelines/edit"): Who("admin"),
    ("POST", "/projects/{project_id}/guidelines/draft"): Who("admin"),
    ("POST", "/projects/{project_id}/guidelines/publish"): Who("admin"),
    ("POST", "/projects/{project_id}/guidelines/discard"): Who("admin"),
    ("GET", "/api/v1/projects"): Who("stranger"),
    ("POST", "/api/v1/projects"): Who("instance_admin"),
    ("GET", "/api/v1/projects/{project_id}"): Who("annotator"),
    ("PUT", "/api/v1/projects/{project_id}"): Who("admin"),
    ("GET", "/api/v1/projects/{project_id}/overview"): Who("reviewer"),
    ("GET", "/api/v1/audit"): Who("instance_admin"),
    ("GET", "/api/v1/projects/{project_id}/audit"): Who("admin"),
    ("GET", "/api/v1/projects/{project_id}/policy"): Who("reviewer"),
    ("PUT", "/api/v1/projects/{project_id}/policy"): Who("admin"),
    ("GET", "/api/v1/projects/{project_id}/schema"): Who("annotator"),
    ("PUT", "/api/v1/projects/{project_id}/schema"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/pause"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/resume"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/archive"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/restore"): Who("admin"),
    ("GET", "/api/v1/projects/{project_id}/guidelines"): Who("annotator"),
    ("GET", "/api/v1/projects/{project_id}/guidelines/{number}"): Who("annotator"),
    ("GET", "/api/v1/projects/{project_id}/guidelines/draft"): Who("admin"),
    ("PUT", "/api/v1/projects/{project_id}/guidelines/draft"): Who("admin"),
    ("DELETE", "/api/v1/projects/{project_id}/guidelines/draft"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/guidelines/publish"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/guidelines/preview"): Who("admin"),
    ("GET", "/projects/{project_id}/judge"): Who(),
    ("GET", "/projects/{project_id}/judge/history"): Who(),
    ("GET", "/projects/{project_id}/judge/last"): Who(),
    ("GET", "/projects/{project_id}/judge/edit/{public_id}"): OWN,
    ("POST", "/projects/{project_id}/judge/edit/{public_id}"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}/skip"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}/heartbeat"): OWN,
    ("POST", "/projects/{project_id}/judge/{public_id}/return"): OWN,
    ("POST", "/api/v1/projects/{project_id}/next"): Who(),
    ("GET", "/api/v1/projects/{project_id}/annotations/mine"): Who(),
    ("POST", "/api/v1/assignments/{public_id}/annotation"): OWN,
    ("PATCH", "/api/v1/assignments/{public_id}/annotation"): OWN,
    ("POST", "/api/v1/assignments/{public_id}/skip"): OWN,
    ("POST", "/api/v1/assignments/{public_id}/heartbeat"): OWN,
    ("POST", "/api/v1/assignments/{public_id}/return"): OWN,
    # imports and jobs
    ("GET", "/projects/{project_id}/import"): Who("admin"),
    ("POST", "/projects/{project_id}/import"): Who("admin"),
    ("GET", "/projects/{project_id}/import/{job_id}"): Who("admin", exists=False),
    ("POST", "/projects/{project_id}/import/{job_id}/start"): Who("admin", exists=False),
    ("GET", "/projects/{project_id}/import/{job_id}/problems.csv"): Who("admin", exists=False),
    ("GET", "/projects/{project_id}/jobs"): Who("admin"),
    ("GET", "/jobs/{job_id}"): Who("admin", hides=True),
    ("GET", "/jobs/{job_id}/card"): Who("admin", hides=True),
    ("POST", "/jobs/{job_id}/cancel"): Who("admin", hides=True),
    ("GET", "/api/v1/projects/{project_id}/imports"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/imports"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/imports/{job_id}/start"): Who("admin", exists=False),
    ("GET", "/api/v1/projects/{project_id}/jobs"): Who("admin"),
    ("GET", "/api/v1/jobs/{job_id}"): Who("admin", hides=True),
    ("POST", "/api/v1/jobs/{job_id}/cancel"): Who("admin", hides=True),
    # the task list
    ("GET", "/projects/{project_id}/tasks"): Who("reviewer"),
    ("GET", "/projects/{project_id}/tasks/{task_id}"): Who("reviewer"),
    ("POST", "/projects/{project_id}/tasks/bulk"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/bulk/apply"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/{task_id}/priority"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/{task_id}/tags"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/{task_id}/requeue"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/{task_id}/archive"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/{task_id}/restore"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/{task_id}/gold"): Who("admin"),
    ("POST", "/projects/{project_id}/tasks/{task_id}/gold/remove"): Who("admin"),
    ("GET", "/api/v1/projects/{project_id}/tasks"): Who("reviewer"),
    ("GET", "/api/v1/projects/{project_id}/tasks/{task_id}"): Who("reviewer"),
    ("PATCH", "/api/v1/projects/{project_id}/tasks/{task_id}"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/tasks/{task_id}/requeue"): Who("admin"),
    ("PUT", "/api/v1/projects/{project_id}/tasks/{task_id}/gold"): Who("admin"),
    ("DELETE", "/api/v1/projects/{project_id}/tasks/{task_id}/gold"): Who("admin"),
    ("POST", "/api/v1/projects/{project_id}/tasks/bulk"): Who("admin"),
}

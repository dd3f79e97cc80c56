"""What stands on the audit trail, as sentences that a person can read, and in groups to filter by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.dashboard.queries import AuditRow
from app.models import AuditEvent
from app.web.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class Deed:
    """One kind of event: the group it is filtered by, and its sentence with %(actor)s and names of the detail."""

    group: str
    sentence: str


def groups() -> dict[str, str]:
    """Labels of the groups, in the order of the filter."""
    return {
        "project": _("Project and guidelines"),
        "data": _("Data and jobs"),
        "people": _("People"),
        "sign_in": _("Sign-in and accounts"),
        "judging": _("Judging"),
    }


def deeds() -> dict[str, Deed]:
    """Every action that the program records, in the reader's language; a test holds this against the source."""
    return {
        "project.create": Deed("project", _("%(actor)s created the project")),
        "project.change": Deed("project", _("%(actor)s changed the project’s details")),
        "project.pause": Deed("project", _("%(actor)s paused the project")),
        "project.resume": Deed("project", _("%(actor)s resumed the project")),
        "project.archive": Deed("project", _("%(actor)s archived the project")),
        "project.restore": Deed("project", _("%(actor)s restored the project")),
        "policy.change": Deed("project", _("%(actor)s changed the terms of work (version %(number)s)")),
        "schema.change": Deed("project", _("%(actor)s changed the choices (version %(number)s)")),
        "guideline.start_draft": Deed("project", _("%(actor)s started a draft of the guidelines")),
        "guideline.discard_draft": Deed("project", _("%(actor)s threw the draft of the guidelines away")),
        "guideline.publish": Deed("project", _("%(actor)s published version %(number)s of the guidelines")),
        "guideline.read": Deed("project", _("%(actor)s confirmed reading version %(number)s of the guidelines")),
        "guideline.ask": Deed("project", _("%(actor)s asked about the guidelines")),
        "guideline.answer": Deed("project", _("%(actor)s answered a question about the guidelines")),
        "sample.fill": Deed("data", _("%(actor)s asked for simulated annotators")),
        "import.started": Deed("data", _("%(actor)s started the import of %(filename)s")),
        "tasks.imported": Deed("data", _("%(actor)s imported %(tasks)s tasks and %(votes)s judgements")),
        "training.start": Deed("data", _("%(actor)s started the training of %(name)s on data set %(dataset)s")),
        "training.cancel": Deed("data", _("%(actor)s cancelled the training of %(name)s")),
        "evaluation.start": Deed("data", _("%(actor)s started an evaluation of %(name)s")),
        "dataset.freeze": Deed("data", _("%(actor)s asked for data set %(number)s")),
        "dataset.frozen": Deed("data", _("%(actor)s froze data set %(number)s (%(rows)s rows of %(votes)s votes)")),
        "dataset.verify": Deed("data", _("%(actor)s asked for data set %(number)s to be built again and compared")),
        "votes.export": Deed("data", _("%(actor)s downloaded %(votes)s votes")),
        "job.cancelled": Deed("data", _("%(actor)s cancelled a job")),
        "task.set_priority": Deed("data", _("%(actor)s set the priority of a task to %(after)s")),
        "task.set_tags": Deed("data", _("%(actor)s changed the tags of a task")),
        "task.requeue": Deed("data", _("%(actor)s asked for %(judgements)s more judgements of a task")),
        "task.archive": Deed("data", _("%(actor)s archived a task")),
        "task.restore": Deed("data", _("%(actor)s restored a task")),
        "task.due": Deed("data", _("%(actor)s set a deadline on a task")),
        "task.mark_gold": Deed("data", _("%(actor)s gave a task a known answer")),
        "task.unmark_gold": Deed("data", _("%(actor)s took the known answer from a task")),
        "tasks.priority": Deed("data", _("%(actor)s set the priority of %(changed)s tasks")),
        "tasks.requeue": Deed("data", _("%(actor)s asked for more judgements of %(changed)s tasks")),
        "tasks.due": Deed("data", _("%(actor)s set a deadline on %(changed)s tasks")),
        "tasks.archive": Deed("data", _("%(actor)s archived %(changed)s tasks")),
        "tasks.restore": Deed("data", _("%(actor)s restored %(changed)s tasks")),
        "tasks.add_tag": Deed("data", _("%(actor)s added the tag %(tag)s to %(changed)s tasks")),
        "tasks.remove_tag": Deed("data", _("%(actor)s removed the tag %(tag)s from %(changed)s tasks")),
        "invitation.create": Deed("people", _("%(actor)s made an invitation (%(role)s)")),
        "invitation.renew": Deed("people", _("%(actor)s renewed an invitation")),
        "invitation.revoke": Deed("people", _("%(actor)s withdrew an invitation")),
        "invitation.accept": Deed("people", _("%(actor)s accepted an invitation (%(role)s)")),
        "membership.change_role": Deed("people", _("%(actor)s changed a role from %(before)s to %(after)s")),
        "membership.change_work": Deed("people", _("%(actor)s changed what work reaches a member")),
        "membership.end": Deed("people", _("%(actor)s ended a membership")),
        "message.send": Deed("people", _("%(actor)s sent a message")),
        "consent.publish": Deed("people", _("%(actor)s published version %(number)s of the consent text")),
        "consent.give": Deed("people", _("%(actor)s agreed to the consent text")),
        "user.deactivate": Deed("people", _("%(actor)s deactivated a person")),
        "user.reactivate": Deed("people", _("%(actor)s let a person in again")),
        "user.grant_instance_admin": Deed("people", _("%(actor)s made a person admin of the installation")),
        "user.withdraw_instance_admin": Deed("people", _("%(actor)s took the installation’s admin role from a person")),
        "user.change_profile": Deed("sign_in", _("%(actor)s changed their profile")),
        "user.change_password": Deed("sign_in", _("%(actor)s changed their password")),
        "password_reset.create": Deed("sign_in", _("%(actor)s made a link to reset a password")),
        "password_reset.mail": Deed("sign_in", _("%(actor)s mailed a link to reset a password")),
        "password_reset.use": Deed("sign_in", _("%(actor)s set a new password by a link")),
        "session.start": Deed("sign_in", _("%(actor)s signed in")),
        "session.refuse": Deed("sign_in", _("%(actor)s refused a sign-in")),
        "session.end": Deed("sign_in", _("%(actor)s ended a sign-in")),
        "session.end_others": Deed("sign_in", _("%(actor)s ended all other sign-ins")),
        "token.create": Deed("sign_in", _("%(actor)s made an API token")),
        "token.revoke": Deed("sign_in", _("%(actor)s revoked an API token")),
        "setup_link.create": Deed("sign_in", _("%(actor)s made the set-up link")),
        "setup.complete": Deed("sign_in", _("%(actor)s became the first admin")),
        "annotation.submit": Deed("judging", _("%(actor)s judged a task")),
        "annotation.revise": Deed("judging", _("%(actor)s changed a judgement (revision %(revision)s)")),
        "assignment.skip": Deed("judging", _("%(actor)s skipped a task (%(reason)s)")),
        "assignment.return": Deed("judging", _("%(actor)s gave a task back")),
    }


def sentence(row: AuditRow) -> str:
    """Who did what. An action without a sentence of its own is named as it is stored."""
    known = deeds().get(row.event.action)
    if known is None:
        return _("%(actor)s: %(action)s") % {"actor": actor(row), "action": row.event.action}
    return known.sentence % _Detail({**row.event.detail, "actor": actor(row)})


def label(deed: Deed) -> str:
    """The sentence without who and which, for the filter: "… paused the project"."""
    return deed.sentence % _Detail({"actor": "…"})


class _Detail(dict[str, Any]):
    """What a sentence may name; what an older event does not say reads as a dash."""

    def __missing__(self, name: str) -> str:
        return "–"


def actor(row: AuditRow) -> str:
    """Names are for staff; everybody else is known by pseudonym, and nobody at all is the system."""
    if row.event.actor_id is None:
        return _("The command line") if row.event.via == "command" else _("The system")
    if row.is_staff and row.actor_name:
        return row.actor_name
    return row.actor_pseudonym or _("Somebody")


def link(event: AuditEvent) -> str | None:
    """The page of the thing that the deed was done to, where it has one."""
    inside = f"/projects/{event.project_id}"
    if event.project_id is None:
        return None
    if event.target_type == "task":
        return f"{inside}/tasks/{event.target_id}"
    if event.target_type == "dataset_version" and "number" in event.detail:
        return f"{inside}/datasets/{event.detail['number']}"
    if event.target_type == "job":
        return f"/jobs/{event.target_id}"
    if event.target_type == "training_run" and "number" in event.detail:
        return f"{inside}/training/{event.detail['number']}"
    if event.action == "guideline.publish" and "number" in event.detail:
        return f"{inside}/guidelines/versions/{event.detail['number']}"
    return None


def actions_of(chosen: str) -> tuple[str, ...]:
    """The actions behind a choice of the filter: one action, or all of a group. Nothing chosen is everything."""
    if chosen.startswith("group:"):
        return tuple(action for action, deed in deeds().items() if f"group:{deed.group}" == chosen)
    return (chosen,) if chosen else ()

"""What the task list and the task page call things, in the reader's language."""

from __future__ import annotations

from app.annotation import answers
from app.models import Choice, TaskKind, TaskStatus
from app.review.schemas import BulkDeed, ResponseShown, Sort, StatusFilter, VoteHint, VoteShown
from app.web.i18n import gettext as _

Options = list[tuple[str, str]]


def statuses() -> Options:
    return [
        (StatusFilter.OPEN, _("Open")),
        (StatusFilter.WAITING, _("Open, a place is free")),
        (StatusFilter.LEASED, _("On somebody's desk")),
        (StatusFilter.DONE, _("Done")),
        (StatusFilter.ARCHIVED, _("Archived")),
    ]


def status_badges() -> dict[str, tuple[str, str]]:
    return {
        TaskStatus.OPEN: (_("Open"), "accent"),
        TaskStatus.DONE: (_("Done"), "success"),
        TaskStatus.ARCHIVED: (_("Archived"), "neutral"),
    }


def kinds() -> Options:
    return [(TaskKind.REGULAR, _("Regular")), (TaskKind.GOLD, _("Gold, with a known answer"))]


def sorts() -> Options:
    return [
        (Sort.OLDEST, _("Import order")),
        (Sort.NEWEST, _("Newest import first")),
        (Sort.HIGHEST_PRIORITY, _("Highest priority first")),
        (Sort.LOWEST_PRIORITY, _("Lowest priority first")),
        (Sort.MOST_PROGRESS, _("Most progress first")),
        (Sort.LEAST_PROGRESS, _("Least progress first")),
    ]


def deeds() -> Options:
    return [
        (BulkDeed.PRIORITY, _("Set the priority")),
        (BulkDeed.DUE, _("Set a deadline")),
        (BulkDeed.REQUEUE, _("Ask for more judgements")),
        (BulkDeed.ADD_TAG, _("Add a tag")),
        (BulkDeed.REMOVE_TAG, _("Remove a tag")),
        (BulkDeed.ARCHIVE, _("Archive")),
        (BulkDeed.RESTORE, _("Restore from the archive")),
    ]


def choices() -> Options:
    return [
        (Choice.FIRST, _("A is better")),
        (Choice.SECOND, _("B is better")),
        (Choice.TIE, _("Equally good")),
        (Choice.BOTH_BAD, _("Both bad")),
    ]


def judged(vote: VoteShown, responses: list[ResponseShown]) -> list[str]:
    """What a vote says, part by part, like "A is better, strength 2" or "B > A = C".

    The letters are those of the task's stored order, which is no order of any screen.
    """
    ids = [response.id for response in sorted(responses, key=lambda each: each.position)]
    said = answers.said(vote.answer, choice=vote.choice, strength=vote.strength, shown=ids, is_swapped=False)
    parts = [_overall(vote.choice, vote.strength)] if vote.choice is not None else []
    if said["ranking"] is not None:
        parts.append(" > ".join(" = ".join(tied) for tied in said["ranking"]))
    for key, points_of in said["ratings"].items():
        parts.append(f"{key}: " + ", ".join(f"{letter} {points}" for letter, points in points_of.items()))
    parts += [f"{key}: {_('no difference') if best == 'tie' else best}" for key, best in said["comparisons"].items()]
    parts += [", ".join(said["tags"])] if said["tags"] else []
    parts += [f"{letter}: " + ", ".join(tags) for letter, tags in said["response_tags"].items()]
    if said["edit"] is not None:
        parts.append(
            _("Edit of %(letter)s: %(text)s") % {"letter": said["edit"]["source"], "text": said["edit"]["text"]}
        )
    return parts + ([said["demonstration"]] if said["demonstration"] is not None else [])


def _overall(choice: Choice, strength: int) -> str:
    label = dict(choices())[choice]
    return _("%(choice)s, strength %(strength)s") % {"choice": label, "strength": strength} if strength else label


def hint(votes: VoteHint) -> str:
    """ "2 A · 1 tie": how the votes fall; empty without votes."""
    parts = [
        (votes.first, _("%(n)s A")),
        (votes.second, _("%(n)s B")),
        (votes.tie, _("%(n)s tie")),
        (votes.both_bad, _("%(n)s both bad")),
    ]
    return " · ".join(text % {"n": n} for n, text in parts if n)


def annotator_kinds() -> dict[str, str]:
    return {"imported": _("imported"), "simulated": _("simulated"), "model": _("model")}


def standings() -> dict[str, tuple[str, str]]:
    return {
        "counted": (_("Counted"), "success"),
        "late": (_("Late, not counted"), "warning"),
        "gold": (_("Gold, outside overlap"), "neutral"),
        "retest": (_("Repeat, outside overlap"), "neutral"),
    }


def lease_states() -> dict[str, tuple[str, str]]:
    return {
        "open": (_("On the desk"), "accent"),
        "skipped": (_("Skipped"), "warning"),
        "expired": (_("Time ran out"), "neutral"),
        "returned": (_("Given back"), "neutral"),
    }


def skip_reasons() -> dict[str, str]:
    return {
        "unclear": _("Unclear what is asked"),
        "not_my_field": _("Not my field"),
        "harmful": _("Harmful or disturbing"),
        "broken": _("Broken or empty"),
        "other": _("Another reason"),
    }


def reasons() -> dict[str, str]:
    return {
        "base": _("asked for by overlap"),
        "calibration": _("calibration"),
        "escalation": _("asked for on disagreement"),
        "adjudication": _("adjudication"),
        "retest": _("hidden repeat"),
        "gold": _("gold"),
        "imported": _("imported"),
    }


def events() -> dict[str, str]:
    return {
        "task.set_priority": _("Priority set"),
        "task.priority": _("Priority set"),
        "task.set_tags": _("Tags changed"),
        "task.add_tag": _("Tag added"),
        "task.remove_tag": _("Tag removed"),
        "task.due": _("Deadline set"),
        "task.requeue": _("More judgements asked for"),
        "task.archive": _("Archived"),
        "task.restore": _("Restored"),
        "task.mark_gold": _("Known answer given"),
        "task.unmark_gold": _("Known answer removed"),
    }


def done(deed: str) -> str:
    """The message after a deed on one task; empty for anything that is not one."""
    return {
        "priority": _("The priority was set."),
        "tags": _("The tags were saved."),
        "requeue": _("More judgements were asked for."),
        "archive": _("The task was archived. Nobody is asked about it any more."),
        "restore": _("The task was restored."),
        "gold": _("The known answer was saved. This is a gold task now."),
        "ungold": _("The known answer was removed. This is a regular task now."),
    }.get(deed, "")

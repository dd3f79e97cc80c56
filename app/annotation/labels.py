"""What the desk calls answers, reasons and its own silence, in the reader's language."""

from __future__ import annotations

from app.annotation.handing_out import Nothing
from app.annotation.schemas import Said
from app.projects.definitions import AnswerSchema, Asked
from app.web.i18n import gettext as _
from app.web.i18n import ngettext

EXCERPT = 160


def answer_label(said: Said) -> str:
    """A judgement in words, by the letters as they were shown."""
    if said.demonstration is not None:
        return _("Wrote: %(text)s") % {"text": cut(said.demonstration)}
    parts = []
    if said.answer is not None:
        parts.append(_choice_label(said.answer))
    if said.ranking is not None:
        parts.append(" > ".join(" = ".join(tied) for tied in said.ranking))
    n_criteria = len(said.ratings) + len(said.comparisons)
    if n_criteria:
        parts.append(ngettext("%(num)s criterion", "%(num)s criteria", n_criteria))
    if said.edit is not None:
        parts.append(_("edit of %(letter)s") % {"letter": said.edit.source})
    return " · ".join(parts)


def cut(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"


def asked_for(schema: AnswerSchema) -> str:
    """What a schema asks for, in a line."""
    kinds = {
        "pairwise": _("the better of two responses"),
        "ranking": _("a ranking of the responses"),
        "none": "",
    }
    parts = [kinds[schema.overall.kind]] if kinds[schema.overall.kind] else []
    if schema.criteria:
        parts.append(", ".join(criterion.name for criterion in schema.criteria))
    if schema.edit != Asked.OFF:
        parts.append(_("an edit"))
    if schema.demonstration:
        parts.append(_("answers to bare prompts"))
    return " · ".join(parts)


def _choice_label(answer: int | str) -> str:
    if answer == "both_bad":
        return _("Both bad")
    if answer == 0:
        return _("Tie")
    side = "A" if int(answer) < 0 else "B"
    return _("%(side)s better (%(strength)s)") % {"side": side, "strength": abs(int(answer))}


def skip_reasons() -> list[tuple[str, str]]:
    return [
        ("unclear", _("The task is unclear")),
        ("not_my_field", _("I do not know enough about it")),
        ("harmful", _("It is harmful or disturbing")),
        ("broken", _("Something is broken or missing")),
        ("other", _("Another reason")),
    ]


def nothing_context(reason: Nothing) -> dict[str, str]:
    """Title and sentence of the desk that has nothing on it."""
    texts = {
        Nothing.PAUSED: (
            _("This project is paused"),
            _("Its admins have stopped handing out tasks for now. What you have judged is safe."),
        ),
        Nothing.ARCHIVED: (_("This project is closed"), _("It takes no more judgements. Thank you for your work.")),
        Nothing.ENOUGH_TODAY: (
            _("Enough for today"),
            _("You have given as many judgements as this project asks of you in a day. Thank you; more tomorrow."),
        ),
        Nothing.ENOUGH: (
            _("You have given your share"),
            _("This project asks no more judgements of you than you have given. Thank you for your work!"),
        ),
        Nothing.NO_TASKS: (
            _("There are no tasks yet"),
            _("Nothing has been imported into this project so far. Come back later."),
        ),
        Nothing.ALL_DONE: (
            _("All done"),
            _("Every task of this project has all the judgements it needs. Thank you!"),
        ),
        Nothing.OTHERS_AT_WORK: (
            _("Others are working on the last ones"),
            _("Each task that is left lies on somebody's desk. One may come back; look again in a while."),
        ),
        Nothing.NOTHING_FOR_YOU: (
            _("You have judged everything you can"),
            _("The tasks that are left need the judgement of other people. Thank you!"),
        ),
        Nothing.BUSY: (_("One moment"), _("The next task is just being put back. It will be here at once.")),
    }
    title, text = texts[reason]
    return {"reason": reason.value, "title": title, "text": text}

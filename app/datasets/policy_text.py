"""A policy in sentences, one for each of its knobs: on the page in the reader's language, in policy.json in English."""

from __future__ import annotations

from app.datasets.schemas import FreezePolicy
from app.models import AnnotatorKind, OverlapReason
from app.web.i18n import gettext as _
from app.web.i18n import ngettext


def reason_names() -> dict[str, str]:
    return {
        OverlapReason.BASE: _("Asked for by overlap"),
        OverlapReason.IMPORTED: _("Imported"),
        OverlapReason.CALIBRATION: _("Calibration"),
        OverlapReason.ESCALATION: _("Asked for on disagreement"),
        OverlapReason.ADJUDICATION: _("Adjudication"),
    }


def kind_names() -> dict[str, str]:
    return {
        AnnotatorKind.PERSON: _("People"),
        AnnotatorKind.IMPORTED: _("Imported crowd workers"),
        AnnotatorKind.SIMULATED: _("Simulated annotators"),
        AnnotatorKind.MODEL: _("Models"),
    }


def sentences(policy: FreezePolicy) -> dict[str, str]:
    """What each knob of the policy means as it is set."""
    reasons, kinds = reason_names(), kind_names()
    slices = ", ".join(f"{each.by} {each.value}: {each.weight:g}" for each in policy.slice_weights)
    return {
        "overlap_reasons": _("Counted votes are used that were asked for by these reasons: %(names)s.")
        % {"names": ", ".join(reasons.get(each, each) for each in policy.overlap_reasons)},
        "annotator_kinds": _("Votes by these kinds of annotators are used: %(names)s.")
        % {"names": ", ".join(kinds.get(each, each) for each in policy.annotator_kinds)},
        "guideline_versions": _guidelines(policy),
        "archived_tasks": _("Votes on archived tasks are used.")
        if policy.archived_tasks
        else _("Votes on archived tasks are not used."),
        "minimum_votes": ngettext(
            "A pair needs at least %(n)s vote.", "A pair needs at least %(n)s votes.", policy.minimum_votes
        )
        % {"n": policy.minimum_votes},
        "label_rule": _(
            "A vote weighs the more in p, the more reliable its annotator is found to be: by how often they name the "
            "side that the weighted votes of a pair name, with eight votes assumed beforehand at the mean of all. "
            "Ties say nothing about anybody, and nobody's vote counts for the other side."
        )
        if policy.label_rule == "reliability_weighted"
        else _("Every vote weighs 1 in p."),
        "agreement": _agreement(policy),
        "both_bad": _("A vote for both bad counts as one half for each side.")
        if policy.both_bad == "half"
        else _("Votes for both bad are left out."),
        "ties": _("Rows without a better side are kept, with p = .5.")
        if policy.ties == "keep"
        else _("Rows without a better side are left out."),
        "slice_weights": _("Rows of these slices weigh other than 1: %(slices)s.") % {"slices": slices}
        if slices
        else _("Every row weighs 1; one of a ranking of K responses weighs 2/K."),
        "cluster_by": _("Rows of one domain stay on one side of the split.")
        if policy.cluster_by == "domain"
        else _("Rows of one prompt stay on one side of the split; prompts are compared without case and spaces."),
        "cluster_key": _("Where a prompt's metadata has the key %(key)s, that names its cluster instead.")
        % {"key": policy.cluster_key}
        if policy.cluster_key
        else _("No key of the metadata names a cluster."),
        "held_out_share": _("About %(percent)s per cent of the rows are held out, in whole clusters.")
        % {"percent": f"{100 * policy.held_out_share:g}"},
        "split_seed": _("Which clusters are held out follows from the seed %(seed)s.") % {"seed": policy.split_seed},
    }


def _guidelines(policy: FreezePolicy) -> str:
    if policy.guideline_versions is None:
        return _("Votes under every version of the guidelines are used, and those without any.")
    named = ", ".join(str(number) for number in policy.guideline_versions if number)
    if 0 not in policy.guideline_versions:
        return _("Votes under these versions of the guidelines are used: %(numbers)s.") % {"numbers": named}
    if not named:
        return _("Only votes given without guidelines are used.")
    return _("Votes under these versions of the guidelines are used, and those without any: %(numbers)s.") % {
        "numbers": named
    }


def _agreement(policy: FreezePolicy) -> str:
    is_weighted = policy.label_rule == "reliability_weighted"
    if is_weighted:
        rule = _("p = (a + sum of weight times vote) / (2a + sum of weights), with a = (1 - P) / (2P - 1).")
    else:
        rule = _("p = (a + sum of votes) / (2a + number of votes), with a = (1 - P) / (2P - 1).")
    if policy.agreement is None and is_weighted:
        where = _(
            "P is how often two votes that both take a side take the same one, each two counted by their weights, "
            "measured on these votes and kept within .55 and .99; .73 where no two meet."
        )
    elif policy.agreement is None:
        where = _(
            "P is how often two annotators who both take a side take the same one, measured on these votes and kept "
            "within .55 and .99; .73 where no two meet."
        )
    else:
        where = _("P is given as %(value)s.") % {"value": f"{policy.agreement:g}"}
    return f"{rule} {where}"

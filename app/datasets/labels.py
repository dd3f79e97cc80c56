"""What the pages of data sets call things, in the reader's language."""

from __future__ import annotations

from app.web.i18n import gettext as _


def exclusions() -> dict[str, str]:
    return {
        "tie": _("No better side"),
        "too_few_votes": _("Too few votes"),
        "same_text": _("Both responses are the same text"),
        "empty_response": _("A response without text"),
    }


def sources() -> dict[str, str]:
    """Where P comes from."""
    return {
        "measured": _("measured on these votes"),
        "given": _("given by the policy"),
        "assumed": _("assumed, since no two annotators judged the same pair"),
    }


def reasons() -> dict[str, str]:
    """Why an estimate has no value or no interval."""
    return {
        "no_overlap": _("no pair has two votes"),
        "no_variation": _("the votes do not vary"),
        "too_few_items": _("too few clusters of prompts for an interval"),
    }


def splits() -> dict[str, str]:
    return {"train": _("Training"), "held_out": _("Held out")}


def phases() -> dict[str, str]:
    return {
        "naming": _("Naming the votes"),
        "reading": _("Reading votes and texts"),
        "labelling": _("Measuring agreement, labelling"),
        "writing": _("Writing the rows"),
        "saving": _("Keeping the files"),
        "comparing": _("Comparing the files"),
    }


def knobs() -> dict[str, str]:
    """The policy's knobs by name."""
    return {
        "overlap_reasons": _("Reasons"),
        "annotator_kinds": _("Annotators"),
        "guideline_versions": _("Guidelines"),
        "archived_tasks": _("Archived tasks"),
        "minimum_votes": _("Votes"),
        "label_rule": _("Weights of votes"),
        "agreement": _("Labels"),
        "both_bad": _("Both bad"),
        "ties": _("Ties"),
        "slice_weights": _("Weights"),
        "cluster_by": _("Clusters"),
        "cluster_key": _("Named clusters"),
        "held_out_share": _("Held out"),
        "split_seed": _("Seed"),
    }


def files() -> dict[str, str]:
    return {
        "train.jsonl": _("Rows to train on"),
        "held_out.jsonl": _("Rows to measure on"),
        "demonstrations.jsonl": _("Written answers and edits to fine-tune on"),
        "held_out_demonstrations.jsonl": _("Written answers and edits to measure on"),
        "all.parquet": _("All pairs as Parquet"),
        "manifest.json": _("What it is made of, counts and hashes"),
        "policy.json": _("The policy, a sentence for each knob"),
    }

"""One attempt of an evaluation: trained models and rows to measure them on, in a process as for a training.

What it finds is the job's result. Nothing of an attempt is kept before that, so that a later one begins anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from app import queue
from app.config import settings
from app.database import JSON, unit_of_work
from app.errors import Invalid, NotFound
from app.models import Job, TrainingRun
from app.training import evaluation_queries, ledger_queries
from app.training.devices import Device
from app.training.options import model_of_run
from workers.pulse import Reporter
from workers.runner import run, scratch
from workers.training.errors import is_full

MEASURED = "measured.jsonl"


@dataclass(frozen=True)
class Plan:
    """`models` are the files of runs by the folder they go into, `files` single ones by their name there."""

    algorithm: str
    options: JSON
    models: dict[str, JSON]
    files: dict[str, JSON]
    device: Device


def evaluate(job: Job, reporter: Reporter) -> JSON:
    """What was measured. Errors: queue's, Invalid, TrainingFailed."""
    attempt = Evaluation(read_plan(job), reporter)
    try:
        with scratch.folder_of(job.id, reporter.attempt, kind="evaluation") as folder:
            return attempt.result(folder)
    except OSError as error:
        if not is_full(error):
            raise
        attempt.disk_is_full()
    finally:
        reporter.at_beat = reporter.at_loss = lambda: None


def read_plan(job: Job) -> Plan:
    with unit_of_work() as session:
        device = ledger_queries.device_of(session, job_id=job.id, attempt=job.attempt)
        if device is None:
            raise queue.TryAgain("The attempt holds no device.")
        run_of, wanted = _runs(session, job), job.payload["options"]
        measured = run_of["run"]
        own = ledger_queries.run_with_data(session, measured.id)
        if own is None:
            raise NotFound("The run to evaluate is no longer there.")
        files = {MEASURED: job.payload["upload"] or _held_out(session, job)}
        if measured.algorithm == "reward_model":
            files[scratch.TRAIN] = (own[1].files or {})[scratch.TRAIN]
            options = _of_reward_model(measured, run_of.get("against"), wanted)
        else:
            options = _of_policy(measured, run_of.get("reference"), run_of.get("judge"), wanted)
        return Plan(
            algorithm="evaluation" if measured.algorithm == "reward_model" else "policies",
            options=options,
            models={model_of_run(each.number): _model(each) for each in run_of.values()},
            files=files,
            device=device,
        )


def _runs(session: Session, job: Job) -> dict[str, TrainingRun]:
    """The run to evaluate, and those it is compared with or judged by, as they were when the job was asked for."""
    found = {}
    for name in ("run", "against", "reference", "judge"):
        number = job.payload["number"] if name == "run" else job.payload["options"].get(name)
        if number is not None and job.project_id is not None:
            found[name] = evaluation_queries.finished_run(session, job.project_id, number)
    return found


def _held_out(session: Session, job: Job) -> JSON:
    version = evaluation_queries.version(session, int(job.payload["dataset_version_id"]))
    facts: JSON = (version.files or {})[scratch.HELD_OUT]
    return facts


def _model(training: TrainingRun) -> JSON:
    """The adapter of a run that had one lies beside the model in which it is merged already."""
    return {name: facts for name, facts in (training.files or {}).items() if "/" not in name}


def _of_reward_model(measured: TrainingRun, against: TrainingRun | None, wanted: JSON) -> JSON:
    options: JSON = {
        "model": model_of_run(measured.number),
        "max_length": measured.options.get("max_length", 0),
        "criterion": wanted["criterion"],
        "seed": wanted["seed"],
    }
    if against is not None:
        length = against.options.get("max_length", 0)
        options |= {"against": model_of_run(against.number), "against_max_length": length}
    return options


def _of_policy(measured: TrainingRun, reference: TrainingRun | None, judge: TrainingRun | None, wanted: JSON) -> JSON:
    names = ("criterion", "max_new_tokens", "max_prompts", "samples", "temperature", "seed")
    options: JSON = {
        "policy": model_of_run(measured.number),
        "reference": model_of_run(reference.number) if reference else measured.options["model"],
        "prompts": MEASURED,
        "max_length": measured.options.get("max_length", 0),
        "beta": measured.options.get("beta", 0.1),
        **{name: wanted[name] for name in names},
    }
    if judge is not None:
        options |= {
            "reward_model": model_of_run(judge.number),
            "reward_max_length": judge.options.get("max_length", 0),
        }
    return options


class Evaluation(run.Attempt):
    """As a training's attempt, without checkpoints and without a run that it writes into."""

    what = "evaluation"
    plan: Plan  # type: ignore[assignment]  # it has what `compute` needs

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        super().__init__(plan, reporter)  # type: ignore[arg-type]

    def result(self, folder: Path) -> JSON:
        self.phase("fetching")
        self.say("info", f"Attempt {self.reporter.attempt} on {self.plan.device.name}")
        for name, facts in self.plan.files.items():
            scratch.materialise_file(folder / name, facts, between=self.check)
        for name, files in self.plan.models.items():
            scratch.materialise_model(folder / name, files, between=self.check)
        self.measured = rows_of(folder / MEASURED, self.plan)
        self.phase("starting")
        code, last_words = self.compute(folder)
        if code != os.EX_OK or self.last.get("event") != "result":
            self.refuse(code, last_words)
        return {key: value for key, value in self.last.items() if key != "event"}

    def spec(self) -> JSON:
        config = settings()
        return {
            "options": {
                **self.plan.options,
                **self.measured,
                "device": "auto",
                "threads": config.training_threads,
            },
            "nice": 0 if self.plan.device.is_gpu else config.training_nice,
            "silence_seconds": 0.8 * config.job_lease_seconds,
        }

    def kept(self) -> str:
        return "Nothing is kept of a measurement."


def rows_of(path: Path, plan: Plan) -> JSON:
    """The options that name the rows, by what the first one is: a pair, a set of responses, or a prompt alone."""
    first = first_row(path)
    is_pair = isinstance(first.get("chosen"), str) and isinstance(first.get("rejected"), str)
    if plan.algorithm == "policies":
        return {"pairs": MEASURED} if is_pair else {}
    if not isinstance(first.get("chosen"), list):
        return {"data": MEASURED, "train_data": scratch.TRAIN}
    if "against" in plan.options:
        raise Invalid("Two models are compared on pairs, not on sets of responses. Leave the other run out.")
    return {"best_of_4": MEASURED}


def first_row(path: Path) -> JSON:
    """Empty where it is no JSON object: the measurement then says what is wrong with it, and in which row."""
    with path.open("rb") as stream:
        line = next((line for line in stream if line.strip()), b"")
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

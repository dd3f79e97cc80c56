"""One attempt of a training: from the frozen files to the recorded result, or to the sentence that says why not."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import queue, storage
from app.config import settings
from app.database import JSON, unit_of_work
from app.datasets import service as datasets
from app.errors import AppError, Invalid, NotFound
from app.models import Job, TrainingRun
from app.training import devices, ledger, ledger_queries
from app.training.devices import Device
from app.training.options import SUPPLIED, model_of_run
from workers import shutdown
from workers.pulse import Reporter
from workers.runner import environment, scratch
from workers.runner.checkpoints import Shelf
from workers.runner.process import Event, TrainingProcess
from workers.training.errors import BadInput, Diverged, HandedBack, OutOfMemory, OutOfSpace, is_full

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.2
FLUSH_SECONDS = 1.0
FLUSH_ROWS = 200
CANCEL_SECONDS = 10.0
END_SECONDS = 30.0
# The runner's to decide, whatever the options of a run say.
REPLACED = SUPPLIED | {"base_run"}
# What the frozen files are to an algorithm: their rows are pairs, and SFT learns the chosen side.
READS_AS: dict[str, JSON] = {"sft": {"answers": "chosen"}}


class TrainingFailed(AppError):
    """The run cannot go on, and trying again would change nothing."""

    status = 422
    code = "training_failed"


@dataclass(frozen=True)
class Plan:
    """What the rows say of a run, read once."""

    run_id: int
    algorithm: str
    options: JSON
    files: JSON
    lineage: JSON
    base: JSON
    """{name: {"stored", "sha256"}} of the model that an earlier run made, which this one begins with; else empty."""
    device: Device
    is_done: bool


def run(job: Job, reporter: Reporter) -> JSON:
    """Train; the result stands in the run's row and files when this returns. Errors: queue's, TrainingFailed."""
    plan = read_plan(job)
    if plan.is_done:  # the worker died between the result and the end of the job
        return {"run_id": plan.run_id}
    attempt = Attempt(plan, reporter)
    try:
        with scratch.folder_of(plan.run_id, reporter.attempt) as folder:
            attempt.whole(folder)
    except OSError as error:
        if not is_full(error):
            raise
        attempt.disk_is_full()
    finally:
        reporter.at_beat = reporter.at_loss = lambda: None
    return {"run_id": plan.run_id}


def read_plan(job: Job) -> Plan:
    with unit_of_work() as session:
        found = ledger_queries.run_with_data(session, int(job.payload["run_id"]))
        if found is None:
            raise NotFound("The training that this job names is no longer there.")
        training, version = found
        if version.files is None:
            raise Invalid("The data set is not frozen yet; there is nothing to train on.")
        base, lineage = read_base(session, training)
        device = ledger_queries.device_of(session, job_id=job.id, attempt=job.attempt)
        if device is None:
            raise queue.TryAgain("The attempt holds no device.")
        return Plan(
            run_id=training.id,
            algorithm=training.algorithm,
            options=training.options,
            files=version.files,
            lineage=datasets.lineage(session, version) | lineage,
            base=base,
            device=device,
            is_done=training.result is not None,
        )


def read_base(session: Session, training: TrainingRun) -> tuple[JSON, JSON]:
    """Files of the model that the run goes on from, and what its model card says of that; both empty without one."""
    if training.options.get("base_run") is None:
        return {}, {}
    found = ledger_queries.base_of(session, training)
    if found is None or not found[0].files:
        raise Invalid("The run that this one goes on from has no model.")
    earlier, version = found
    # The adapter of a run that had one lies beside the model in which it is merged already.
    files = {name: facts for name, facts in found[0].files.items() if "/" not in name}
    said = {
        "number": earlier.number,
        "name": earlier.name,
        "algorithm": earlier.algorithm,
        "made from": earlier.options.get("model"),
        "data set version": version.number,
        "content hash": version.content_hash,
        "weights": {name: facts["sha256"] for name, facts in sorted(files.items()) if name.endswith(".safetensors")},
    }
    return files, {"base run": said}


class Attempt:
    """The child, what it said that is not written down yet, and what is wanted of it. `what` it computes."""

    what = "training"

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self.plan, self.reporter = plan, reporter
        self.metrics: list[tuple[int, str, JSON]] = []
        self.lines: list[tuple[str, str]] = []
        self.state: dict[str, Any] = {}
        self.flushed_at = 0.0
        self.last: Event = {}
        self.is_asked = False
        self.shelf: Shelf

    def whole(self, folder: Path) -> None:
        self.phase("fetching")
        self.say("info", f"Attempt {self.reporter.attempt} on {self.plan.device.name}")
        scratch.materialise(folder, self.plan.files, self.plan.lineage, between=self.check)
        if self.plan.base:
            model = folder / model_of_run(self.plan.options["base_run"])
            scratch.materialise_model(model, self.plan.base, between=self.check)
        checkpoints = folder / scratch.OUT / "checkpoints"
        checkpoints.mkdir(parents=True)
        self.shelf = Shelf(run_id=self.plan.run_id, reporter=self.reporter, folder=checkpoints, say=self.say)
        self.shelf.fetch()
        self.phase("starting")
        code, last_words = self.compute(folder)
        if code != os.EX_OK or self.last.get("event") != "result":
            self.refuse(code, last_words)
        self.phase("storing")
        self.promote(folder / scratch.OUT)

    def compute(self, folder: Path) -> tuple[int, str]:
        """The child's exit code and the last lines of its error output; no process is left, however this ends."""
        self.check()
        child = TrainingProcess(
            self.plan.algorithm,
            self.spec(),
            folder=folder,
            environment=environment.of_child(os.environ, self.plan.device),
        )
        self.reporter.at_beat, self.reporter.at_loss = child.beat, child.kill
        try:
            self.follow(child)
            return child.close(patience=END_SECONDS), child.last_words()
        except queue.Cancelled:
            child.end(seconds=CANCEL_SECONDS)
            raise
        finally:
            child.close()

    def spec(self) -> JSON:
        options = {name: value for name, value in self.plan.options.items() if name not in REPLACED}
        config = settings()
        return {
            "options": {
                **options,
                **READS_AS.get(self.plan.algorithm, {}),
                "data": scratch.TRAIN,
                "eval_data": scratch.HELD_OUT,
                "lineage": scratch.LINEAGE,
                "out": scratch.OUT,
                # What it may see is decided by its environment; with auto a run may go on on a machine of another kind.
                "device": "auto",
                "threads": config.training_threads,
            },
            "nice": 0 if self.plan.device.is_gpu else config.training_nice,
            # Gone for sure when the lease has run out and a successor may take the device.
            "silence_seconds": 0.8 * config.job_lease_seconds,
        }

    def follow(self, child: TrainingProcess) -> None:
        """Write down what it says until it says no more; relay what is wanted of it."""
        while True:
            self.check()
            if shutdown.is_asked() and not self.is_asked:
                self.is_asked = True
                child.ask_to_stop()
            try:
                event = child.next(LOOK_SECONDS)
            except EOFError:
                self.flush()
                return
            if event is not None:
                self.note(event)
            is_due = time.monotonic() - self.flushed_at > FLUSH_SECONDS
            if is_due or len(self.metrics) >= FLUSH_ROWS:
                self.flush_if_possible()

    def note(self, event: Event) -> None:
        """One line of the child. Steps and evaluations are measured, checkpoints stored, the rest is said."""
        self.last = event
        kind, step = event["event"], event.get("step")
        values = {name: value for name, value in event.items() if name not in ("event", "step")}
        if kind in ("step", "evaluation"):
            self.metrics.append((int(step or 0), kind, values))
        if kind == "step":
            self.state["progress"] = event["step"] / event["steps"]
            self.state["message"] = str(round(event.get("seconds_left") or 0)) if event.get("seconds_left") else ""
        elif kind == "progress":
            self.state["progress"] = event["share"]
        elif kind == "phase":
            self.phase(event["phase"])
        elif kind == "checkpoint":
            self.shelf.keep(event["step"])
            self.say("info", f"Checkpoint of step {step} stored")
        elif kind == "resumed":
            self.say("info", f"Going on from the checkpoint of step {step}")
        elif kind in ("notice", "handed_back"):
            self.say("info", event["message"])

    def phase(self, name: str) -> None:
        self.state["phase"], self.state["message"] = name, ""
        self.say("info", f"Phase: {name}")
        self.flush_if_possible()

    def say(self, level: str, message: str) -> None:
        self.lines.append((level, message))

    def check(self) -> None:
        """Raises LostLease or Cancelled."""
        self.reporter.check()

    def flush(self) -> None:
        """Everything said since the last time, in one transaction under the fence."""
        job_id, attempt = self.reporter.job_id, self.reporter.attempt
        with unit_of_work() as session:
            self.reporter.fence(session)
            ledger.add_metrics(session, job_id=job_id, attempt=attempt, rows=self.metrics)
            ledger.add_log(session, job_id=job_id, attempt=attempt, lines=self.lines)
        self.metrics, self.lines = [], []
        queue.report(job_id, attempt, **self.state)
        self.state = {}
        self.flushed_at = time.monotonic()

    def flush_if_possible(self) -> None:
        """A database that is away for a moment costs no training; what it misses is written at the next time."""
        try:
            self.flush()
        except OperationalError as error:
            log.warning("progress_not_written", error=str(error.orig))
            self.flushed_at = time.monotonic()

    def refuse(self, code: int, last_words: str) -> NoReturn:
        """How the child ended, as the exception that the job ends or goes on with."""
        said = str(self.last.get("message") or "") if self.last.get("event") == "failed" else ""
        if shutdown.is_asked() and (code in (os.EX_TEMPFAIL, os.EX_OK) or code < 0):
            raise queue.HandedBack
        if code in (BadInput.exit_code, Diverged.exit_code, OutOfMemory.exit_code) and said:
            self.give_up(said)
        if code == OutOfSpace.exit_code:
            self.disk_is_full()
        log.warning(f"{self.what}_process_ended", exit_code=code, last_words=last_words)
        how = f"was ended by signal {-code}" if code < 0 else f"ended unexpectedly with exit code {code}"
        if code == HandedBack.exit_code:
            how = "was told to stop by somebody else"
        self.say("error", f"The {self.what} process {how}. {last_words}".strip())
        self.flush()
        raise queue.TryAgain(f"The {self.what} process {how}. {self.kept()}")

    def disk_is_full(self) -> NoReturn:
        self.give_up(f"The worker's disk is full, and the {self.what} could not be saved. {self.kept()}")

    def give_up(self, sentence: str) -> NoReturn:
        self.say("error", sentence)
        self.flush()
        raise TrainingFailed(sentence)

    def kept(self) -> str:
        step = self.shelf.last_step if hasattr(self, "shelf") else None
        return "No checkpoint was kept." if step is None else f"The checkpoint of step {step} is kept."

    def promote(self, out: Path) -> None:
        """Store the result's folder, and record it with its files in one transaction under the fence."""
        name = f"runs/{self.plan.run_id}/attempt-{self.reporter.attempt}/result"
        storage.save_folder(name, out, between=self.check)
        files = storage.files_of(out)
        result = {key: value for key, value in self.last.items() if key != "event"}
        try:
            with unit_of_work() as session:
                self.reporter.fence(session)
                ledger.record_result(
                    session,
                    run_id=self.plan.run_id,
                    result=result,
                    files={file: {"stored": f"{name}/{file}", **facts} for file, facts in files.items()},
                )
        except queue.LostLease:
            storage.delete_folder(name)
            raise


def take_device(session: Session, job: Job) -> str | None:
    """The phase to wait in, where all devices of this machine are held."""
    device = ledger.take_device(session, job_id=job.id, attempt=job.attempt + 1, devices=devices.of_this_machine())
    return None if device is not None else "waiting_for_device"

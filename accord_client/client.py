"""The client: one method for each thing that programs do, over one pool of connections.

What may be asked twice without harm is asked again when the connection is lost or the server is busy: reading, taking
the next task (the desk keeps it), and submitting, which carries one Idempotency-Key over all its attempts. An upload
is sent once.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self
from uuid import UUID, uuid4

import httpx

from accord_client.errors import AccordError, ConnectionLost, JobFailed
from accord_client.models import (
    Agreement,
    Curves,
    Dataset,
    DatasetDetail,
    Desk,
    Job,
    Judgement,
    Lease,
    Me,
    Project,
    Serving,
    Task,
    TaskDetail,
    TaskPage,
    TrainingRun,
    TrainingRunDetail,
)

ATTEMPTS = 5
BUSY = frozenset({429, 502, 503, 504})
LONGEST_PAUSE = 30.0


class Client:
    """Speaks to the server at `base_url` for the person whose API token it is given."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/api/v1/",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def me(self) -> Me:
        return Me.of(self._call("GET", "me"))

    def projects(self) -> Iterator[Project]:
        """The projects one has a role in, newest first, all pages."""
        for page in self._pages("projects", {}):
            yield from (Project.of(item) for item in page["items"])

    def project(self, project_id: int) -> Project:
        return Project.of(self._call("GET", f"projects/{project_id}"))

    def task_page(
        self, project_id: int, *, cursor: str | None = None, size: int = 50, sort: str = "id", **conditions: Any
    ) -> TaskPage:
        """One page. By status, kind, q, external_id, tag, domain, language, annotator, batch, late, flagged."""
        query = {**conditions, "cursor": cursor, "size": size, "sort": sort}
        return TaskPage.of(self._call("GET", f"projects/{project_id}/tasks", params=query))

    def tasks(self, project_id: int, *, sort: str = "id", **conditions: Any) -> Iterator[Task]:
        """All tasks that meet the conditions, page by page."""
        for page in self._pages(f"projects/{project_id}/tasks", {**conditions, "sort": sort, "size": 200}):
            yield from (Task.of(item) for item in page["items"])

    def task(self, project_id: int, task_id: int) -> TaskDetail:
        return TaskDetail.of(self._call("GET", f"projects/{project_id}/tasks/{task_id}"))

    def change_task(
        self,
        project_id: int,
        task_id: int,
        *,
        priority: int | None = None,
        tags: list[str] | None = None,
        status: Literal["archived", "open"] | None = None,
    ) -> TaskDetail:
        """What is given is changed, the rest stays."""
        given = {"priority": priority, "tags": tags, "status": status}
        body = {name: value for name, value in given.items() if value is not None}
        return TaskDetail.of(self._call("PATCH", f"projects/{project_id}/tasks/{task_id}", json=body, may_repeat=False))

    def requeue(self, project_id: int, task_id: int, *, judgements: int = 1) -> TaskDetail:
        """Ask for more judgements."""
        address = f"projects/{project_id}/tasks/{task_id}/requeue"
        return TaskDetail.of(self._call("POST", address, json={"judgements": judgements}, may_repeat=False))

    def agreement(self, project_id: int, *, version: int | str | None = None, kind: str | None = None) -> Agreement:
        """Of all counted votes, or of those under a guideline version ("none": without any) or of a kind of annotator.

        Kinds are person, imported, simulated and model.
        """
        query = {"version": version, "kind": kind}
        return Agreement.of(self._call("GET", f"projects/{project_id}/agreement", params=query))

    def next(self, project_id: int) -> Desk:
        """The task on one's desk: the one that is there already, or the next of the queue."""
        return Desk.of(self._call("POST", f"projects/{project_id}/next"))

    def submit(
        self,
        serving: Serving | UUID | str,
        answer: int | Literal["both_bad"] | None = None,
        *,
        ranking: list[list[str]] | None = None,
        ratings: dict[str, dict[str, int]] | None = None,
        comparisons: dict[str, str] | None = None,
        tags: list[str] | None = None,
        response_tags: dict[str, list[str]] | None = None,
        edit: dict[str, str] | None = None,
        demonstration: str | None = None,
        rationale: str = "",
        is_flagged: bool = False,
        active_ms: int | None = None,
        idle_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> Judgement:
        """Judge the task, as its schema asks: responses are called by letters, the first one A.

        `answer` runs from -S (A much better) over 0 (a tie) to S, or is both_bad. `ranking` has places from the best,
        each with the letters that share it. `ratings` are by criterion and letter, `comparisons` by criterion a letter
        or tie, `edit` is {"source": letter, "text": …}, and `demonstration` the answer to a bare prompt.
        Without a key of your own a random one is made, which all attempts of this call carry; give one where your own
        program may call again after a crash.
        """
        body = {
            "answer": answer,
            "ranking": ranking,
            "ratings": ratings or {},
            "comparisons": comparisons or {},
            "tags": tags or [],
            "response_tags": response_tags or {},
            "edit": edit,
            "demonstration": demonstration,
            "rationale": rationale,
            "is_flagged": is_flagged,
            "active_ms": active_ms,
            "idle_ms": idle_ms,
        }
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        return Judgement.of(self._call("POST", f"assignments/{_id(serving)}/annotation", json=body, headers=headers))

    def skip(self, serving: Serving | UUID | str, reason: str, *, note: str = "") -> Lease:
        """Put the task aside for good; reason: unclear, not_my_field, harmful, broken or other."""
        body = {"reason": reason, "note": note}
        return Lease.of(self._call("POST", f"assignments/{_id(serving)}/skip", json=body))

    def give_back(self, serving: Serving | UUID | str) -> Lease:
        """Put the task back into the queue."""
        return Lease.of(self._call("POST", f"assignments/{_id(serving)}/return"))

    def keep(self, serving: Serving | UUID | str) -> Lease:
        """Keep the lease while at work on it."""
        return Lease.of(self._call("POST", f"assignments/{_id(serving)}/heartbeat"))

    def upload(self, project_id: int, file: str | os.PathLike[str] | IO[bytes], *, filename: str | None = None) -> Job:
        """Upload a file and rehearse its import; the job's result says what would happen. Sent once, never again."""
        if isinstance(file, str | os.PathLike):
            with Path(file).open("rb") as stream:
                return self.upload(project_id, stream, filename=filename or Path(file).name)
        files = {"file": (filename or Path(str(getattr(file, "name", "upload.jsonl"))).name, file)}
        return Job.of(self._call("POST", f"projects/{project_id}/imports", files=files, may_repeat=False))

    def start_import(
        self, project_id: int, preview: Job | int, *, overlap: int | None = None, extra_overlap: int = 0
    ) -> Job:
        """Start the import that a preview has shown; a second time, the same job."""
        job_id = preview.id if isinstance(preview, Job) else preview
        body = {"overlap": overlap, "extra_overlap": extra_overlap}
        return Job.of(self._call("POST", f"projects/{project_id}/imports/{job_id}/start", json=body))

    def import_file(
        self, project_id: int, file: str | os.PathLike[str] | IO[bytes], *, timeout: float = 600.0, **options: Any
    ) -> Job:
        """Upload, rehearse, import and wait: the job that has ended, with its counts as its result."""
        preview = self.wait(self.upload(project_id, file), timeout=timeout)
        return self.wait(self.start_import(project_id, preview, **options), timeout=timeout)

    def start_training(
        self,
        project_id: int,
        dataset: int,
        *,
        name: str = "",
        algorithm: Literal["reward_model", "sft", "dpo"] = "reward_model",
        **options: Any,
    ) -> TrainingRunDetail:
        """Train on that frozen data set version; `options` by the names of the algorithm (model="minilm", epochs=1).

        sft and dpo train language models; `base_run` is the number of one of their finished runs to go on from.
        """
        body = {"dataset": dataset, "name": name, "algorithm": algorithm, "options": options}
        return TrainingRunDetail.of(self._call("POST", f"projects/{project_id}/training", json=body, may_repeat=False))

    def training_runs(self, project_id: int) -> Iterator[TrainingRun]:
        """All runs of the project, newest first, page by page."""
        for page in self._pages(f"projects/{project_id}/training", {}):
            yield from (TrainingRun.of(item) for item in page["items"])

    def training_run(self, project_id: int, number: int) -> TrainingRunDetail:
        return TrainingRunDetail.of(self._call("GET", f"projects/{project_id}/training/{number}"))

    def training_metrics(self, project_id: int, number: int, *, after: int = 0) -> Curves:
        """What was measured after that step; ask again with its `last_step`."""
        address = f"projects/{project_id}/training/{number}/metrics"
        return Curves.of(self._call("GET", address, params={"after": after}))

    def cancel_training(self, project_id: int, number: int) -> TrainingRunDetail:
        address = f"projects/{project_id}/training/{number}/cancel"
        return TrainingRunDetail.of(self._call("POST", address, may_repeat=False))

    def download_model(self, project_id: int, number: int, folder: str | os.PathLike[str]) -> Path:
        """All files of a trained model into a folder that plain transformers loads, each checked by its sha256."""
        run = self.training_run(project_id, number)
        if not run.files:
            raise AccordError("no_model", f"Run {number} has no model: it {_ended(run.state)}.")
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, facts in run.files.items():
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise AccordError("bad_name", f"The server names a file {name!r}, which would leave the folder.")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            self._download(f"projects/{project_id}/training/{number}/files/{name}", target / name, facts["sha256"])
        return target

    def datasets(self, project_id: int) -> Iterator[Dataset]:
        """The project's data set versions, newest first, all pages."""
        for page in self._pages(f"projects/{project_id}/datasets", {}):
            yield from (Dataset.of(item) for item in page["items"])

    def dataset(self, project_id: int, number: int) -> DatasetDetail:
        return DatasetDetail.of(self._call("GET", f"projects/{project_id}/datasets/{number}"))

    def freeze(self, project_id: int, **policy: Any) -> DatasetDetail:
        """Ask for a data set version by this policy (its fields by name, the rest by default); sent once."""
        return DatasetDetail.of(self._call("POST", f"projects/{project_id}/datasets", json=policy, may_repeat=False))

    def freeze_and_wait(self, project_id: int, *, timeout: float = 600.0, **policy: Any) -> DatasetDetail:
        """The version once it is frozen; JobFailed with the reason where it could not be."""
        asked = self.freeze(project_id, **policy)
        assert asked.job_id is not None
        self.wait(asked.job_id, timeout=timeout)
        return self.dataset(project_id, asked.number)

    def verify_dataset(self, project_id: int, number: int) -> Job:
        """Build the version again from its votes; the job's result says whether the hash is the same (`is_same`)."""
        return Job.of(self._call("POST", f"projects/{project_id}/datasets/{number}/verify"))

    def download_dataset(self, project_id: int, number: int, name: str, target: str | os.PathLike[str]) -> Path:
        """Write a file of the version (train.jsonl, held_out.jsonl, all.parquet ...) to `target`, checked by its hash.

        What was begun is removed again where the connection breaks or the hash is another.
        """
        expected = self.dataset(project_id, number).files.get(name)
        if expected is None:
            raise AccordError("not_found", f"Data set {number} has no file {name}.", status=404)
        path = Path(target)
        self._download(f"projects/{project_id}/datasets/{number}/files/{name}", path, expected["sha256"])
        return path

    def job(self, job_id: int) -> Job:
        return Job.of(self._call("GET", f"jobs/{job_id}"))

    def wait(self, job: Job | int, *, timeout: float = 600.0, every: float = 0.5) -> Job:
        """The job once it has succeeded; JobFailed if it failed or was cancelled; AccordError after `timeout` s."""
        found = job if isinstance(job, Job) else self.job(job)
        deadline = time.monotonic() + timeout
        while not found.has_ended:
            if time.monotonic() > deadline:
                raise AccordError("timeout", f"Job {found.id} is still {found.state} after {timeout:g} seconds.")
            self._sleep(every)
            found = self.job(found.id)
        if found.state != "succeeded":
            detail = found.error or f"Job {found.id} was {found.state}."
            raise JobFailed(f"job_{found.state}", detail, problem=found.result)
        return found

    def _download(self, address: str, path: Path, sha256: str) -> None:
        """Under another name until it is whole."""
        partial = path.with_name(path.name + ".partial")
        digest = hashlib.sha256()
        try:
            with self._http.stream("GET", address) as response, partial.open("wb") as out:
                if not response.is_success:
                    response.read()
                    raise _refusal(response)
                for chunk in response.iter_bytes():
                    digest.update(chunk)
                    out.write(chunk)
            if digest.hexdigest() != sha256:
                raise AccordError("damaged", f"{path.name} did not arrive as it is stored. Download it again.")
            partial.replace(path)
        except httpx.TransportError as error:
            raise ConnectionLost(f"GET {address}: {type(error).__name__}: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _pages(self, address: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self._call("GET", address, params={**query, "cursor": cursor})
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _call(self, method: str, address: str, *, may_repeat: bool = True, **parts: Any) -> dict[str, Any]:
        """The JSON of the answer; AccordError for a refusal, ConnectionLost where none came."""
        if "params" in parts:
            parts["params"] = {name: _plain(value) for name, value in parts["params"].items() if value is not None}
        attempts = ATTEMPTS if may_repeat else 1
        for attempt in range(1, attempts + 1):
            is_last = attempt == attempts
            try:
                response = self._http.request(method, address, **parts)
            except httpx.TransportError as error:
                if is_last:
                    raise ConnectionLost(f"{method} {address}: {type(error).__name__}: {error}") from error
                self._sleep(_pause(attempt))
                continue
            if response.is_success:
                return dict(response.json()) if response.content else {}
            if response.status_code in BUSY and not is_last:
                self._sleep(_pause(attempt, response))
                continue
            raise _refusal(response)
        raise AssertionError("the last attempt returns or raises")


def _ended(state: str) -> str:
    return f"was {state}" if state == "cancelled" else state if state == "failed" else f"is still {state}"


def _id(serving: Serving | UUID | str) -> str:
    return str(serving.public_id if isinstance(serving, Serving) else serving)


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _pause(attempt: int, response: httpx.Response | None = None) -> float:
    """Seconds before the next attempt: what the server asked for, or a growing, jittered while."""
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if asked.isdigit():
        return min(float(asked), LONGEST_PAUSE)
    return min(0.2 * 2.0**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


def _refusal(response: httpx.Response) -> AccordError:
    try:
        problem = response.json()
        return AccordError(
            problem["code"],
            problem["detail"],
            status=response.status_code,
            field=problem.get("field"),
            problem=problem,
        )
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered {response.status_code} without saying why."
        return AccordError(f"http_{response.status_code}", sentence, status=response.status_code)

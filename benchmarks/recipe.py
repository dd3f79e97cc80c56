"""Default options beside a plain fine-tune of the same encoder, on the cleaned pairs of debates that neither has seen.

UKPConvArg1 in four folds of three topics (both sides of a topic together, so that all pairs are held out once): train
on the authors' cleaned labels of nine topics, look at those of the other three. Plain is what one writes without
Accord: the mean of the tokens and a linear score, one epoch, batches of 16 pairs, learning rate 5e-5 falling to 0, 160
tokens, the encoder's own dropout, the debate's question before the argument. Accord is its command with default
options; the checkpoint it keeps is chosen on the pairs that it is measured on, among four a run.

A part that is done is kept in ACCORD_BENCH_FOLDER, if that is set: an interrupted run goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.loop import ROOT, cleaned_pairs, estimate, of, prepared

if TYPE_CHECKING:
    import torch

    from workers.training.data import Pair

N_FOLDS = 4
BATCH, RATE, TOKENS = 16, 5e-5, 160
EVERY = 50
PART = 8

Floats = NDArray[np.float64]
Arm = Callable[[list["Pair"], list["Pair"], Path], tuple[Floats, dict[str, Any]]]


def measure() -> dict[str, Any]:
    source = Path(os.environ.get("ACCORD_DATA", ROOT.parent / "shared" / "data")) / "ukp_convarg1"
    if not source.is_dir():
        raise SystemExit(f"ukp_convarg1 is absent: set ACCORD_DATA (looked in {source.parent}).")
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(os.environ.get("ACCORD_BENCH_FOLDER", folder))
        kept.mkdir(parents=True, exist_ok=True)
        pairs = cleaned_pairs(prepared(source, Path(folder), is_short=False))
        return compared(pairs, kept)


def compared(pairs: list[Pair], kept: Path) -> dict[str, Any]:
    from workers.training.evaluation.accuracy import evaluate
    from workers.training.evaluation.comparison import compare

    topics = sorted({topic(pair) for pair in pairs})
    tests: list[Pair] = []
    scores: dict[str, list[Floats]] = {name: [] for name in ARMS}
    folds = []
    for fold in range(N_FOLDS):
        held_out = set(topics[fold::N_FOLDS])
        train = [pair for pair in pairs if topic(pair) not in held_out]
        test = [pair for pair in pairs if topic(pair) in held_out]
        tests += test
        figures: dict[str, Any] = {"topics": sorted(held_out), "n_train": len(train)}
        for name, arm in ARMS.items():
            found, facts = once(name, arm, train, test, kept)
            scores[name].append(found)
            figures[name] = {**evaluate(test, found), **facts}
            print(f"fold {fold + 1}, {name:7s}{of(figures[name], 'eval_accuracy')}, shorter text wins "
                  f"{of(figures[name], 'eval_accuracy_shorter')}", flush=True)  # fmt: skip
        folds.append(figures)
    whole = {name: np.concatenate(found) for name, found in scores.items()}
    results = {name: evaluate(tests, found) for name, found in whole.items()}
    shorter = [n for n, pair in enumerate(tests) if len(pair.chosen) < len(pair.rejected)]
    delta = {name: found[:, 0] - found[:, 1] for name, found in whole.items()}
    difference = compare(tests, delta["accord"], delta["plain"])
    difference_shorter = compare([tests[n] for n in shorter], delta["accord"][shorter], delta["plain"][shorter])
    print(f"all {len(tests):,} pairs of {results['plain']['n_clusters']} debates, each held out once")
    for name, metrics in results.items():
        print(f"  {name:34s}{of(metrics, 'eval_accuracy')}")
        print(f"  {name + ', shorter text wins':34s}{of(metrics, 'eval_accuracy_shorter')}")
    print(f"  {'length only':34s}{of(results['plain'], 'length_only_accuracy')}")
    for title, gap in (("accord - plain", difference), ("accord - plain, shorter text wins", difference_shorter)):
        print(f"  {title:34s}{estimate(gap['difference'], gap['difference_interval'])}")
    return {
        **results,
        "difference": difference,
        "difference_shorter": difference_shorter,
        "folds": folds,
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }


def topic(pair: Pair) -> str:
    """A debate is named by its topic and the side taken."""
    return pair.prompt_cluster.partition("_")[0]


def once(name: str, arm: Arm, train: list[Pair], test: list[Pair], kept: Path) -> tuple[Floats, dict[str, Any]]:
    """The (pairs, 2) scores and facts of one arm, from what is kept where the same was done before."""
    rows = [[pair.prompt, pair.chosen, pair.rejected, pair.p] for part in (train, test) for pair in part]
    key = hashlib.sha256(json.dumps([len(train), rows]).encode()).hexdigest()[:16]
    path = kept / f"{name}-{key}.json"
    if not path.exists():
        found, facts = arm(train, test, kept / f"{name}-{key}")
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"scores": found.tolist(), "facts": facts}))
        part.rename(path)
    stored = json.loads(path.read_text())
    return np.array(stored["scores"], dtype=np.float64), stored["facts"]


def accord(train: list[Pair], test: list[Pair], folder: Path) -> tuple[Floats, dict[str, Any]]:
    """The command with default options; a folder that it left unfinished is gone on from."""
    import torch

    from workers.algorithms import reward_model
    from workers.training import models
    from workers.training.encoding import Encoder
    from workers.training.evaluation.scoring import score_pairs

    folder.mkdir(exist_ok=True)
    for name, pairs in (("train", train), ("test", test)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as out:
            for pair in pairs:
                row = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected, "p": pair.p}
                out.write(json.dumps({**row, "prompt_cluster": pair.prompt_cluster}) + "\n")
    config = reward_model.Config(
        data=folder / "train.jsonl", eval_data=folder / "test.jsonl", model="minilm", out=folder / "run"
    )
    started = time.perf_counter()
    metrics = reward_model.train(config, said)
    seconds = time.perf_counter() - started
    scorer = models.load_folder(folder / "run", dropout=0.0, base="the run's result")
    encoded = Encoder(scorer, max_length=config.max_length).encode(test)
    device = torch.device("cpu")
    found = score_pairs(scorer, encoded, batch_size=32, device=device, precision=torch.float32, between=lambda: None)
    facts = {name: metrics[name] for name in ("steps", "best_step")}
    return found, {**facts, "training_s": round(seconds, 1)}


def said(event: dict[str, Any]) -> None:
    if event["event"] == "step" and event["step"] % EVERY == 0:
        print(f"  step {event['step']} of {event['steps']}, loss {event['loss']:.3f}", flush=True)


def plain(train: list[Pair], test: list[Pair], _folder: Path) -> tuple[Floats, dict[str, Any]]:
    import torch
    import torch.nn.functional as F  # noqa: N812 - everybody's name for it
    from transformers import AutoModel, AutoTokenizer

    from workers.training.models import minilm_folder

    torch.manual_seed(0)
    weights = minilm_folder()
    tokenizer, encoder = AutoTokenizer.from_pretrained(weights), AutoModel.from_pretrained(weights)
    head = torch.nn.Linear(encoder.config.hidden_size, 1)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE)

    def rewards(prompts: list[str], responses: list[str]) -> torch.Tensor:
        """A few texts of similar length at a time, which pads least and changes no score."""
        order = sorted(range(len(responses)), key=lambda n: len(responses[n]))
        found = []
        for at in range(0, len(order), PART):
            part = order[at : at + PART]
            texts = [prompts[n] for n in part], [responses[n] for n in part]
            batch = tokenizer(*texts, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
            mask = batch["attention_mask"][..., None]
            hidden = encoder(**batch).last_hidden_state
            found.append(head((hidden * mask).sum(1) / mask.sum(1))[:, 0])
        return torch.cat(found)[torch.argsort(torch.tensor(order))]

    order = np.random.default_rng(0).permutation(len(train))
    batches = [[train[n] for n in order[at : at + BATCH]] for at in range(0, len(order), BATCH)]
    encoder.train()
    started = time.perf_counter()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / len(batches))
        prompts = [str(pair.prompt) for pair in batch]
        chosen, rejected = rewards(
            prompts * 2, [pair.chosen for pair in batch] + [pair.rejected for pair in batch]
        ).chunk(2)
        loss = -F.logsigmoid(chosen - rejected).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        said({"event": "step", "step": step + 1, "steps": len(batches), "loss": float(loss.detach())})
    seconds = time.perf_counter() - started
    encoder.eval()
    with torch.inference_mode():
        found = [rewards([str(pair.prompt)] * 2, [pair.chosen, pair.rejected]).tolist() for pair in test]
    return np.array(found, dtype=np.float64), {"steps": len(batches), "training_s": round(seconds, 1)}


ARMS: dict[str, Arm] = {"accord": accord, "plain": plain}

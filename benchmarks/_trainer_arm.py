"""One arm of the race of trainers, in a process of its own: what it printed last is its figures.

python -m benchmarks._trainer_arm ALGORITHM ARM FOLDER BATCH WARMUP STEPS MAX_LENGTH
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
LEARNING_RATE, BETA = 3e-4, 0.1
# Liger's kernels and padding-free batches need a GPU. What DPO's reference costs is paid before training.
BEST: dict[str, Any] = {"gradient_checkpointing": False, "train_sampling_strategy": "group_by_length"}
BEST_OF = {"dpo": {**BEST, "precompute_ref_log_probs": True}, "reward_model": BEST}


class AtTheEnd(Exception):
    """The last step is done: what a trainer does after it is not timed."""


class Clock:
    """When each step was reported, by the wall and by the processor, and its loss; what a reference pass took."""

    def __init__(self, *, batch: int, warmup: int, steps: int) -> None:
        self.batch, self.warmup, self.last = batch, warmup, warmup + steps
        self.times: dict[int, float] = {}
        self.processor: dict[int, float] = {}
        self.losses: list[float] = []
        self.began = self.reference = 0.0

    def step(self, step: int, loss: float) -> None:
        self.times[step], self.processor[step] = time.perf_counter(), time.process_time()
        self.losses.append(loss)
        if step == self.last:
            raise AtTheEnd

    def figures(self) -> dict[str, Any]:
        n_pairs = (self.last - self.warmup) * self.batch
        took, busy = (times[self.last] - times[self.warmup] for times in (self.times, self.processor))
        third = len(self.losses) // 3
        return {
            "pairs_per_second": round(n_pairs / took, 2),
            "pairs_per_processor_second": round(n_pairs / busy, 2),
            "seconds_of_start": round(self.began - STARTED - self.reference, 2),
            "seconds_of_reference": round(self.reference, 2),
            "seconds_in_total": round(self.times[self.last] - STARTED, 2),
            **peak_memory(),
            "mean_loss_by_third": [
                round(sum(part) / len(part), 4)
                for part in (self.losses[at : at + third] for at in range(0, 3 * third, third))
            ],
        }


def accord(algorithm: str, folder: Path, clock: Clock, *, max_length: int) -> None:
    module = importlib.import_module(f"workers.algorithms.{algorithm}")
    phases: dict[str, float] = {}

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "phase":
            phases[event["phase"]] = time.perf_counter()
            if event["phase"] == "training":
                clock.began = phases["training"]
                clock.reference = clock.began - phases.get("reference", clock.began)
        if event["event"] == "step":
            clock.step(event["step"], event["loss"])

    config = module.Config(
        data=folder / "train.jsonl",
        eval_data=folder / "eval.jsonl",
        model=str(folder / "model"),
        out=folder / "accord",
        batch_size=clock.batch,
        learning_rate=LEARNING_RATE,
        warmup=0.0,
        weight_decay=0.0,
        max_length=max_length,
        evaluations_per_epoch=1,
        checkpoint_every=10**9,
        log_every=1,
        threads=1,
        precision="bf16" if has_gpu() else "fp32",
        **({"beta": BETA} if algorithm == "dpo" else {}),
    )
    module.train(config, report)


def trl(algorithm: str, folder: Path, clock: Clock, *, max_length: int, is_best: bool) -> None:
    import datasets
    import torch
    import transformers
    import trl as peer

    torch.set_num_threads(1)

    class Watch(transformers.TrainerCallback):
        def on_train_begin(self, *_given: Any, **_named: Any) -> None:
            clock.began = time.perf_counter()

        def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_named: Any) -> None:
            if "loss" in logs:
                clock.step(state.global_step, float(logs["loss"]))

    class WatchedDPO(peer.DPOTrainer):  # type: ignore[misc]
        def _precompute_ref_logps(self, *given: Any) -> Any:
            before = time.perf_counter()
            found = super()._precompute_ref_logps(*given)
            clock.reference += time.perf_counter() - before
            return found

    def model_of(kind: Any) -> Any:
        flash = has_gpu() and transformers.utils.is_flash_attn_2_available()
        attention = "flash_attention_2" if flash else "sdpa"
        return kind.from_pretrained(folder / "model", dtype=torch.float32, attn_implementation=attention)

    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    settings = {
        "output_dir": str(folder / "trl"),
        "per_device_train_batch_size": clock.batch,
        "learning_rate": LEARNING_RATE,
        "max_steps": clock.last,
        "max_length": max_length,
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": 1,
        "bf16": has_gpu(),
        "use_cpu": not has_gpu(),
        "disable_tqdm": True,
        **(BEST_OF[algorithm] if is_best else {}),
    }
    shared = {
        "train_dataset": datasets.Dataset.from_list([conversation(row) for row in rows]),
        "processing_class": transformers.AutoTokenizer.from_pretrained(folder / "model"),
        "callbacks": [Watch()],
    }
    if algorithm == "dpo":
        writer = transformers.AutoModelForCausalLM
        reference = {} if is_best else {"ref_model": model_of(writer)}
        trainer = WatchedDPO(model_of(writer), args=peer.DPOConfig(**settings, beta=BETA), **reference, **shared)
    else:
        scorer = model_of(transformers.AutoModelForSequenceClassification)
        trainer = peer.RewardTrainer(scorer, args=peer.RewardConfig(**settings), **shared)
    if len(trainer.train_dataset) != len(rows):
        raise RuntimeError(f"TRL left out {len(rows) - len(trainer.train_dataset)} pairs: the arms would not be alike.")
    if is_best:
        let_it_group(trainer)
    trainer.train()


def conversation(row: dict[str, Any]) -> dict[str, Any]:
    """A row in TRL's conversational form."""
    answers = {name: [{"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected")}
    return {"prompt": row["prompt"], **answers}


def let_it_group(trainer: Any) -> None:
    """TRL drops every column that it does not know, and with it the one that its grouping by length looks for."""
    lengths = [
        len(row.get("prompt_ids", ())) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
        for row in trainer.train_dataset
    ]
    trainer.train_dataset = trainer.train_dataset.add_column("length", lengths)
    trainer._set_signature_columns_if_needed()  # noqa: SLF001
    trainer._signature_columns.append("length")  # noqa: SLF001


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def peak_memory() -> dict[str, int]:
    """The highest of this process since it began. `ru_maxrss` would count what the parent had when it forked."""
    import torch

    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024**2 if sys.platform == "darwin" else 1024)
    gpu = {"peak_gpu_memory_mib": torch.cuda.max_memory_allocated() // 2**20} if has_gpu() else {}
    return {"peak_memory_mib": peak, **gpu}


def main(algorithm: str, arm: str, folder: str, *numbers: str) -> None:
    batch, warmup, steps, max_length = map(int, numbers)
    clock = Clock(batch=batch, warmup=warmup, steps=steps)
    try:
        if arm == "accord":
            accord(algorithm, Path(folder), clock, max_length=max_length)
        else:
            trl(algorithm, Path(folder), clock, max_length=max_length, is_best=arm == "trl-best")
    except AtTheEnd:
        print(json.dumps(clock.figures()))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A reward model from preferences with soft labels (Bradley and Terry 1952; Stiennon et al. 2020).

One network gives a score r(x, y) to a response y to a prompt x, and P(chosen is better) = σ(r(x, chosen) −
r(x, rejected)). A tie is p = 0.5; strength and doubt of the votes stand in p, what a row is worth in its weight.
Each distinct response of a batch is read once. The best checkpoint by held-out loss becomes the result.
A ranking is its pairs, or one choice after the other (Plackett 1975; Luce 1959).

Left out here: several criterion heads, ensembles.

    python -m workers.algorithms.reward_model --data train.jsonl --eval-data held_out.jsonl --model minilm --out folder
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it

from workers.training import command, device, model_card, models, processes, reference_answers, safety
from workers.training.batches import Distinct, split
from workers.training.common_options import TrainingOptions
from workers.training.course import Course
from workers.training.data import Pair, PairFile, check_trainable, read_pairs, without_ties
from workers.training.encoding import Encoded, Encoder, plain
from workers.training.errors import BadInput
from workers.training.evaluation.accuracy import details, evaluate
from workers.training.evaluation.scoring import Floats, score_pairs
from workers.training.evaluation.yardsticks import beside
from workers.training.folder import RunFolder
from workers.training.progress import Window
from workers.training.rankings import Items, choices
from workers.training.reading import Reader
from workers.training.report import Pace, Report, to_nowhere, with_tensorboard
from workers.training.state import adamw
from workers.training.stopping import ShouldStop, never


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(TrainingOptions):
    data: Path
    """Training pairs as JSON lines: prompt, chosen, rejected, and p, weight, margin, prompt_cluster where there are."""
    model: str
    """scratch, minilm, a folder with a transformers model, or a name on the hub. Only safetensors, no remote code."""
    labels: Literal["soft", "hard", "margin"] = "soft"
    """soft: train on p. hard: on the better side of each pair, without ties. margin: hard, and ahead by the margin."""
    rankings: Literal["pairs", "plackett_luce"] = "pairs"
    """pairs: a ranking is its pairs, each by its p. plackett_luce: it is one item, learnt by the places alone."""
    center: float = 0.0
    """Adds this times the squared sum of both scores to the loss of each pair, which pulls scores toward 0."""
    normalise: Literal["off", "on"] = "off"
    """on: at the end, scores are scaled and moved to mean 0 and standard deviation 1 on reference answers."""
    reference_answers: Path | None = None
    """Rows of prompt and completion to normalise on; without them, the better response of each training pair."""
    epochs: int = 1
    """How often each pair is seen; reward models overfit after one pass or two."""
    batch_size: int = 16
    """Pairs in one step of the optimiser."""
    learning_rate: float = 5e-5
    """The highest learning rate, reached after the warm-up; an adapter bears about ten times more."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW, on matrices only."""
    dropout: float = 0.0
    """Dropout in every layer; off by default, since two noisy scores make a noisier difference."""
    max_length: int = 256
    """Tokens of prompt and response together. The prompt's beginning is cut first, then the response's end."""


def preference_loss(delta: torch.Tensor, p: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """−w [p log σ(Δ) + (1 − p) log σ(−Δ)], all (pairs,); Δ = r(x, chosen) − r(x, rejected).

    With p = 1 this is Bradley-Terry, and the gradient in Δ is w (σ(Δ) − p). At Δ = 0 it is w ln 2 for every p.
    """
    return -weight * (p * F.logsigmoid(delta) + (1 - p) * F.logsigmoid(-delta))


def margin_loss(delta: torch.Tensor, better: torch.Tensor, margin: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """−w log σ(±(Δ − m)), all (pairs,) (Touvron et al. 2023, eq. 2): hard labels `better` in {0, 1}, signed margins.

    The strength of a preference stands in m here and in p above; no loss uses both.
    """
    return preference_loss(delta - margin, better, weight)


def plackett_luce_loss(scores: torch.Tensor, places: tuple[int, ...]) -> torch.Tensor:
    """−log P(ranking) of scores (K,) from the best response to the worst: Σₖ [log Σ_{j ≥ k} exp(sⱼ) − sₖ], k < K.

    Plackett 1975, Luce 1959; for K = 2 it is Bradley-Terry. Equal places are a tie, whose order nobody gave: the mean
    over all its orders (the cross entropy of ListNet, Cao et al. 2007), for K = 2 the loss above with p = .5.
    """
    sets, shares, taken = (each.to(scores.device) for each in choices(places))
    summed = torch.logsumexp(scores.masked_fill(~sets, -math.inf), dim=1)
    return (shares.to(scores.dtype) * summed).sum() - (taken.to(scores.dtype) * scores).sum()


def centering_loss(chosen: torch.Tensor, rejected: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """w (r(x, chosen) + r(x, rejected))², all (pairs,) (Eisenstein et al. 2023), to be added in a small part."""
    return weight * (chosen + rejected).square()


@dataclass(frozen=True, slots=True)
class Targets:
    """What the loss needs of the pairs beside their scores, (pairs,) each; `margin` is None unless asked for."""

    p: torch.Tensor
    weight: torch.Tensor
    margin: torch.Tensor | None
    items: Items

    @classmethod
    def of(cls, pairs: list[Pair], labels: str, device: torch.device, items: Items | None = None) -> Targets:
        """Weights are scaled to a mean of 1 for each choice, so that the learning rate means the same for every data
        set. The weights of a ranking's pairs, 2/K each, sum to its number of choices, K − 1.
        """
        items = items or Items.of_pairs(len(pairs))
        n_choices = items.n_choices(range(len(items.rows)))
        weight = torch.tensor([pair.weight for pair in pairs], dtype=torch.float32)
        p = torch.tensor([pair.p for pair in pairs], dtype=torch.float32)
        margin = torch.tensor([pair.margin or 0.0 for pair in pairs], dtype=torch.float32)
        return cls(
            (p if labels == "soft" else (p > 0.5).float()).to(device),
            (weight / (weight.mean() * (len(pairs) / n_choices)).clamp(min=1e-12)).to(device),
            margin.to(device) if labels == "margin" else None,
            items,
        )

    def loss(self, chosen: torch.Tensor, rejected: torch.Tensor, items: list[int], center: float) -> torch.Tensor:
        """The sum over some items, to be divided by their choices; the scores are (rows,), as `self.items.of` says."""
        rows, rankings = self.items.of(items), self.items.rankings
        losses = self.losses(chosen - rejected, rows)
        ranked = [item for item in items if item in rankings]
        if ranked:
            at = {row: n for n, row in enumerate(rows)}
            losses = losses[[at[row] for item in items if item not in rankings for row in self.items.rows[item]]]
            both = torch.stack([chosen, rejected], dim=1)
        summed = losses.sum()
        for item in ranked:
            ranking, weight = rankings[item], self.weight[self.items.rows[item]].sum() / rankings[item].n_choices
            scores = both[[at[row] for row, _ in ranking.members], [side for _, side in ranking.members]]
            summed = summed + weight * plackett_luce_loss(scores, ranking.places)
        if center:
            summed = summed + center * centering_loss(chosen, rejected, self.weight[rows]).sum()
        return summed

    def losses(self, delta: torch.Tensor, rows: list[int]) -> torch.Tensor:
        if self.margin is None:
            return preference_loss(delta, self.p[rows], self.weight[rows])
        return margin_loss(delta, self.p[rows], self.margin[rows], self.weight[rows])


def train(config: Config, report: Report = to_nowhere, should_stop: ShouldStop = never) -> dict[str, Any]:
    """Train, leave the best model by held-out loss in `config.out`, and return its metrics. Errors: TrainingError."""
    return Run(config, report, should_stop).whole()


class Run:
    """One run and what it knows; the loop stands in `steps`."""

    def __init__(self, config: Config, report: Report, should_stop: ShouldStop) -> None:
        check_options(config)
        self.config = config
        processes.join(config.device)
        self.device = device.choose(config.device, threads=config.threads)
        told = with_tensorboard(report, config.tensorboard) if processes.is_first() else report
        self.course = Course(told, should_stop, self.device, patience=config.patience)

    def whole(self) -> dict[str, Any]:
        config, course = self.config, self.course
        course.phase("reading")
        lineage = model_card.read_lineage(config.lineage)
        train_file = read_pairs(config.data, criterion=config.criterion)
        eval_file = read_pairs(config.eval_data, criterion=config.criterion)
        pairs, self.eval_pairs = self.usable(train_file), self.usable(eval_file)
        check_trainable(config.data, pairs, batch_size=config.batch_size, labels=config.labels)
        check_trainable(config.eval_data, self.eval_pairs, batch_size=1, labels=config.labels)
        n_shared = course.count_shared(pairs, self.eval_pairs)
        answers = reference_answers.read(config.reference_answers) if config.reference_answers else None
        items = Items.found(config.rankings, config.data, pairs, course.notice)
        eval_items = Items.found(config.rankings, config.eval_data, self.eval_pairs, course.notice)
        options = config.identity(
            data=train_file.sha256, eval_data=eval_file.sha256, reference_answers=answers.sha256 if answers else None
        )
        if (finished := course.enter(RunFolder(config.out, options))) is not None:
            return finished

        course.phase("loading")
        resumed = course.latest()
        if resumed is None:
            texts = (text for pair in pairs for text in (plain(pair.prompt), pair.chosen, pair.rejected))
            self.scorer = self.first(texts)
        else:
            self.scorer = self.kept(resumed[0] / "model", resumed[1]["base"])
        model = self.scorer.model
        if config.normalise == "on":
            reference_answers.check(self.scorer.inner)
        self.optimizer = adamw(model, learning_rate=config.learning_rate, weight_decay=config.weight_decay)

        course.phase("tokenising")
        encoder = Encoder(self.scorer, max_length=config.max_length)
        encoded, self.eval_encoded = encoder.encode(pairs), encoder.encode(self.eval_pairs)
        self.targets = Targets.of(pairs, config.labels, self.device, items)
        self.eval_targets = Targets.of(self.eval_pairs, config.labels, torch.device("cpu"), eval_items)

        references = (
            reference_answers.encoded(answers, encoder) if answers else reference_answers.better(pairs, encoded)
        )

        course.phase("training")
        if resumed is not None and course.restore(*resumed, self.optimizer):
            self.keep(is_measured=True, is_stopping=False)
        self.steps(encoded)

        course.phase("measuring")
        if (best := course.best()) is not None:
            self.scorer = self.kept(best, self.scorer.base)
        measured = self.measure() | self.details(pairs)
        course.phase("saving")
        if items.rankings:
            measured["n_train_rankings"] = len(items.rankings)
        if config.normalise == "on":  # after the measurement: only scores as they were trained are log-odds
            measured |= reference_answers.normalise(self.scorer.inner, references, self.scores, course.notice)
        metrics = {
            **measured,
            "best_step": course.best_step,
            "steps": course.step,
            "n_train_pairs": len(pairs),
            "n_shared_clusters": n_shared,
            "n_prompts_cut": encoded.n_prompts_cut + self.eval_encoded.n_prompts_cut,
            "n_responses_cut": encoded.n_responses_cut + self.eval_encoded.n_responses_cut,
            "base": self.scorer.base,
        }
        base, form = self.scorer.base, encoder.form
        card = model_card.text(metrics=metrics, options=options, lineage=lineage, base=base, form=form)
        return course.finish(self.scorer.save_result, metrics, card)

    def steps(self, encoded: Encoded) -> None:
        """The training loop."""
        config, course, targets, model = self.config, self.course, self.targets, self.scorer.model
        items = targets.items
        per_epoch = math.ceil(len(items.rows) / config.batch_size)
        total = per_epoch * config.epochs
        measure_every = math.ceil(per_epoch / config.evaluations_per_epoch)
        pace, window = Pace(done=course.step, total=total, per_epoch=per_epoch), Window(self.device)
        reader = Reader(self.scorer, max_length=config.max_length)
        model.train()
        while course.step < total and not course.is_over:
            epoch, done = divmod(course.step, per_epoch)
            batches = items.batches(encoded, batch_size=config.batch_size, seed=config.seed, epoch=epoch)
            for batch in batches[done:]:
                course.step += 1
                rate = config.rate(course.step, steps=total)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self.optimizer.zero_grad(set_to_none=True)
                for part in split(processes.share(batch), config.accumulation):
                    rows = items.of(part)
                    distinct = Distinct.of(encoded, rows)
                    with torch.autocast(self.device.type, config.dtype, enabled=config.dtype != torch.float32):
                        scores = reader.scores(distinct.sequences, self.device)
                    chosen, rejected = scores[distinct.chosen], scores[distinct.rejected]
                    summed = targets.loss(chosen, rejected, part, config.center)
                    # Divided by the choices of the whole batch, whatever the parts and processes it is computed in.
                    (summed / items.n_choices(batch)).backward()  # type: ignore[no-untyped-call]
                    n_choices = items.n_choices(part)
                    window.add(summed.detach(), n_choices, chosen.detach(), rejected.detach(), targets.p[rows])
                    window.tokens += sum(len(sequence.ids) for sequence in distinct.sequences)
                processes.add_up_gradients(model)
                window.gradient = torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
                self.optimizer.step()

                is_stopping, is_last = processes.agreed(course.should_stop(), self.device), course.step == total
                is_measured = is_last or course.step % measure_every == 0
                is_saved = is_measured or is_stopping or course.step % config.checkpoint_every == 0
                if is_saved or course.step % config.log_every == 0:
                    course.say(pace, {**window.read(course.step), "learning_rate": rate})
                if is_saved:
                    self.keep(is_measured=is_measured, is_stopping=is_stopping)
                    if course.is_over:
                        break

    def keep(self, *, is_measured: bool, is_stopping: bool) -> None:
        self.course.keep(
            is_measured=is_measured,
            is_stopping=is_stopping,
            measure=self.measure,
            write=self.scorer.save,
            optimizer=self.optimizer,
            facts={"base": self.scorer.base},
        )

    def details(self, pairs: list[Pair]) -> dict[str, Any]:
        """What the result says beside its headline; the baselines are fitted on the training pairs."""
        scores, seed = self.eval_scores, self.config.seed
        return details(self.eval_pairs, scores, seed=seed) | beside(pairs, self.eval_pairs, scores, seed=seed)

    def measure(self) -> dict[str, Any]:
        """The metrics on the held-out pairs; remembers whether this is the best so far."""
        scores = self.eval_scores = self.scores(self.eval_encoded)
        targets, items = self.eval_targets, self.eval_targets.items
        every = list(range(len(items.rows)))
        chosen, rejected = torch.tensor(scores[items.of(every)], dtype=torch.float32).unbind(1)
        loss = float(targets.loss(chosen, rejected, every, self.config.center) / items.n_choices(every))
        metrics = {"eval_loss": round(loss, 6)}
        if math.isfinite(loss):
            metrics |= evaluate(self.eval_pairs, scores, seed=self.config.seed)
        self.course.note(loss, metrics)
        return metrics

    def scores(self, encoded: Encoded) -> Floats:
        """(pairs, 2) scores of chosen and rejected."""
        return score_pairs(
            self.scorer,
            encoded,
            batch_size=2 * self.config.batch_size,
            device=self.device,
            precision=self.config.dtype,
            between=self.course.check_stop,
        )

    def first(self, texts: Iterable[str]) -> models.Scorer:
        """What the run begins with."""
        config = self.config
        torch.manual_seed(config.seed)
        model, room = config.model, config.max_length
        return self.placed(models.load(model, texts=texts, max_length=room, dropout=config.dropout, lora=config.lora))

    def kept(self, folder: Path, base: str) -> models.Scorer:
        """What a checkpoint of the run holds."""
        config = self.config
        torch.manual_seed(config.seed)
        is_adapter = config.lora is not None
        return self.placed(
            models.resume(folder, name=config.model, base=base, dropout=config.dropout, is_adapter=is_adapter)
        )

    def placed(self, scorer: models.Scorer) -> models.Scorer:
        safety.check_capacity(scorer.model, scorer.tokenizer, self.config.max_length, base=scorer.base)
        scorer.model.to(self.device)
        return scorer

    def usable(self, file: PairFile) -> list[Pair]:
        """Hard labels cannot say "tie": such rows are left out, and the number is said."""
        kept = file.pairs if self.config.labels == "soft" else without_ties(file.pairs)
        if len(kept) < len(file.pairs):
            self.course.notice(f"{len(file.pairs) - len(kept)} ties are left out: hard labels cannot say tie.")
        return kept


def check_options(config: Config) -> None:
    config.check()
    if not 0 <= config.center < math.inf:
        raise BadInput("--center must be 0 or more.")
    if config.rankings == "plackett_luce" and config.labels != "soft":
        raise BadInput("--rankings plackett_luce goes with --labels soft: a ranking has places, and no margin.")
    if config.reference_answers is not None and config.normalise == "off":
        raise BadInput("--reference-answers are for --normalise on.")


def main(arguments: list[str] | None = None) -> int:
    about = "Train a reward model on preference pairs."
    return command.run(Config, train, arguments, name="reward_model", about=about)


if __name__ == "__main__":
    sys.exit(main())

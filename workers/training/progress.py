"""Running means of preference training, under the names that TRL gives them."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from workers.training import processes
from workers.training.errors import Diverged


class Window:
    """Sums since the last report, kept on the device so that the steps between wait for nothing."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.tokens, self.gradient = 0, torch.zeros((), device=device)
        self.clear()

    def clear(self) -> None:
        self.pairs, self.choices, self.began = 0, 0, time.monotonic()
        self.sums = torch.zeros(5, device=self.device)  # loss, right, with a side, margin, reward

    def add(
        self, loss: torch.Tensor, n_choices: int, chosen: torch.Tensor, rejected: torch.Tensor, p: torch.Tensor
    ) -> None:
        """`loss` is a sum over so many choices: one for a pair, K − 1 for a ranking of K responses. The scores of
        chosen and rejected, and `p`, are (pairs,).
        """
        delta = chosen - rejected
        has_side = p != 0.5
        right = ((delta > 0) == (p > 0.5)) & has_side
        toward = torch.where(p >= 0.5, delta, -delta)
        self.sums += torch.stack([loss, right.sum(), has_side.sum(), toward.sum(), (chosen + rejected).sum() / 2])
        self.pairs += len(delta)
        self.choices += n_choices

    def read(self, step: int) -> dict[str, Any]:
        """The means, and a new window; `Diverged` where one is no number, so that no checkpoint of it is written."""
        counted = torch.tensor([self.pairs, self.choices, self.tokens], dtype=torch.float64, device=self.device)
        *sums, pairs, choices, tokens = processes.add_up(torch.cat([self.sums, counted])).tolist()
        loss, right, sided, margin, reward = sums
        if not all(map(math.isfinite, (loss, margin, reward, float(self.gradient)))):
            raise Diverged(
                f"At step {step} the loss was no number. Nothing was promoted, the checkpoint before it was kept. "
                "Try a lower --learning-rate, or --precision fp32, with a new --out."
            )
        values = {
            "loss": round(loss / choices, 6),
            "accuracy": round(right / sided, 6) if sided else None,
            "margin": round(margin / pairs, 6),
            "mean_reward": round(reward / pairs, 6),
            "grad_norm": round(float(self.gradient), 6),
            "num_tokens": int(tokens),
            "pairs_per_second": round(pairs / max(time.monotonic() - self.began, 1e-9), 2),
        }
        self.clear()
        return values


class Means:
    """Running means by name since the last report, kept on the device so that the steps between wait for nothing."""

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        self.names, self.device = names, device
        self.n_tokens = 0  # since the run began
        self.gradient = torch.zeros((), device=device)
        self._clear()

    def _clear(self) -> None:
        self.n_rows, self.tokens, self.began = 0, 0, time.monotonic()
        self.sums = torch.zeros(2, len(self.names), dtype=torch.float64, device=self.device)

    def add(self, n_rows: int, n_tokens: int, values: dict[str, tuple[torch.Tensor, torch.Tensor | float]]) -> None:
        """A sum and what to divide it by for each name."""
        tops, bottoms = zip(*(values[name] for name in self.names), strict=True)
        bottom = torch.stack([torch.as_tensor(value, dtype=torch.float64, device=self.device) for value in bottoms])
        self.sums += torch.stack([torch.stack([value.detach().double() for value in tops]), bottom])
        self.n_rows += n_rows
        self.tokens += n_tokens

    def read(self, step: int, *, rows: str) -> dict[str, Any]:
        """The means over all processes, and a new window; `rows` names what is counted a second. `Diverged` where the
        loss or the gradient is no number, so that no checkpoint of it is written.
        """
        counted = torch.tensor([self.n_rows, self.tokens], dtype=torch.float64, device=self.device)
        whole = processes.add_up(torch.cat([self.sums.flatten(), counted])).tolist()
        n, n_rows, n_tokens = len(self.names), whole[-2], whole[-1]
        values = {
            name: round(top / bottom, 6) if bottom else None
            for name, top, bottom in zip(self.names, whole[:n], whole[n : 2 * n], strict=True)
        }
        gradient = float(self.gradient)
        if not math.isfinite(gradient) or not all(
            math.isfinite(value) for value in values.values() if value is not None
        ):
            raise Diverged(
                f"At step {step} the loss was no number. Nothing was promoted, the checkpoint before it was kept. "
                "Try a lower --learning-rate, or --precision fp32, with a new --out."
            )
        self.n_tokens += int(n_tokens)
        seconds = max(time.monotonic() - self.began, 1e-9)
        self._clear()
        return {
            **values,
            "grad_norm": round(gradient, 6),
            "num_tokens": self.n_tokens,
            f"{rows}_per_second": round(n_rows / seconds, 2),
            "tokens_per_second": round(n_tokens / seconds, 1),
        }

"""Running means of preference training, under the names that TRL gives them."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from workers.training.errors import Diverged


class Window:
    """Sums since the last report, kept on the device so that the steps between wait for nothing."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.tokens, self.gradient = 0, torch.zeros((), device=device)
        self.clear()

    def clear(self) -> None:
        self.pairs, self.began = 0, time.monotonic()
        self.sums = torch.zeros(5, device=self.device)  # loss, right, with a side, margin, reward

    def add(self, loss: torch.Tensor, chosen: torch.Tensor, rejected: torch.Tensor, p: torch.Tensor) -> None:
        """`loss` is a sum over pairs; the scores of chosen and rejected, and `p`, are (pairs,)."""
        delta = chosen - rejected
        has_side = p != 0.5
        right = ((delta > 0) == (p > 0.5)) & has_side
        toward = torch.where(p >= 0.5, delta, -delta)
        self.sums += torch.stack([loss, right.sum(), has_side.sum(), toward.sum(), (chosen + rejected).sum() / 2])
        self.pairs += len(delta)

    def read(self, step: int) -> dict[str, Any]:
        """The means, and a new window; `Diverged` where one is no number, so that no checkpoint of it is written."""
        loss, right, sided, margin, reward = self.sums.tolist()
        if not all(map(math.isfinite, (loss, margin, reward, float(self.gradient)))):
            raise Diverged(
                f"At step {step} the loss was no number. Nothing was promoted, the checkpoint before it was kept. "
                "Try a lower --learning-rate, or --precision fp32, with a new --out."
            )
        values = {
            "loss": round(loss / self.pairs, 6),
            "accuracy": round(right / sided, 6) if sided else None,
            "margin": round(margin / self.pairs, 6),
            "mean_reward": round(reward / self.pairs, 6),
            "grad_norm": round(float(self.gradient), 6),
            "num_tokens": self.tokens,
            "pairs_per_second": round(self.pairs / max(time.monotonic() - self.began, 1e-9), 2),
        }
        self.clear()
        return values

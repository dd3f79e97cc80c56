"""How far a policy has moved from its reference, estimated on what the policy itself wrote.

With the log-ratio of a token, l = log π_ref − log π, drawn from π (Schulman 2020, "Approximating KL divergence"):

    k1 = −l              has the KL as its mean, and is negative at times
    k3 = exp(l) − 1 − l  has the same mean, is never negative, and scatters less where the two are close

Summed over an answer both have the KL of the policy's answers as their mean, by the chain rule; answers that were cut
speak of their first tokens only. All of it holds for samples at temperature 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from workers.training.causal import Policy
from workers.training.encoding import Sequence
from workers.training.packing import plan_of


def estimates(logps: torch.Tensor, reference_logps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """k1 and k3 of each token, (tokens,) in 64-bit floats and nats."""
    log_ratio = reference_logps.double() - logps.double()
    return -log_ratio, torch.expm1(log_ratio) - log_ratio


def summed(
    policy: Policy,
    reference: Policy,
    sequences: list[Sequence],
    *,
    batch_size: int,
    device: torch.device,
    precision: torch.dtype,
    between: Callable[[], None] = lambda: None,
) -> tuple[list[float], list[float]]:
    """k1 and k3 of each sequence, summed over the tokens behind its prompt, (sequences,) each.

    Both models are put into evaluation mode and read the very same padded rows, so that a policy that equals its
    reference is at nought exactly.
    """
    order = sorted(range(len(sequences)), key=lambda number: len(sequences[number].ids))
    found: dict[int, tuple[float, float]] = {}
    for each in (policy, reference):
        each.model.eval()
    with torch.inference_mode():
        for at in range(0, len(order), batch_size):
            between()
            numbers = order[at : at + batch_size]
            plan = plan_of([sequences[number] for number in numbers], "padded", policy.work, device)
            logps, theirs = (each.tokens(plan.batches, precision).logps for each in (policy, reference))
            sums = [plan.sums(each).tolist() for each in estimates(logps, theirs)]
            found.update(zip(numbers, zip(*sums, strict=True), strict=True))
    k1, k3 = zip(*(found[number] for number in range(len(sequences))), strict=True)
    return list(k1), list(k3)

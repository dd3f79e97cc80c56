"""The scores of responses as they are read in training: in whichever layout costs least, the numbers the same in each.

A causal classifier finds its score at the last token of a response, so that several responses may follow one reading
of their prompt (packing.py). Encoders look both ways, and read each response in a row of its own behind its own copy of
the prompt, as does a causal model that does not take such rows as they are meant.
"""

from __future__ import annotations

import torch

from workers.training import models
from workers.training.encoding import Sequence as TokenSequence
from workers.training.encoding import collate
from workers.training.models import Scorer
from workers.training.packing import PART, Batch, can_share, plan_of, work_of


class Reader:
    """Tries the scorer when it is made. `max_length` is that of the longest sequence, in tokens."""

    def __init__(self, scorer: Scorer, *, max_length: int) -> None:
        self.scorer = scorer
        is_sharing = scorer.is_causal and can_share(scorer.inner, self._last_hidden, max_length=max_length)
        self.work = work_of(scorer.inner) if is_sharing else None

    def scores(self, sequences: list[TokenSequence], device: torch.device) -> torch.Tensor:
        """(sequences,) in 32-bit floats. On a processor a few of similar length at a time, since padding costs as much
        as text there: they should come sorted by length.
        """
        model = self.scorer.inner
        if self.work is not None:
            plan = plan_of(sequences, None, self.work, device)
            hidden = plan.in_order(torch.cat([self._last_hidden(batch) for batch in plan.batches]))
            return model.score(hidden)[:, 0].float()  # type: ignore[no-any-return]
        size = PART if device.type == "cpu" else len(sequences)
        parts = [sequences[at : at + size] for at in range(0, len(sequences), size)]
        return torch.cat([models.rewards(model, collate(part, self.scorer, device)) for part in parts])

    def _last_hidden(self, batch: Batch) -> torch.Tensor:
        """(completions, width) hidden states at the last token of each completion."""
        asked = {"input_ids": batch.ids, "use_cache": False}
        if batch.mask is not None:
            asked |= {"attention_mask": batch.mask, "position_ids": batch.positions}
        hidden = self.scorer.inner.base_model(**asked).last_hidden_state
        return hidden.flatten(0, 1)[batch.ends]  # type: ignore[no-any-return]

"""What a set of labels means: which are sides of a comparison, and whether they have an order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDES = (("A", "B"), ("first", "second"), ("response_a", "response_b"), ("a1", "a2"), ("left", "right"), ("1", "2"))
MIDDLES = ("tie", "equal", "same", "draw")
UNORDERED = ("both_bad", "both bad", "neither")


@dataclass(frozen=True, slots=True)
class Scale:
    """`names` in order; `mirror[k]` is the label that k becomes when the sides are exchanged (None: no sides);
    `values` are positions for ordered labels (None: no order).
    """

    names: tuple[str, ...]
    mirror: NDArray[np.int64] | None
    values: NDArray[np.float64] | None

    def code(self, label: str) -> int:
        return self.names.index(label)


def infer_scale(labels: Iterable[str]) -> Scale:
    """The scale that these labels belong to.

    - Two sides (A and B, first and second, a1 and a2, ...) with or without a tie are ordered A, tie, B; exchanging
      the sides exchanges A and B. Both bad, where it occurs, belongs to neither side and makes the labels unordered.
    - Whole numbers are ordered by value; where they are balanced around zero (-3..3), exchanging the sides changes
      the sign.
    - Anything else is a set of names without sides and without order.
    """
    found = set(labels)
    numbers = _numbers(found)
    for left, right in SIDES:
        sided = {left, right} & found
        rest = found - {left, right}
        if sided and rest <= {*MIDDLES, *UNORDERED} and (numbers is None or found <= {left, right}):
            return _sided(left, right, rest)
    if numbers is not None:
        return _numeric(numbers)
    return Scale(tuple(sorted(found)), None, None)


def _sided(left: str, right: str, rest: set[str]) -> Scale:
    middle = [name for name in MIDDLES if name in rest]
    outside = [name for name in UNORDERED if name in rest]
    names = (left, *middle, right, *outside)
    exchanged = (right, *middle, left, *outside)
    mirror = np.array([names.index(name) for name in exchanged])
    is_ordered = len(middle) <= 1 and not outside and bool(middle)
    return Scale(names, mirror, np.arange(len(names), dtype=np.float64) if is_ordered else None)


def _numbers(found: set[str]) -> list[int] | None:
    try:
        return sorted(int(label) for label in found) or None
    except ValueError:
        return None


def _numeric(numbers: list[int]) -> Scale:
    lowest, highest = numbers[0], numbers[-1]
    if lowest < 0 and lowest == -highest:
        numbers = sorted({*numbers, *(-number for number in numbers)})
        mirror = np.arange(len(numbers))[::-1].copy()
    else:
        mirror = None
    return Scale(tuple(map(str, numbers)), mirror, np.array(numbers, dtype=np.float64))

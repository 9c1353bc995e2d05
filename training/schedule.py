"""Learning rates per optimiser step: linear warm-up, then a cosine down to a floor."""

from __future__ import annotations

import math

FLOOR = 1e-6
"""Where the cosine ends (released code)."""


def warmup_cosine(step: int, warmup_steps: int, total_steps: int, peak: float) -> float:
    """Learning rate at ``step`` (from 0): 0 → ``peak`` over the warm-up, then a cosine to FLOOR.

    ``total_steps`` counts the warm-up too; later steps stay at the floor (paper, section 3.5;
    released code for start, floor and stepping per iteration).
    """
    if step < warmup_steps:
        return peak * step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return FLOOR + (peak - FLOOR) * (1.0 + math.cos(math.pi * progress)) / 2.0

"""What a reader read, what it left out and why: nothing is dropped silently."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from training.data.names import readable


@dataclass(frozen=True, slots=True)
class Skipped:
    """A sequence that was left out, and the reason with its remedy."""

    sequence: str
    reason: str


@dataclass(slots=True)
class ReadReport:
    """Filled while ``Reader.sequences`` is iterated; complete once it is exhausted.

    ``read`` counts sequences given out, ``views`` their views; ``notes`` tell what is odd about
    the whole, such as counts unlike the full distribution.
    """

    read: int = 0
    views: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, sequence: str, reason: object) -> None:
        """Records that ``sequence`` was left out for ``reason``."""
        self.skipped.append(Skipped(readable(sequence), readable(str(reason))))

    def note(self, text: str) -> None:
        """Records ``text`` once."""
        if text not in self.notes:
            self.notes.append(text)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

"""What people read: every figure whole on a narrow terminal, and tables side by side on a wide."""

import io
import re
from itertools import count
from typing import Any

import pytest
from rich.console import Console

from index.evaluation import paper
from index.evaluation.tables import CONSENSUS_ROWS, HIT_TABLES, show

ROWS = [row for rows in HIT_TABLES.values() for row in rows.values()]


def objectron_figures(categories: tuple[str, ...] = paper.CATEGORIES) -> dict[str, Any]:
    """A different number in every cell, so that each can be looked for."""
    number = count(2101)  # above 1, so that no figure of the paper is one of them
    hits = {
        row + suffix: {name: next(number) / 1000 for name in (*categories, "mean")}
        for suffix in ("", "_symmetric")
        for row in ROWS
    }
    sure = {
        "coverage": 0.961,
        "hit_rate_answered": 0.962,
        "hit_rate_abstained": None,
        "auroc": 0.963,
        "ece": 0.964,
        "brier": 0.965,
        "bins": [{"low": 0.3, "share": 0.97, "confidence": 0.35, "hit_rate": 0.98}],
    }
    return {
        "consensus": {
            row: sure if row != "consensus" else sure | {"bins": []}
            for row in CONSENSUS_ROWS.values()
        },
        "hit_rate": hits,
        "n_queries": 4500,
        "n_queries_by_category": dict.fromkeys(categories, 500),
        "class_accuracy": 0.951,
        "reid_map": 0.951,
        "encoder": {
            "identity": "ab" * 32,
            "folder": "runs/mine/encoder",
            "heads_used": {"pose": "pose", "identity": "identity"},
            "notes": [],
        },
        "dataset": {"notes": [], "skipped_sequences": [], "skipped_views": []},
        "seconds": 12.3,
    }


def shown(figures: dict[str, Any], width: int) -> str:
    stream = io.StringIO()
    show(Console(file=stream, width=width), "objectron", figures)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 120, 250])
def test_every_figure_of_nine_categories_is_readable(width: int) -> None:
    figures = objectron_figures()
    text = shown(figures, width)
    assert max(map(len, text.splitlines())) <= width
    numbers = set(re.findall(r"\d\.\d{3}", text))
    for row, values in figures["hit_rate"].items():
        for category, value in values.items():
            changes = category in ("bottle", "cup", "mean") or not row.endswith("_symmetric")
            assert (f"{value:.3f}" in numbers) == changes, (row, category)
    for category in paper.CATEGORIES:
        assert re.search(rf"│ {category} +│ +500 │", text)


def test_a_bin_that_only_some_planes_reach_is_a_dash_in_the_others() -> None:
    text = shown(objectron_figures(), 80)
    assert re.search(r"│ 0\.3–0\.4 +│ +– +│ +– +│ +0\.97 +│ +0\.98 +│ +0\.97 +│ +0\.98 +│", text)
    assert re.search(
        r"│ noisy +│ +0\.961 +│ +0\.962 +│ +– +│ +0\.963 +│ +0\.964 +│ +0\.965 │", text
    )


def test_a_wide_terminal_holds_tables_side_by_side() -> None:
    narrow, wide = (shown(objectron_figures(), width) for width in (80, 250))
    assert len(wide.splitlines()) < 0.6 * len(narrow.splitlines())


def test_fewer_categories_are_said_and_nothing_round_is_not_turned() -> None:
    text = " ".join(shown(objectron_figures(("chair", "shoe")), 80).split())
    assert "ours over 2" in text
    assert "mean turned" not in text
    assert "mean turned" in " ".join(shown(objectron_figures(("chair", "cup")), 80).split())

"""The page from its parts: everything that reaches the template as text is escaped there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from index.evaluation.report.folder import GENERATOR
from index.evaluation.report.names import plain

TEMPLATES = Path(__file__).with_name("templates")


def render_page(parts: dict[str, Any]) -> str:
    """``page.html`` filled with ``parts``; a part it needs and does not get is an error."""
    import jinja2
    from markupsafe import Markup

    def fit(value: object) -> object:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=fit,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = Markup((TEMPLATES / "style.css").read_text("utf-8"))
    page = environment.get_template("page.html")
    return page.render(style=style, generator=Markup(GENERATOR), **parts)

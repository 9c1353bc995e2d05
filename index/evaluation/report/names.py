"""Names from a dataset, made fit for a page and for an SVG file."""

from __future__ import annotations

import unicodedata

UNFIT = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
"""Unicode categories that XML forbids, that break lines, or that turn the text around them."""


def plain(text: str) -> str:
    """The text with every control, format, private or lone surrogate character shown as �.

    Escaping for HTML and XML is the business of whoever writes those.
    """
    return "".join("�" if unicodedata.category(sign) in UNFIT else sign for sign in text)

"""One file per protocol of the paper or of the real data sets: embedded views in, figures out.

``cli.py`` is `posebank evaluate`; docs/evaluation.md states every protocol and formula.
"""

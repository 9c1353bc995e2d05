"""Synthetic sequences in Objectron's own files: shapes, scenes, orbits, OpenGL, writer.

Everything follows from a seed; the annotations are exact because they are what was drawn.
"""

from training.data.render.generate import RenderReport, render_objectron
from training.data.render.sequence import Shot, render_sequence

__all__ = ["RenderReport", "Shot", "render_objectron", "render_sequence"]

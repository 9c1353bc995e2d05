"""Vectors of one head over one gallery, behind one small protocol.

Rows are counted from 0; which view a row holds is the manifest's business.
"""

from index.vectors.flat import FlatIndex, FlatWriter, copy_rows, read_flat
from index.vectors.growing import GrowingIndex
from index.vectors.protocol import VectorIndex

__all__ = ["FlatIndex", "FlatWriter", "GrowingIndex", "VectorIndex", "copy_rows", "read_flat"]

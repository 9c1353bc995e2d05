"""The one door through which torchvision is imported.

The torchvision wheel of the package registry links CUDA. Beside a CPU build of torch its compiled
operators do not load, and ``import torchvision`` fails because it registers shape functions for
operators that were never declared. Declaring the two operators it asks for is enough for models
and transforms; the operators themselves (nms, detection models, torchvision.io) stay unusable.

Lightning reaches torchvision through torchmetrics, so import this module before lightning.
"""

from __future__ import annotations

import sys

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_declared: torch.library.Library | None = None

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    for _name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[_name]
    # The declaration lives as long as this object does.
    _declared = torch.library.Library("torchvision", "FRAGMENT")
    for _schema in _SCHEMAS:
        _declared.define(_schema)
    import torchvision

models = torchvision.models

__all__ = ["models", "torchvision"]

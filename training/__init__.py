"""From video to a frozen encoder: readers, pairs, methods, the trainer and the encoder artifact.

Knows no FAISS, SQL or HTTP. ``training.data`` and ``training.encoder`` import no torch.
"""

import os

# ONNX Runtime reports its use to its maker unless told not to, before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

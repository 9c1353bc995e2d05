"""From video to a frozen encoder: readers, pairs, methods, the trainer and the encoder artifact.

Knows no FAISS, SQL or HTTP. ``training.data`` and ``training.encoder`` import no torch.
"""

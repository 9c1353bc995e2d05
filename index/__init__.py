"""From a frozen encoder to answers: geometry, metadata store, vectors, build, search, evaluation.

Knows no HTTP and no training loop.
"""

"""One file per published method: how embeddings learn from frames that belong together."""

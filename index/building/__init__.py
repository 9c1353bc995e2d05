"""The stages of a build: plan, decode and encode into shards, assemble, publish.

``index.build`` runs them in order; every stage may be killed and is then done again or found done.
"""

"""The HTTP service, its page, its client and the `posebank` command.

Knows no numerics and no SQL: it asks `index` and speaks JSON.
"""

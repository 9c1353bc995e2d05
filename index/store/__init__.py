"""The metadata store: tables, one file per group of queries, SQLite or Postgres alike.

Knows rows and records; nothing of vectors, encoders or answers.
"""

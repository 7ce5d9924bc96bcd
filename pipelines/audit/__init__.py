"""Append-only, hash-chained: who did what, when, why."""

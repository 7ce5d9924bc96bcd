"""Benchmarks: each measures the server as people run it against a yardstick, in one run."""

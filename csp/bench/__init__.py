"""Benchmarks, one file a kind: a program that measures on the machine at hand, ``python -m csp.bench KIND``."""

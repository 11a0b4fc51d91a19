"""Hostile and odd inputs by kind, each case made from a seed and a number alone; `csp.bench.hostile` runs them."""

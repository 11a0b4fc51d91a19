"""Running methods over samples, and what the rows say: the parts of ``python -m csp.evaluate``."""

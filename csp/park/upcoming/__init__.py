"""The world that the next weights are trained on; `csp.park` itself stays the one that the shipped weights know.

It takes the place of `csp.park.scenes`, `language`, `wording` and `words` on the day its weights ship.
"""

from csp.park.upcoming.scenes import Scene, scene

__all__ = ["Scene", "scene"]

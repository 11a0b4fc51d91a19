"""The embedded world: `scene` draws a picture with its queries and true masks. No torch, training aside."""

from csp.park.scenes import Scene, scene

__all__ = ["Scene", "scene"]

"""From frames to pictures. Values come in raw; how to make them visible is decided here."""

from convscope.render._figure import draw

__all__ = ["draw"]

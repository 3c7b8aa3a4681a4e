"""Exports of a collection: as a page, and for other programs."""

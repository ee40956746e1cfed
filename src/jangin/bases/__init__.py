"""Bases: the catalogue, the content-addressed store, the sources that fill it, and what fits on a machine."""

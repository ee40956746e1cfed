"""Jangin: the smallest model that passes your bar, with the proof, served behind the API that you already call."""

__version__ = "0.1.0"

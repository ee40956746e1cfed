"""The parts of bench/generation.py: what is compared (sides.py), what is made for it, how it is measured, the table."""

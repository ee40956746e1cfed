"""The parts of bench/speed.py: what is compared (sides.py), its environments, how a side is measured, the table."""

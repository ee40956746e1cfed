"""Files of examples -> checked, leak-free splits: read, rows, check (with its parts), mend, split, load."""

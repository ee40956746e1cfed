"""`jangin record`: a live model's answers to the sealed test's inputs, frozen as a recorded reference."""

"""Where images come from (sources), who is in which step (batches), and what a step sees of them (augment)."""

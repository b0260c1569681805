"""Former names, kept for scripts that import them; the code is in kdjax.weights."""

"""kdjax against PyTorch: `pytest parity_tests`."""

PYTHON ?= python3
BIN = .venv/bin
RUN = $(BIN)/python

.PHONY: demo test fast lint parity bench clean

demo: .venv/installed        ## teach a small ITRD student on the embedded digits (3 minutes on 2 cores)
	$(RUN) -m kdjax.main --config configs/itrd.py:demo

test: .venv/installed        ## everything: fast tests first, then the slow ones
	$(BIN)/ruff check .
	$(RUN) -m pytest -q -x -m "not slow"
	$(RUN) -m pytest -q -m slow

fast: .venv/installed        ## the fast tests alone
	$(RUN) -m pytest -q -m "not slow"

parity: .venv/installed      ## the numerical regression suite
	$(RUN) -m pytest -q parity_tests

bench: .venv/installed       ## kdjax and PyTorch in turn
	$(RUN) benchmarks/step.py

lint: .venv/installed
	$(BIN)/ruff check .

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(RUN) -m pip install -q --upgrade pip
	$(RUN) -m pip install -q -e ".[test]"
	touch $@

clean:
	rm -rf .venv runs

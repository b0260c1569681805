PYTHON ?= python3
BIN = .venv/bin
RUN = $(BIN)/python

.PHONY: demo test quick rest lint parity parity-full bench clean

demo: .venv/installed        ## teach a small ITRD student on the embedded digits (3 minutes on 2 cores)
	$(RUN) -m kdjax.main --config configs/itrd.py:demo

test: quick rest             ## everything, in two lanes: what fails fast first

quick: lint                  ## the first lane: every room's own tests, and the losses against PyTorch
	$(RUN) -m pytest -q -x -m "not slow and not parity"

rest: .venv/installed        ## the second lane: whole runs, devices, the numerical regression suite
	$(RUN) -m pytest -q -m "slow or parity"

parity: .venv/installed      ## the numerical regression suite alone
	$(RUN) -m pytest -q parity_tests

parity-full: .venv/installed ## and the torch reference against the originals' numbers, changed or not
	KDJAX_PARITY_FULL=1 $(RUN) -m pytest -q parity_tests
	$(RUN) -m parity_tests.compared

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

export PYTHON
BIN = .venv/bin
RUN = $(BIN)/python

.PHONY: demo test fast lint parity bench clean venv tools

demo: venv                   ## teach a small ITRD student on the embedded digits (3 minutes on 2 cores)
	@echo "teaching resnet8 by ITRD on scikit-learn's digits: a teacher first, then the student, then the student alone"
	@$(BIN)/kdjax train --config itrd:demo
	@echo
	@echo "That was: kdjax train --config itrd:demo. The run, its curves.png and its student lie in runs/. Next:"
	@echo "  . .venv/bin/activate                            so that the command kdjax is found"
	@echo "  kdjax --list                                    methods, networks, data sets, configs"
	@echo "  kdjax train --config crd:demo                   another method"
	@echo "README.md goes on with CIFAR and your own images."

test: tools                  ## everything: fast tests first, then the slow ones
	$(BIN)/ruff check .
	$(RUN) -m pytest -q -x -m "not slow"
	$(RUN) -m pytest -q -m slow

fast: tools                  ## the fast tests alone
	$(RUN) -m pytest -q -m "not slow"

parity: tools                ## the numerical regression suite
	$(RUN) -m pytest -q parity_tests

bench: tools                 ## kdjax and PyTorch in turn
	$(RUN) benchmarks/step.py

lint: tools
	$(BIN)/ruff check .

venv:
	@scripts/venv.sh

tools:                       # what tests, linting and benchmarks need besides
	@scripts/venv.sh test

clean:
	rm -rf .venv runs

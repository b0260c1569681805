export PYTHON
BIN = .venv/bin
RUN = $(BIN)/python
PARALLEL = -n auto --maxprocesses 4 --dist loadgroup

.PHONY: demo test quick rest lint parity parity-full bench clean venv tools

demo: venv                   ## teach a small ITRD student on the embedded digits (3 minutes on 2 cores)
	@echo "teaching resnet8 by ITRD on scikit-learn's digits: a teacher first, then the student, then the student alone"
	@$(BIN)/kdjax train --config itrd:demo
	@echo
	@echo "That was: kdjax train --config itrd:demo. The run, its curves.png and its student lie in runs/. Next:"
	@echo "  . .venv/bin/activate                            so that the command kdjax is found"
	@echo "  kdjax --list                                    methods, networks, data sets, configs"
	@echo "  kdjax train --config crd:demo                   another method"
	@echo "README.md goes on with CIFAR and your own images."

test: quick rest             ## everything, in two lanes: what fails fast first

quick: lint                  ## the first lane: every room's own tests, and the losses against PyTorch
	$(RUN) -m pytest -q -x $(PARALLEL) -m "not slow and not parity"

rest: tools        ## the second lane: whole runs, devices, the numerical regression suite
	$(RUN) -m pytest -q $(PARALLEL) -m "slow or parity"

parity: tools      ## the numerical regression suite alone
	$(RUN) -m pytest -q parity_tests

parity-full: tools ## and the torch reference against the originals' numbers, changed or not
	KDJAX_PARITY_FULL=1 $(RUN) -m pytest -q parity_tests
	$(RUN) -m parity_tests.compared

bench: tools  ## kdjax and PyTorch in turn, docs/speed.md, and a check that nothing fell (alone on the machine)
	$(RUN) benchmarks/step.py --json benchmarks/results/step.json
	$(RUN) benchmarks/step.py --networks --json benchmarks/results/networks.json
	$(RUN) benchmarks/limit.py --json benchmarks/results/limit.json
	$(RUN) benchmarks/start.py --json benchmarks/results/start.json
	$(RUN) benchmarks/run.py --json benchmarks/results/run.json
	$(RUN) benchmarks/growth.py --json benchmarks/results/growth.json
	$(RUN) benchmarks/page.py
	$(RUN) benchmarks/page.py --check

lint: tools
	$(BIN)/ruff check .

venv:
	@scripts/venv.sh

tools:                       # what tests, linting and benchmarks need besides
	@scripts/venv.sh test

clean:
	rm -rf .venv runs

# make test: lint, types and tests.   make demo: the examples' gate, once passing and once stopped.
# make zoo: the published figures of all models of torchvision, timm and transformers.   make accuracy: docs/accuracy.md.
# make benchmark: the other counters side by side, into benchmarks/results.
# All set up what they need in .venv the first time, and start at once the second.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COUNTERS := $(VENV)/.counters
JOBS ?= 2

.PHONY: test lint demo zoo accuracy benchmark clean
.DELETE_ON_ERROR:

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -q -n $(JOBS)

demo: $(READY)
	$(BIN)/python examples/demo.py

zoo: $(READY)
	$(BIN)/python -m pytest -q -n $(JOBS) -m "" tests/zoo

accuracy: $(READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python tests/zoo/accuracy.py docs/accuracy.md

$(COUNTERS): $(READY) benchmarks/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --requirement benchmarks/requirements.txt
	touch $@

benchmark: $(COUNTERS)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

# make test: lint, types and tests.   make demo: the examples' gate, once passing and once stopped.
# make zoo: the published figures of all models of torchvision, timm and transformers.   make accuracy: docs/accuracy.md.
# make ecosystem: models of other packages beside real runs of them, in .venv-ecosystem over .venv.
# make compat: the tests with other releases of PyTorch, pytest and Python, into docs/compatibility.md; ROWS= some of them.
# make benchmark: the other counters side by side, into benchmarks/results.
# make docs: the manual as a site, strictly, in site/.
# All set up what they need in .venv the first time, and start at once the second.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COUNTERS := $(VENV)/.counters
ECOSYSTEM ?= .venv-ecosystem
PACKAGES := $(ECOSYSTEM)/.ready
DOCS ?= .venv-docs
MKDOCS := $(DOCS)/.ready
JOBS ?= 2
ROWS ?=

.PHONY: test lint demo docs zoo ecosystem accuracy compat benchmark clean
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

$(MKDOCS): docs/requirements.txt constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement docs/requirements.txt
	touch $@

docs: $(MKDOCS)
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

zoo: $(READY)
	$(BIN)/python -m pytest -q -n $(JOBS) -m "" tests/zoo

$(PACKAGES): $(READY) tests/ecosystem/requirements.txt
	$(BIN)/python -m venv $(ECOSYSTEM)
	$(BIN)/python -c "import sysconfig as c; print(f'import site; site.addsitedir({c.get_path(\"purelib\")!r})')" \
		> "$$($(ECOSYSTEM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/over.pth"
	$(ECOSYSTEM)/bin/pip install --quiet --disable-pip-version-check --no-deps \
		--requirement tests/ecosystem/requirements.txt
	rm -f $(ECOSYSTEM)/lib/python*/site-packages/torchaudio/lib/*.so
	touch $@

ecosystem: $(PACKAGES)
	$(ECOSYSTEM)/bin/python -m pytest -q -n $(JOBS) tests/ecosystem

accuracy: $(PACKAGES)
	PYTHONPATH=tests OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(ECOSYSTEM)/bin/python tests/zoo/accuracy.py docs/accuracy.md

compat: $(READY)
	$(BIN)/nox $(if $(ROWS),--session $(ROWS))

$(COUNTERS): $(READY) benchmarks/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --requirement benchmarks/requirements.txt
	touch $@

benchmark: $(COUNTERS)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(ECOSYSTEM) $(DOCS) site .nox .pytest_cache .mypy_cache .ruff_cache

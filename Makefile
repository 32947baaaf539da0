# Everything a fresh clone needs is behind these targets; each does its own set-up. `make` alone lists them.

PYTHON ?= python3
FEATURE ?= 1234
OUT ?= work

BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install explain test lint bench train

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## create .venv with autointerp and its tools, at the versions of constraints.txt

# torch goes in first: what comes after must find it in place. The stamp comes last: a broken-off install starts again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "autointerp needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -n 1); try: make $(or $(MAKECMDGOALS),install) PYTHON=python3.11" >&2; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt hatchling
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

explain: $(STAMP) ## explain one feature of the bundled model: FEATURE=1234
	$(BIN)/autointerp explain --feature $(FEATURE)

# Models are tiny, so that a core does more with a file of tests than with half of each operation.
test: $(STAMP) ## run the tests, a file at a time on each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

lint: $(STAMP) ## check style, types and the import law
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## run every benchmark: BENCH_FLAGS=--quick for the short form
	@set -e; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python "$$file" $(BENCH_FLAGS); done

train: $(STAMP) ## train the bundled model again, into OUT=work
	$(BIN)/python -m training.pystdlib.tokenizer --out $(OUT)/model
	$(BIN)/python -m training.pystdlib.language_model --out $(OUT)/model
	$(BIN)/python -m training.pystdlib.sae --model $(OUT)/model --out $(OUT)/sae
	$(BIN)/python -m training.pystdlib.card --model $(OUT)/model --sae $(OUT)/sae --card $(OUT)/README.md --json $(OUT)/card.json

VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: setup check test bench

setup: $(BIN)/diffbin ## an environment with everything, training included

$(BIN)/diffbin: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,dev]'
	touch $@

check: setup ## format, lint, types and the default tests; under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow"

test: setup ## every test
	$(BIN)/python -m pytest

bench: setup ## every benchmark that needs no data set
	$(BIN)/python -m benchmarks

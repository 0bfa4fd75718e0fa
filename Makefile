VENV ?= .venv
BIN := $(VENV)/bin
# A thread each, as the workers fill the cores; what is compiled is kept for them and for the processes they start.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.PHONY: demo setup check test bench figures

demo: ## a small environment, and the text of the example pictures outlined in out/
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	$(BIN)/diffbin detect examples --out out --draw

setup: $(VENV)/complete ## an environment with everything, training included

$(VENV)/complete: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,dev]'
	touch $@

check: setup ## format, lint, types and the default tests; a minute or two on two cores
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -m "not slow" -n auto

test: setup ## every test; of the slow ones, which start processes of their own, two at a time
	$(PYTEST) -m "not slow" -n auto
	$(PYTEST) -m slow -n 2 --durations=15

figures: setup ## the pictures of the documentation
	$(BIN)/python docs/figures.py

bench: setup ## every benchmark that needs no data set
	$(BIN)/python -m benchmarks

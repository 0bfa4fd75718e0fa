PYTHON ?= python

.PHONY: check test bench

check: ## format, lint, types and the default tests; under a minute
	ruff format --check .
	ruff check .
	mypy
	$(PYTHON) -m pytest -m "not slow"

test: ## every test
	$(PYTHON) -m pytest

bench: ## every benchmark that needs no data set
	$(PYTHON) -m benchmarks

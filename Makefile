.PHONY: help test lint format bench notebooks ci
help:  ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
test:  ## run the tests
	uv run pytest
lint:  ## format check, lint, types, zones
	uv run ruff format --check . && uv run ruff check . && uv run mypy && uv run lint-imports
format:  ## format and fix
	uv run ruff format . && uv run ruff check --fix .
bench:  ## run the benches and show their figures
	uv run pytest tests/bench --benchmark-only -s
notebooks:  ## run every notebook from top to bottom, in place
	uv run python notebooks/make.py
ci:  ## what CI runs
	bash .ci/run

.PHONY: help test quick attack lint format bench notebooks site ci
ZONE ?= lab/sweep
help:  ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
test:  ## run all tests, those that uv run pytest leaves out too
	uv run pytest --whole
quick:  ## run what is fast of one zone's tests: make quick ZONE=bidi/log
	uv run pytest -q -m "not slow and not realtime and not browser" tests/$(ZONE)
attack:  ## draw 50 times as many examples or more, fuzzed messages and broken files as CI does (hours)
	BIDILAB_ATTACK=50 uv run pytest -q -m "not realtime and not browser"
lint:  ## format check, lint, types, zones
	uv run ruff format --check . && uv run ruff check . && uv run mypy && uv run lint-imports
format:  ## format and fix
	uv run ruff format . && uv run ruff check --fix .
bench:  ## run the benches and show their figures
	uv run pytest tests/bench --benchmark-only -s
notebooks:  ## run every notebook from top to bottom, in place
	uv run python notebooks/make.py
site:  ## build the documentation site into build/site
	uv run --group docs python docs/site/make.py
ci:  ## what CI runs
	bash .ci/run

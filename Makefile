# What can be done in this checkout; `make` alone tells. What runs code first makes .venv what requirements.lock says it is.

PYTHON ?= python3
PYTHONS = $(PYTHON) python3.14 python3.13 python3.12 python3.11
BIN := .venv/bin
WORKERS := 2
RUNS := 50000
SECONDS := 60
DEMO := $(BIN)/python examples/supply-chain-control/demo.py

.DEFAULT_GOAL := help
.PHONY: help demo test check conformance interop simulation fuzz bench bench-edc format setup lock

help: ## print what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: setup ## play the supply chain from catalog to settlement with real processes (KEEP=1 leaves them running)
	@$(DEMO)

test: setup ## run the whole test suite, with the coverage of every branch
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term:skip-covered

check: setup ## format, lint, types, import rules and the fast tests: before every commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(WORKERS) -m "not slow"

conformance: setup ## run the official Dataspace Protocol kit against a Weft daemon (needs Java 17 and Maven)
	@$(BIN)/python -m tests.conformance

interop: setup ## deal with live Eclipse EDC connectors in both directions (EDC=0.15.1 chooses the release; needs Java 17 and Maven)
	$(BIN)/pytest -v --no-header -o python_files='live_*.py' tests/interop

simulation: setup ## play the rules of exchange over a network that loses, doubles and delays (RUNS=50000)
	@$(BIN)/python -m tests.simulation --runs $(RUNS) --processes 2

fuzz: setup ## feed every reader of what comes from outside (SECONDS=60)
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench: setup ## measure speed and print the numbers
	@$(BIN)/python -m benchmarks

bench-edc: setup ## measure beside live Eclipse EDC connectors, in one run (needs Java 17 and Maven)
	@$(BIN)/python -m benchmarks.edc

format: setup ## rewrite the code to the format that `make check` wants
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The first Python that is new enough does the rest; bootstrap.py need not be readable for an older one.
setup: ## make .venv from requirements.lock, unless that is done (PYTHON=python3.13 chooses the Python)
	@for python in $(PYTHONS); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exec $$python bootstrap.py; \
	done; \
	echo "Weft needs Python 3.11 or newer, and none of these is: $(PYTHONS)." >&2; \
	if command -v apt-get >/dev/null; then echo "This installs it: apt-get install python3 python3-venv" >&2; \
	elif command -v dnf >/dev/null; then echo "This installs it: dnf install python3" >&2; \
	elif command -v brew >/dev/null; then echo "This installs it: brew install python3" >&2; fi; \
	exit 1

# Pins that still fit are kept; `make lock LOCK_ARGS=--upgrade` takes the newest of everything. Local wheels are left out, for
# a version found among them would be locked with their hashes alone.
lock: ## write requirements.lock anew from pyproject.toml (the one target that needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv. This installs it: pip install uv" >&2; exit 1; }
	env -u UV_FIND_LINKS uv pip compile pyproject.toml --group dev --output-file requirements.lock --quiet \
	  --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" $(LOCK_ARGS)

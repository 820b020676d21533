# What can be done with this project; `make` alone lists it.
# Needs python3 (3.11 or newer) with its venv module, and make. Everything else comes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_ARGS ?=
# Tests that wait for video in real time run by themselves; beside them those that compute, and then all others.
VIDEO := tests/e2e $(addprefix tests/integration/,gateway encoding)
COMPUTING := tests/simulation tests/unit/media tests/aiortmp/fuzz
WITHOUT = $(addprefix --ignore=,$(1))
# Percent of lines and branches of app/domain, app/policy and app/runtime.
PURE_FLOOR := 95

.DEFAULT_GOAL := help
.PHONY: help run test check format coverage bench fuzz lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Run everything on this machine (Ctrl-C ends it)
	$(BIN)/encoder-manager up

test: $(READY) ## Run the tests (each parser is fuzzed for 3 s; 20 s where CI is set)
	@export FUZZ_SECONDS=$${FUZZ_SECONDS:-$(if $(CI),20,3)}; log=$$(mktemp); \
	setsid sh -c 'nice $(BIN)/python -m pytest -q $(COMPUTING); computed=$$?; \
	    $(BIN)/python -m pytest -q $(call WITHOUT,$(VIDEO) $(COMPUTING)) --durations=15 && [ $$computed -eq 0 ]' \
	    > $$log 2>&1 & beside=$$!; \
	trap "kill -- -$$beside 2> /dev/null; rm -f $$log; exit 130" INT TERM; \
	$(BIN)/python -m pytest $(VIDEO) $(PYTEST_ARGS); waited=$$?; \
	wait $$beside; others=$$?; echo "== beside it: all but $(VIDEO)"; cat $$log; rm -f $$log; \
	[ $$waited -eq 0 ] && [ $$others -eq 0 ]

check: $(READY) ## Lint, format check, types, floors, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/house

format: $(READY) ## Write the code as ruff formats it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: $(READY) ## The pure rooms must be reached nearly whole by their own tests
	$(BIN)/coverage run -m pytest -q tests/unit/domain tests/unit/policy tests/unit/runtime tests/unit/services
	$(BIN)/coverage report --skip-covered --sort=cover --include='app/domain/*,app/policy/*,app/runtime/*'
	$(BIN)/coverage report --include='app/domain/*,app/policy/*,app/runtime/*' --fail-under=$(PURE_FLOOR) --format=total

bench: $(READY) ## Measure against other implementations; ratios within one run
	@for file in benchmarks/*.py benchmarks/*/__main__.py; do \
	    [ -e "$$file" ] && [ "$$file" != benchmarks/__init__.py ] || continue; \
	    name=$$(echo "$${file%.py}" | tr / .); echo "== $${name%.__main__}"; \
	    $(BIN)/python -m "$${name%.__main__}" || exit 1; \
	done

fuzz: $(READY) ## Fuzz each parser for FUZZ_SECONDS (default 20)
	FUZZ_SECONDS=$${FUZZ_SECONDS:-20} $(BIN)/python -m pytest -m fuzz

lock: ## Pin the dependencies anew, with hashes (needs uv)
	requirements/lock

clean: ## Remove what the other words made, the virtual environment too
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "python3 3.11 or newer is needed; set PYTHON=/path/to/it" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "python3's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

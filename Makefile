# One door. `make` lists its targets; .ci/run goes through the same ones.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.complete

# Much of the fast tiers waits, for a disk or a time to run out: twice as many at once as there are
# processors end sooner.
AT_ONCE := $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 2))))

# Where the count of the tests goes, when somebody asks for it: make test REPORTS=DIRECTORY
report = $(if $(REPORTS),--junitxml=$(REPORTS)/$(1).xml)

# Slow because they count to a million; and those that watch the clock or need the disk alone.
SLOW := tests/unit tests/integration tests/bench $(wildcard tests/test_*.py)
ALONE := tests/acceptance tests/crash

FAST := tests/unit tests/integration tests/acceptance $(wildcard tests/test_*.py)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo serve check test ci-long crash soak bench fixtures docs lock clean

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from requirements.lock, with hashes

# Made anew whenever the lock or the project file changes, so that it holds what they say and no more.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fla-batch needs Python 3.11 or later; say which: make setup PYTHON=...")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run the whole way once, on a temporary instance
	$(BIN)/fla-batch demo

serve: setup ## start a channel on port 8022 (data in ./fla-data, or FLA_BATCH_DATA)
	$(BIN)/fla-batch init
	exec $(BIN)/fla-batch serve

check: setup ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup ## the fast tiers: unit, integration, acceptance, the house itself
	@tests/tools.sh
	$(BIN)/pytest -n $(AT_ONCE) --dist loadfile -m "not slow" $(call report,test) $(FAST)

ci-long: setup ## the slow tiers: tests/crash and whatever is marked slow
	@tests/tools.sh
	$(BIN)/pytest -n 2 --dist loadfile -m slow $(call report,slow) $(SLOW)
	$(BIN)/pytest -m slow $(call report,alone) $(ALONE)

crash: setup ## kill the channel and cut its power, at a sample of points; ALL=1: at every point
	@tests/tools.sh
	$(BIN)/python -m tests.crash.lab $(if $(ALL),--all --write) $(ARGS)
	$(if $(ALL),FLA_CRASH_ALL=1 $(BIN)/pytest -m slow tests/crash/test_disk_errors.py tests/crash/test_model.py)

soak: setup ## twenty senders, random kills and clock jumps for MINUTES (default 15)
	@tests/tools.sh
	$(BIN)/python -m tests.crash.soak --write $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

bench: setup ## speeds as ratios to a peer in the same run; no speed is ever red
	@tests/tools.sh >&2
	@$(BIN)/python -m tests.bench $(ARGS)

fixtures: setup ## build the fixtures from their declarations
	$(BIN)/python -m fixtures.build

docs: setup ## write the pages that are made from the code
	$(BIN)/python docs/build.py

lock: setup ## resolve requirements.lock anew (needs the package registry)
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet pip-tools
	.venv-lock/bin/pip-compile --quiet --extra dev --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras --no-header \
		--output-file requirements.lock pyproject.toml
	rm -rf .venv-lock

clean: ## remove what the other targets made, except fla-data
	rm -rf .venv .venv-lock build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis demo-data
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

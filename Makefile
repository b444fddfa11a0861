# Everything below sets itself up: a .venv here, pinned by constraints.txt. Nothing is installed again
# while pyproject.toml, constraints.txt and the interpreter are the same.
VENV    ?= .venv
PYTHON  ?= $(shell .ci/find-python)
N       ?= 20
# Most of a test's time is waiting for real processes: so many run at once.
AT_ONCE ?= 4
# Folders that `make test` leaves out, for who has run them already.
LESS    ?=
UNIT    ?= tests/unit tests/contract
PACKAGES = orchestrator proxies sites
BIN      = $(VENV)/bin
READY    = $(VENV)/.ready-$(shell cat pyproject.toml constraints.txt .ci/install | cksum | cut -d' ' -f1)

.PHONY: help install demo check format test test-unit test-machine soak bench bench-start bench-supervise bench-queue bench-gate bench-proxies bench-sites clean
help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(READY) ## set up .venv (every other target does it by itself)
$(READY):
	@.ci/install "$(PYTHON)" "$(VENV)" "$(READY)"

demo: $(READY)   ## the whole main job on this machine alone, real components, about a minute
	@$(BIN)/orch demo

check: $(READY)  ## format, lint, types, import contracts, shape, unit and contract tests
	@$(BIN)/ruff format --check --quiet $(PACKAGES) tests
	@$(BIN)/ruff check --quiet $(PACKAGES) tests
	@$(BIN)/mypy
	@told=$$($(BIN)/lint-imports --no-logo) || { echo "$$told"; exit 1; }
	@$(BIN)/python .ci/shape.py --gate $(PACKAGES)
	@$(BIN)/pytest -q tests/unit tests/contract -n 3  # these hardly wait, and each process reads all tests

format: $(READY) ## write the format that check asks for
	@$(BIN)/ruff format $(PACKAGES) tests
	@$(BIN)/ruff check --fix $(PACKAGES) tests

test-unit: $(READY) ## unit and contract tests only
	@$(BIN)/pytest -q $(UNIT) -n $(AT_ONCE)

test: $(READY)   ## every test that needs nothing but what make installs
	@failed=0; \
	$(BIN)/pytest $(LESS:%=--ignore=%) -m "not machine and not alone and not pair" -n $(AT_ONCE) --dist worksteal || failed=1; \
	$(BIN)/pytest $(LESS:%=--ignore=%) -m "pair and not machine" -n 2 --dist worksteal || failed=1; \
	$(BIN)/pytest $(LESS:%=--ignore=%) -m "alone and not machine" || failed=1; \
	exit $$failed

test-machine: $(READY) ## tests that need root or a program that .ci/run installs
	@$(BIN)/pytest -m machine -n $(AT_ONCE) --dist worksteal

soak: $(READY)   ## the chaos tests N times in a row (make soak N=20 [ONLY=rows]); what failed is kept in data/soak/
	@.ci/soak "$(BIN)/pytest" $(N) $(AT_ONCE) "$(ONLY)"

bench: bench-start bench-supervise bench-queue bench-gate bench-proxies bench-sites ## figures for the README, in data/bench/

bench-start: $(READY) ## how long the commands take that are typed most
	@$(BIN)/python -m tests.bench

bench-supervise: $(READY)  ## our supervisor beside others that are on PATH or in $$BENCH_PATH
	@$(BIN)/python -m tests.bench.supervise

bench-queue: $(READY)  ## our work queue beside others in the Pythons of the folders of $$BENCH_PATH
	@$(BIN)/python -m tests.bench.queue

bench-gate: $(READY)  ## our gate beside others in the Pythons of the folders of $$BENCH_PATH
	@$(BIN)/python -m tests.bench.gate

bench-proxies: $(READY)  ## our check of proxies, picking and gateway, beside others in $$BENCH_PATH
	@$(BIN)/python -m tests.bench.proxies

bench-sites: $(READY)  ## jobs of sites beside Scrapy, which it installs unless $$BENCH_PATH has it; pages from nginx if it is there
	@$(BIN)/python -m tests.bench.sites

clean:           ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info build

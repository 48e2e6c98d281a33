# make help says what there is. Every target sets up what it needs.

.DEFAULT_GOAL := help
BIN := .venv/bin
PACKAGES := libs/contracts libs/chassis services/referrals services/risk \
            services/allocation services/plans services/notify cli
SBOM := dist/sbom.json
SOURCES := $(foreach package,$(PACKAGES),$(package)/src)

.PHONY: help setup setup-for-tests run test lint types imports unit e2e chaos bench schemas lock mutants fuzz \
        audit-dependencies sbom clean

help: ## What there is to make
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{ printf "  %-18s %s\n", $$1, $$2 }'

setup: ## Make .venv with everything in it, and install missing system packages
	@scripts/setup

setup-for-tests:
	@scripts/setup --for-tests

run: setup ## Run the whole platform with invented data, after a self-test
	@$(BIN)/accord demo

test: setup-for-tests lint types imports ## Run every check and every test, real broker and store included
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder \
	  --durations=10 --durations-min=10

lint: setup ## Check style and formatting (ruff), and for what is unsafe (bandit)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/bandit -q -c pyproject.toml -r libs services cli scripts

types: setup ## Check types (mypy, strict)
	@$(BIN)/mypy $(SOURCES)

imports: setup ## Check the import rules (import-linter)
	@$(BIN)/lint-imports

unit: setup-for-tests ## Run the tests that need no whole platform
	@$(BIN)/pytest libs services

e2e: setup-for-tests ## Run the end-to-end tests alone
	@$(BIN)/pytest tests/e2e

chaos: setup-for-tests ## Run the tests that kill processes under load alone
	@$(BIN)/pytest -m chaos

fuzz: setup-for-tests ## Ask every API whatever can be asked, another way each time
	@ACCORD_FUZZ_EXAMPLES=$${EXAMPLES:-200} ACCORD_FUZZ_SEED=$${SEED:-$$$$} \
	  $(BIN)/pytest tests/e2e/test_api.py --timeout=3600

mutants: setup-for-tests ## Remove each protection in turn, in a copy: its tests must fail
	@$(BIN)/python scripts/mutants.py $(NAMES)

bench: setup ## Measure the pipeline beside its peer, on this machine
	@$(BIN)/python benchmarks/pipeline.py

schemas: setup ## Generate the schemas and the events page from the contracts
	@$(BIN)/accord contracts export
	@$(BIN)/accord contracts docs

audit-dependencies: setup ## Ask for known vulnerabilities of what is pinned
	@$(BIN)/python scripts/audit_dependencies.py

sbom: setup ## List everything Accord is made of (CycloneDX 1.6), with hashes
	@mkdir -p $(dir $(SBOM))
	@$(BIN)/cyclonedx-py requirements --short-PURLs --output-reproducible \
	  --sv 1.6 --of JSON --output-file $(SBOM) requirements.lock

lock: setup ## Pin every dependency anew, with hashes
	@scripts/lock

clean: ## Remove what setup and test runs made; data in .accord stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

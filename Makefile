# Everything a contributor or a newcomer runs. `make` alone lists the targets.
#
#   CLUSTER=auto      (default) a cluster of its own: kind where Docker answers, else the embedded one
#   CLUSTER=current   the current context of your KUBECONFIG; IMAGE_PREFIX=… names images it can pull

SHELL        := /bin/bash
.SHELLFLAGS  := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS    += --no-builtin-rules

PYTHON       ?= python3
CLUSTER      ?= auto
E2E_CLUSTER  ?= workflow-do-e2e
IMAGE_PREFIX ?= localhost/workflow-do
VENV         := .venv
BIN          := $(VENV)/bin
KIND         := $(abspath hack/cluster/kind)
SETUP        := $(VENV)/.setup
WORKERS      ?= 2
PARALLEL      = -n $(WORKERS) --dist loadfile

export CLUSTER IMAGE_PREFIX

.PHONY: help
help: ## list the targets
	@echo "workflow-do: business processes as Kubernetes objects"; echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@echo; sed -n 's/^# \( *CLUSTER=.*\)/\1/p' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(SETUP) ## the Python environment in .venv, from hashed requirements

$(SETUP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "make: Python 3.11 to 3.13 is needed; PYTHON=… names one" >&2; exit 1; }
	@echo "setup: the Python environment in $(VENV) (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lint
lint: $(SETUP) ## style, types, import contracts, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "ruff format: run 'make format'"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python hack/generate.py --check

.PHONY: format
format: $(SETUP) ## put the code into its form
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

.PHONY: generate
generate: $(SETUP) ## write the generated files anew (CRDs, reasons page)
	@$(BIN)/python hack/generate.py

.PHONY: lock
lock: $(SETUP) ## pin the requirements anew, with hashes and without index lines
	@$(BIN)/python hack/lock.py

.PHONY: postgres
postgres:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
	  echo "setup: Debian's postgresql, for the tests of the onboarding example"; \
	  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends postgresql >/dev/null; }

.PHONY: programs
programs: ## build Kubernetes and its tools into the cache (minutes, the first time)
	@$(KIND) build && $(KIND) build busybox

.PHONY: test-unit
test-unit: $(SETUP) postgres ## the fast tests: no cluster
	@$(BIN)/pytest $(PARALLEL) tests/unit

RUNS         ?= 5000
SEED         ?= 0

.PHONY: test-simulation
test-simulation: $(SETUP) ## thousands of simulated runs (RUNS=… SEED=…), and seeded defects they find
	@PYTHONPATH=tests $(BIN)/python -m simulation --runs $(RUNS) --seed $(SEED)
	@PYTHONPATH=tests $(BIN)/python -m simulation --families --runs 200 --seed $(SEED)
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal tests/simulation

.PHONY: test-component
test-component: $(SETUP) programs ## against a real API server (the control plane alone)
	@$(BIN)/pytest $(PARALLEL) -o timeout_func_only=true tests/component

.PHONY: test-poison
test-poison: $(SETUP) programs ## thousands of objects that nobody should make (the short form is in test-component)
	@$(BIN)/pytest tests/poison

.PHONY: test-faults-short
test-faults-short: $(SETUP) programs ## kill, starve and mislead an operator: the short form
	@$(BIN)/python -m pytest tests/faults -m "not long"

.PHONY: test-faults
test-faults: $(SETUP) programs images ## the same in full, with seeded defects and a whole cluster
	@$(BIN)/python -m pytest tests/faults -s --durations=10

.PHONY: test-cluster
test-cluster: $(SETUP) programs ## the embedded cluster tool itself
	@$(BIN)/pytest tests/cluster

.PHONY: test-e2e
test-e2e: $(SETUP) programs images ## on a whole cluster, with the operator installed by the chart
	@[ $(CLUSTER) = current ] || $(KIND) delete cluster --name $(E2E_CLUSTER) 2>/dev/null
	@$(BIN)/python -m pytest tests/e2e --timeout=300 -o timeout_func_only=true --durations=8 \
	  --cluster-name=$(E2E_CLUSTER) --kind-bin=$(KIND) \
	  --kind-kubectl-bin=$$([ $(CLUSTER) = current ] && command -v kubectl || $(KIND) path kubectl)

BENCH        ?=

.PHONY: bench
bench: $(SETUP) programs images ## what the operator adds to bare Jobs, as one line of JSON (BENCH=--quick: 3 minutes)
	@$(BIN)/python -m hack.bench $(BENCH)

.PHONY: test-bench
test-bench: $(SETUP) programs images ## that an operator which is slow on purpose shows in the figures
	@$(BIN)/python -m pytest tests/bench

.PHONY: performance
performance: $(SETUP) ## the figures and curves of docs/ from what `make bench` has measured
	@$(BIN)/python -m hack.bench.report

PARTS = lint test-unit test-simulation test-component test-faults-short test-cluster test-e2e

.PHONY: test
test: ## set everything up and run all tests; at the end, how long each part took
	@took=; for part in $(PARTS); do \
	  begin=$$SECONDS; $(MAKE) --no-print-directory $$part; took+="  $$part $$((SECONDS - begin)) s\n"; \
	done; printf "make test: $$SECONDS s\n$$took"

.PHONY: images
images: ## build the container images into the cache
	@hack/images/build

.PHONY: cluster
cluster: $(SETUP) ## a cluster with the operator, to play with
	@$(BIN)/python -m hack.demo up

.PHONY: demo
demo: $(SETUP) ## the onboarding workflow on a real cluster, succeeding and failing
	@$(BIN)/python -m hack.demo run

.PHONY: clean
clean: ## remove the demo's cluster and everything built in this checkout
	@$(KIND) delete cluster --name workflow-do || true
	@rm -rf $(VENV) build dist .pytest-kind .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@echo "kept: the cache of built programs and images (\$${WORKFLOW_DO_CACHE:-~/.cache/workflow-do})"

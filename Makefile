# The whole of voxmesh from a clone, without root, Docker, GPU, account or model hub. `make help` lists the targets.
PYTHON ?= python3
PORT ?= 8000
T ?= tests
TESTARGS ?=
JOBS ?= 2
AUDIO ?=
TARGET ?=
UV_VERSION := 0.13.9

BIN := .venv/bin
# LANGUAGE is also a variable of the system's own (gettext), so only the command line of make counts.
SPOKEN := $(if $(filter command,$(origin LANGUAGE)),--language '$(LANGUAGE)')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install models demo up test fuzz chaos chart staging fmt lint types check bench lock clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

install: .venv/installed ## Make .venv with everything that the lock names, and voxmesh in it

.venv/bin/python:
	@for python in $(PYTHON) python3.12 python3.11 python3.13; do \
	    $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	        2>/dev/null && exec $$python -m venv .venv; \
	done; \
	echo "voxmesh needs Python 3.11 to 3.13 with its venv module; install it or run: make PYTHON=/path/to/python" >&2; \
	exit 1

.venv/bin/uv: | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The lock is complete for each machine, so nothing is resolved: what a package asks for beside it is not for all of them.
.venv/installed: requirements.lock pyproject.toml | .venv/bin/uv
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

models: install ## Fetch the models into ~/.cache/voxmesh/models (once; MODELS_DIR moves it)
	$(BIN)/voxmesh models pull

demo: models ## Start the mesh, run AUDIO= (or the sample) with LANGUAGE= TARGET=, print the stream, stop
	$(BIN)/voxmesh demo $(if $(AUDIO),'$(AUDIO)') $(SPOKEN) $(if $(TARGET),--target '$(TARGET)')

up: models ## Run the mesh on PORT= (8000) until Ctrl-C
	$(BIN)/voxmesh up --port $(PORT)

test: models ## Run the tests that need no GPU; T= picks files, TESTARGS= passes through, JOBS= (2) at a time
	$(BIN)/python -m pytest $(T) --numprocesses $(JOBS) --dist loadfile $(TESTARGS)

fuzz: models ## Try a whole mesh with some thousand requests made up from the OpenAPI document
	SCHEMA_EXAMPLES=$(or $(EXAMPLES),100) SCHEMA_SEED=$(or $(SEED),$$RANDOM) \
	    $(BIN)/python -m pytest -s tests/integration/test_openapi.py

chaos: install ## Break a mesh of fake engines in all ways, SEEDS= (10) times with TASKS= (300), and see that nothing is lost
	$(BIN)/python -m tests.chaos.drive --seeds $(or $(SEEDS),10) --tasks $(or $(TASKS),300)
	$(BIN)/python -m tests.chaos.recovery

chart: models ## Try the Helm chart: lint, schemas of three Kubernetes, refusals, and its manifests as processes
	FETCHING=required CHART_ENGINES=real $(BIN)/python -m pytest tests/chart $(TESTARGS)

staging: ## Print the command that raises a mesh beside production, NAME= (staging); RUN=1 runs it
	@set -- helm upgrade --install '$(or $(NAME),staging)' deploy/k8s/voxmesh --namespace 'voxmesh-$(or $(NAME),staging)' \
	    --create-namespace --values deploy/k8s/voxmesh/values-staging.yaml; \
	if [ -n "$(RUN)" ]; then exec "$$@"; else echo "$$@"; fi

fmt: install ## Lay out the code and mend what the linter can
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lint: install ## Check style, layout and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install ## Check the types, strictly
	$(BIN)/pyright

check: lint types test ## All that CI checks

bench: models ## Measure latency, hand-off, throughput, uploads and what the mesh costs on top of the models
	for part in latency streams handoff throughput submissions upload overhead recogniser endurance; do $(BIN)/python -m tests.bench.$$part || exit 1; done

lock: .venv/bin/uv ## Resolve the dependencies of pyproject.toml anew
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --all-extras \
	    --overrides deploy/images/overrides.txt --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file requirements.lock

clean: ## Remove .venv and caches; the models stay
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache

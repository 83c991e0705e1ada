# Postroad. `make help` lists what can be asked for. A fresh machine needs Python >= 3.11 and make, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
SLITHER_VENV := .venv-slither

# Stamps live inside what they vouch for, so that deleting it by hand also forgets the stamp.
VENV_STAMP    := $(VENV)/.postroad-stamp
TOOLS_STAMP   := tools/node_modules/.postroad-stamp
SLITHER_STAMP := $(SLITHER_VENV)/.postroad-stamp

# pip's "a newer version exists" is noise, and a question would hang a run without a terminal.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

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
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: tools
tools: $(TOOLS_STAMP) ## Install anvil, forge, solc and OpenZeppelin at their pinned versions

$(TOOLS_STAMP): $(VENV_STAMP) tools/package.json tools/package-lock.json solidity/package.json solidity/package-lock.json tools/install.py tools/solc-shim.cjs relayer/devnet/toolchain.py
	$(PY) -m tools.install
	@touch $@

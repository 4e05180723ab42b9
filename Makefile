# Everything a person or CI runs. `make serve` needs Python 3.11 or newer and nothing else.

PYTHON ?= python3
PORT ?= 8000
HOST ?= 127.0.0.1
ARGS ?= --help
FUZZ_S ?= 600
VENV := .venv
RUN := $(VENV)/bin/python
PIP_INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check
HAVE_NODE := $(shell command -v npm 2>/dev/null)
# Checks import the settings but reach no service: the addresses lead nowhere on purpose.
CHECK_ENV := SECRET_KEY=only-for-checks DATABASE_URL='postgresql://check@/check?host=/nonexistent' HARK_VAR_DIR='$(CURDIR)/var/check'
MANAGE_CHECK := $(CHECK_ENV) $(RUN) -W ignore:::django.core.management.commands.makemigrations manage.py

.DEFAULT_GOAL := help
.PHONY: help serve manage install reinstall install-dev test check python js docs-check fix bench fuzz
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.installed ## start everything on this machine (PORT=8000 HOST=127.0.0.1)
	@PORT='$(PORT)' HOST='$(HOST)' $(RUN) -m asr_project.serve

manage: $(VENV)/.installed ## run a Django command against a running `make serve`, e.g. ARGS="changepassword admin"
	@set -a && . "$${HARK_VAR_DIR:-var}/serve.env" && $(RUN) manage.py $(ARGS)

install: $(VENV)/.installed ## make .venv with what the server needs

reinstall: ## throw .venv away and make it again: mends a damaged or incomplete installation
	rm -rf $(VENV)
	@$(MAKE) --no-print-directory install

install-dev: $(VENV)/.installed-dev ## … and with what its tests and checks need

test: check ## all checks, then the whole test suite
	$(RUN) -m tests.lanes

check: python js docs-check ## lint, types, layers, migrations, OpenAPI schema

python: $(VENV)/.installed-dev
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(CHECK_ENV) $(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-cache
	$(MANAGE_CHECK) check --fail-level WARNING
	$(MANAGE_CHECK) makemigrations --check --dry-run

docs-check: $(VENV)/.installed-dev
	$(MANAGE_CHECK) spectacular --validate --fail-on-warn --file /dev/null

js: ## lint, types and tests of the JavaScript
ifneq ($(HAVE_NODE),)
	@$(MAKE) --no-print-directory node_modules/.installed
	npm run --silent lint
	npm run --silent types
	npm run --silent test
else ifeq ($(CI),true)
	@echo "npm is missing: CI checks the JavaScript too." >&2; exit 1
else
	@echo "note: npm is not installed, so the JavaScript is not checked."
endif

fix: $(VENV)/.installed-dev ## format and repair what the linters can
	$(RUN) -m ruff format
	$(RUN) -m ruff check --fix
ifneq ($(HAVE_NODE),)
	@$(MAKE) --no-print-directory node_modules/.installed
	npm run --silent fix
endif

bench: $(VENV)/.installed-dev ## the benchmarks, as tables and as JSON
	$(RUN) -m benchmarks

fuzz: $(VENV)/.installed-dev ## any conversation in any order, and damaged bytes for every decoder (FUZZ_S=600)
	$(RUN) -m tests.fuzz --seconds '$(FUZZ_S)'

# A changed date alone (a fresh checkout, a switched branch) does not call pip: what was installed is kept and compared.
$(VENV)/.installed: requirements.txt requirements-bare.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hark needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 serve" >&2; exit 1; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { echo "Python cannot make a virtual environment: on Debian and Ubuntu, apt install python3-venv." >&2; exit 1; }
	@cat requirements.txt requirements-bare.txt | cmp -s - $@ || { echo "Installing what the server needs (this takes a minute, once) …"; $(PIP_INSTALL) -r requirements.txt && $(PIP_INSTALL) --no-deps -r requirements-bare.txt; }
	@cat requirements.txt requirements-bare.txt > $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-conformer.txt $(VENV)/.installed
	@cat requirements.txt requirements-conformer.txt requirements-dev.txt | cmp -s - $@ || $(PIP_INSTALL) -r requirements-dev.txt
	@cat requirements.txt requirements-conformer.txt requirements-dev.txt > $@

node_modules/.installed: package.json .npmrc
	npm install --silent
	@touch $@

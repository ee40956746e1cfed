# Two commands do everything on a fresh machine (python3, make and a package index): `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
TOOLS = .venv-tools
RELEASE = audit decoder oidc otel pii postgres
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test test-train browser screenshots check format docs requirements audit size clean

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/ready  ## the main job on examples/support-tickets: check, train, certify, serve, ask, report
	$(BIN)/python examples/support-tickets/demo.py

test: $(VENV)/ready  ## all tests but the slow ones; pulls two small bases once
	$(BIN)/python -m pytest

$(VENV)/ready-train: $(VENV)/ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,train]'
	touch $@

test-train: $(VENV)/ready-train  ## the tests of fine-tuning (installs torch)
	$(BIN)/python -m pytest tests/test_train_*.py tests/test_graph.py tests/test_lora*.py tests/test_export.py

$(VENV)/ready-browser: $(VENV)/ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,browser]'
	cd $(VENV) && npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz package/axe.min.js
	touch $@

browser: $(VENV)/ready-browser  ## the console in a real browser: needs Debian's chromium, and npm for axe-core's file
	$(BIN)/python -m pytest tests/test_console_browser.py --browser --axe $(VENV)/package/axe.min.js

screenshots: $(VENV)/ready-browser  ## one picture a page of the console, in build/screenshots
	$(BIN)/python tests/screenshots.py build/screenshots

check: $(VENV)/ready  ## format, lint, types, unit tests
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples
	$(BIN)/mypy
	$(BIN)/python -m pytest -m 'not weights and not docs'

format: $(VENV)/ready
	$(BIN)/ruff format src tests bench examples
	$(BIN)/ruff check --fix src tests bench examples

docs: $(VENV)/ready  ## docs/cli.md from --help
	$(BIN)/python docs/generate.py

$(TOOLS)/ready: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet pip-tools==7.6.2 pip-audit==2.10.1
	touch $@

requirements: $(TOOLS)/ready  ## requirements/release.txt: what a release was tested with, each file by its hash
	$(TOOLS)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host -c constraints.txt $(RELEASE:%=--extra %) \
	  -o requirements/release.txt pyproject.toml

audit: $(TOOLS)/ready  ## known vulnerabilities of the release; fails where the index of them cannot be asked
	$(TOOLS)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r requirements/release.txt

size:  ## lines per module, to look at
	@find src -name '*.py' | xargs wc -l | sort -n

clean:
	rm -rf $(VENV) $(TOOLS) build dist .pytest_cache .ruff_cache .mypy_cache

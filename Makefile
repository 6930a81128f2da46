# Two commands matter: make run, make test. The rest is for developers.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTANCE ?= instance
WORKERS ?= 2

.PHONY: run test drill lint sizes bench wheel wheel-check clean

run: $(INSTALLED)
	@test -f $(INSTANCE)/demo-accounts.txt || $(BIN)/biobank --instance $(INSTANCE) demo
	@cat $(INSTANCE)/demo-accounts.txt
	@echo "Open http://127.0.0.1:$(PORT)/   (stop with Ctrl-C)"
	@$(BIN)/biobank --instance $(INSTANCE) serve --port $(PORT) --workers $(WORKERS)

# Everything on SQLite and on a real PostgreSQL; browser tests need Debian's Chromium and say so when it is missing.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadgroup --junitxml=build/tests.xml
	$(BIN)/python .ci/lanes.py build/tests.xml

# The same drills with the full numbers of clients and scans.
drill: $(INSTALLED)
	BIOBANK_DRILL=full $(BIN)/python -m pytest -m drill

lint: $(INSTALLED)
	$(BIN)/ruff check biobank tests benchmarks .ci
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/sizes.py

sizes: $(INSTALLED)
	$(BIN)/python .ci/sizes.py

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

wheel: $(INSTALLED)
	$(BIN)/python -m build --wheel --outdir dist

wheel-check: $(INSTALLED)
	.ci/wheel.sh

# pip before 25.1 does not know dependency groups.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist instance

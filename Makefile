PYTHON ?= python3
BIN := .venv/bin
# A bytecode cache saves two seconds at every start of a process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast test-oldest chromium lint format docs clean

demo: .venv/installed  ## Train four optimizers, draw Figure 1 of the MaS paper.
	$(BIN)/python -m experiments reproduce mas-1

test: lint chromium  ## Everything that must pass.
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: lint  ## For every day: all but the tests marked as slow.
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# The site and the kept programs say nothing of the floors; what is made in place is up to
# the compiler, and held for the pinned one.
OLDEST := optax_sign $(filter-out tests/test_docs.py tests/test_kept_programs.py, \
  $(wildcard tests/test_*.py))
FLOORS := import re, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  floors = p["dependencies"] + p["optional-dependencies"]["nnx"]; \
  print(*[re.fullmatch("([\\w-]+)>=([\\d.]+)", f).expand(r"\1==\2") for f in floors], sep="\n")

test-oldest: .venv-oldest/installed  ## The library with the oldest versions it allows.
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -k "not made_in_place" $(OLDEST)

# Debian's, for the tests of the explorer's page.
chromium:
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  timeout 600 sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -qq -y --no-install-recommends chromium' >/dev/null; \
	} || echo "No Chromium, and none could be installed: the page of the explorer cannot be tried."

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyrefly check

docs: .venv/installed  ## The site; all pages anew, as only those that are read can warn.
	$(BIN)/python -m sphinx -q -E -W --keep-going -c docs -d docs/_build/doctrees . docs/_build/html
	@echo "The site is in docs/_build/html/index.html."

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[dev]"
	@# pip would compile on one core.
	$(BIN)/python -m compileall -q -j 0 .venv || true
	touch $@

.venv-oldest/installed: pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	$(PYTHON) -c '$(FLOORS)' >.venv-oldest/floors.txt
	.venv-oldest/bin/python -m pip install --quiet --no-compile -c .venv-oldest/floors.txt -e ".[test]"
	touch $@

clean:
	rm -rf .venv .venv-oldest .cache dist .pytest_cache .ruff_cache .coverage \
	  docs/_build docs/optimizers

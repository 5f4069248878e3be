PYTHON ?= python3
BIN := .venv/bin
# A bytecode cache saves two seconds at every start of a process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test chromium lint format clean

demo: .venv/installed  ## Train four optimizers, draw Figure 1 of the MaS paper.
	$(BIN)/python -m experiments reproduce mas-1

test: lint chromium  ## Everything that must pass.
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term --cov-fail-under=95

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

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	$(BIN)/python -m compileall -q .venv || true
	touch $@

clean:
	rm -rf .venv .venv-oldest .cache dist .pytest_cache .ruff_cache .coverage

# Each target does all its own set-up: a fresh machine needs git, make and Python ≥ 3.11, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Version and "+cpu": what pip takes by itself brings CUDA, several GB. Where it lies: docs/training.md.
TORCH  ?= torch==2.13.0+cpu

# It says that it needs Python 3.12, for what the tests leave alone; it lies beside the other, for processes of its own.
CORE_0_19 := megatron-core==0.19.2

.PHONY: help demo check test release interop bench clean
.DELETE_ON_ERROR:

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.plain ## run manifests/quickstart.yaml on real Japanese pages
	$(BIN)/kakehi run manifests/quickstart.yaml --machine manifests/machines/laptop.yaml

check: $(VENV)/.dev ## style, types, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p kakehi
	$(BIN)/codespell README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md docs pipeline filters tokenizer

test: $(VENV)/.dev ## the whole suite
	$(BIN)/pytest

release: $(VENV)/.dev ## build the sdist and from it the wheel, install that as a stranger would, run the quickstart
	KAKEHI_RELEASE=index $(BIN)/pytest tests/release

interop: $(VENV)/.interop ## the tests against the readers and writers of others: Megatron's own, on a CPU build of torch, and transformers
	$(BIN)/pytest tests/interop

bench: $(VENV)/.dev ## throughput of every stage on a corpus of Debian manuals (Debian only; downloads it)
	$(BIN)/python bench/stages.py

clean: ## remove what was made here, the environment too
	rm -rf $(VENV) work build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.plain: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[crawl,dev]'
	@touch $@ $(VENV)/.plain

$(VENV)/.interop: $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt '$(TORCH)' || { \
	  echo "pip finds no $(TORCH); docs/training.md, \"Tests against the real reader\", says how to get it" >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,interop]'
	rm -rf $(VENV)/core-0.19
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python \
	  --target $(VENV)/core-0.19 $(CORE_0_19)
	@touch $@

# Stock Debian's Python lacks ensurepip; virtualenv or uv bring a pip of their own.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "kakehi needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif command -v uv >/dev/null 2>&1; then uv venv --quiet --seed --python $(PYTHON) $(VENV); \
	elif command -v virtualenv >/dev/null 2>&1; then virtualenv --quiet --python $(PYTHON) $(VENV); \
	else echo "this Python can't make environments; on Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; fi

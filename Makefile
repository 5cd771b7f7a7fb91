# make demo        a venv with the base install, and an inspection of the sample scans
# make test        a venv with everything, then the tests, in as many processes as there are processors
# make acceptance  the slow checks
# make lint        style, types, import rules
#
# Every target works in a fresh clone. The venvs are made anew only when pyproject.toml changes.

PYTHON ?= python3
PYTEST_ARGS ?=

DEMO := .venv-demo
VENV := .venv
DEMO_OUT := demo-out
PACKAGES := $(shell find models inference training configs -type f -not -path '*/__pycache__/*')
PIP_QUIET := --quiet --disable-pip-version-check --no-input

.PHONY: help demo test acceptance lint format clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# The first stamp stands for the dependencies, the second for the package itself.
$(DEMO)/dependencies: pyproject.toml
	rm -rf $(DEMO)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install $(PIP_QUIET) .
	touch $@

$(DEMO)/package: $(DEMO)/dependencies $(PACKAGES) README.md LICENSE
	$(DEMO)/bin/python -m pip install $(PIP_QUIET) --no-deps --force-reinstall .
	touch $@

demo: $(DEMO)/package
	rm -rf $(DEMO_OUT)
	@samples=$$($(DEMO)/bin/python -c 'import cargosight_inference as c; print(c.__path__[0] + "/samples")') \
		&& $(DEMO)/bin/cargosight inspect "$$samples/baggage" --subject baggage --out $(DEMO_OUT)/baggage \
		&& $(DEMO)/bin/cargosight inspect "$$samples/cargo" --subject cargo --out $(DEMO_OUT)/cargo
	@printf '\nThe scans with what was found drawn in are $(CURDIR)/$(DEMO_OUT)/*/*.overlay.png;'
	@printf ' the same as data lies beside them in *.inspection.json.\nThe sample scans are simulated.\n'

$(VENV)/dependencies: pyproject.toml
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install $(PIP_QUIET) --editable '.[train,service,postgres,batch,s3,ray,dev]'
	touch $@

# One thread in each process: two of them with two threads each only wait for one another.
test: $(VENV)/dependencies
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m 'not acceptance' --numprocesses logical --dist loadfile $(PYTEST_ARGS)

acceptance: $(VENV)/dependencies
	$(VENV)/bin/python -m pytest -m acceptance $(PYTEST_ARGS)

lint: $(VENV)/dependencies
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/dependencies
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(DEMO) $(VENV) $(DEMO_OUT) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

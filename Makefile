# Everything a developer or a new user runs. Each target sets up what it needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.installed
FIRST ?= 1000
MINUTES ?= 60
CHAOS ?= 1000 1001 1002 1003 1004

# Tests start hundreds of processes: each would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test coverage test-live test-faults test-faults-long test-chaos test-live-openstack openstack-up openstack-down packages lint docs bench bench-openstack mutants clean

help:  ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 24

$(RUNS): setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(STAMP): $(RUNS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,lint,docs,packages]'
	@touch $@

demo: $(RUNS)  ## two minutes of the manager at work on this machine
	$(BIN)/python -m vcycled.demo

test: $(STAMP)  ## run every test that needs no outside service
	$(BIN)/python -m pytest -m 'not live and not faults' --numprocesses 4 --dist worksteal

coverage: $(STAMP)  ## what the tests of single parts run of the code: at least 95 % of its lines and branches
	$(BIN)/python -m pytest -m 'not live and not faults and not no_cover' --numprocesses 4 --dist worksteal --cov --cov-report=
	$(BIN)/coverage report

test-live: $(STAMP)  ## the tests that start services themselves (PostgreSQL, Apache, nginx, Squid, the benches, …)
	$(BIN)/python -m pytest -m 'live and not live_openstack and not live_packages' --numprocesses 2 --dist loadfile

test-faults: $(STAMP)  ## histories full of faults, audited: none leaked, killed, lost or doubled (minutes)
	$(BIN)/python -m pytest -m faults --numprocesses 2
	$(BIN)/python -m tests.faults --simulated 160 --live 10 --jobs 3

test-faults-long: $(STAMP)  ## the same with other seeds for MINUTES (60), beginning with seed FIRST
	$(BIN)/python -m tests.faults --simulated 400 --live 40 --jobs 3 --first $(FIRST) --minutes $(MINUTES)

test-chaos: $(STAMP)  ## three managers on one database, with the seeds of CHAOS; a minute each (PostgreSQL)
	CHAOS_SEED="$(CHAOS)" $(BIN)/python -m pytest tests/test_managers_e2e.py -k three_managers

test-live-openstack: openstack-up  ## the tests on a real OpenStack, brought up here
	$(BIN)/python -m pytest -m live_openstack --numprocesses 2 --dist worksteal

openstack-up: $(STAMP)  ## bring up a real OpenStack (Debian 12, as root; see docs/dev)
	$(BIN)/python -m tests.openstack_bed up

openstack-down: $(STAMP)  ## stop that OpenStack
	$(BIN)/python -m tests.openstack_bed down

packages: $(STAMP)  ## sdist, wheel and Debian package in dist/; installed in clean places and run (as root)
	$(BIN)/python -m tests.packages
	packaging/build $(BIN)
	$(BIN)/python -m pytest -m live_packages -p no:randomly --numprocesses 2 --dist loadfile

lint: $(STAMP)  ## format, style, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs: $(STAMP)  ## build the documentation; warnings are errors
	$(BIN)/sphinx-build -nWq docs build/docs

bench: $(STAMP)  ## measure the figures that are promised (minutes, and 2 GB of disk for a while)
	$(BIN)/python -m bench.steady
	$(BIN)/python -m bench.many_spaces
	$(BIN)/python -m bench.hanging
	$(BIN)/python -m bench.web_puts
	$(BIN)/python -m bench.admin_pages
	$(BIN)/python -m bench.backlog

bench-openstack: $(STAMP)  ## the figures of OpenStack spaces, on a simulated cloud (ten minutes)
	$(BIN)/python -m bench.openstack_ramp
	$(BIN)/python -m bench.openstack_steady
	$(BIN)/python -m bench.openstack_overhead

mutants: $(STAMP)  ## change the planner in every small way: does some test fail? (minutes)
	$(BIN)/python -m bench.mutants

clean:  ## remove what the targets above made
	rm -rf $(VENV) build dist docs/_build .coverage* .mypy_cache .pytest_cache .ruff_cache *.egg-info

# `make demo` and `make test` need a Debian machine and root, and nothing else.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PLAY := $(BIN)/ansible-playbook
CERTIFIED := tests/unit/steward/certified
COLLECTION := .cache/collections/ansible_collections/cspp/drover
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup setup-dev demo demo-ceph test test-whole docs screenshots vendor lock lint unit scenario fuzz mutants faults drills real bench-second-run bench-agents bench-declaration \
	bench-migration bench-failover bench-failover-ceph bench-console bench-scale soak-migration upgrade-test lab-up lab-down clean

help:
	@echo "make demo       a three-node cluster on this machine, shown at work"
	@echo "make demo-ceph  the same with all guests on Ceph"
	@echo "make test       linters, unit tests and the cluster scenarios, one of them on Ceph"
	@echo "make test-whole the cluster scenarios with everything that takes long, and two nodes"
	@echo "make lint unit scenario   the parts of it"
	@echo "make fuzz SEED=1   ten minutes of declarations nobody would think of"
	@echo "make mutants    200 small errors planted into what decides, and whether a unit test notices; MUTANTS='--seed 3 --only CIB'"
	@echo "make bench-migration   what clients notice of migrations, beside virsh and the stock agent; soak-migration: 200 of them"
	@echo "make bench-scale       what plays cost in clusters of up to a thousand guests"
	@echo "make bench-second-run NODES=12   what a run of site.yml takes that has nothing to do"
	@echo "make bench-agents      what a monitor of a guest costs, on a lab with guests"
	@echo "make drills COUNT=30 SEED=1   power cuts, frozen nodes, partitions: whether anything ran twice, or was lost"
	@echo "make bench-failover    power cut to first answer, beside stock agents; bench-failover-ceph: with guests on Ceph"
	@echo "make bench-console     what the console costs a node, and what 50 people who watch add"
	@echo "make faults     200 faults while guests move; FAULTS='--seed 7 --count 20 --only power' for others"
	@echo "make upgrade-test FROM=REV   a lab that the commit REV built is brought to this checkout, unnoticed by its guests"
	@echo "make real       what containers cannot show, on two emulated machines with Debian's own kernel; REAL=--help tells more"
	@echo "make screenshots   the pictures of the console's page in README and docs"
	@echo "make vendor     the libraries of the console's page anew from npm, verified"
	@echo "make lab-up     three bare nodes; lab-down removes them"
	@echo "make clean      removes labs, caches and the virtual environment"

setup: $(VENV)/setup $(COLLECTION)

setup-dev: setup $(VENV)/setup-dev

$(VENV)/setup: requirements.lock
	tests/setup
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(VENV)/setup-dev: requirements-dev.lock tests/setup-dev $(CERTIFIED)/package-lock.json $(VENV)/setup
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	tests/setup-dev
	touch $@

$(VENV)/setup-mutants: requirements-mutation.lock $(VENV)/setup-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutation.lock
	touch $@

# Every package with its version and the hashes of its files, also those that these need in turn.
lock:
	tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && python3 -m venv $$tmp && $$tmp/bin/pip install --quiet uv && \
	for name in requirements requirements-dev requirements-mutation; do \
		$$tmp/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			$$name.txt -o $$name.lock || exit 1; \
	done
	cd $(CERTIFIED) && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

# The checkout is the collection: cspp.drover.* resolves to it.
$(COLLECTION):
	mkdir -p $(dir $@)
	ln -sfn ../../../.. $@

demo: setup
	$(BIN)/python -u -m tests.demo

# The same with all guests on Ceph, and a client that writes to it when the power is cut.
demo-ceph: export DROVER_LAB_KIND := ceph
demo-ceph: setup
	$(BIN)/python -u -m tests.demo

lab-up: setup
	$(PLAY) playbooks/lab.yml -e lab_state=present

lab-down: setup
	$(PLAY) playbooks/lab.yml -e lab_state=absent

# What the console's page and its tests have of others, from npm's registry.
vendor:
	python3 -m tests.vendor

# The pictures of the console's page in README.md and docs/.
screenshots: setup-dev
	$(BIN)/python -m tests.screenshots

docs: setup
	$(BIN)/python -m tests.docs

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy plugins tests
	$(BIN)/ansible-lint --offline -q

unit: setup-dev
	$(BIN)/pytest

SEED := 1
fuzz: setup
	$(BIN)/python -u -m tests.fuzz --seed $(SEED) $(ARGS)

mutants: setup-dev $(VENV)/setup-mutants
	$(BIN)/python -u -m tests.mutation $(MUTANTS)

SCENARIOS := default ceph
scenario: setup-dev
	for name in $(SCENARIOS); do $(BIN)/molecule test --scenario-name $$name || exit 1; done

# Everything that make test takes a sample of, and the scenario with two nodes.
WHOLE := default ceph pair
test-whole:
	DROVER_WHOLE=1 $(MAKE) scenario SCENARIOS="$(WHOLE)"

COUNT := 30
drills: setup
	$(BIN)/python -u -m tests.drills --count $(COUNT) --seed $(SEED) $(ARGS)

faults: setup
	$(BIN)/python -u -m tests.faults $(FAULTS)

FROM := HEAD~1
upgrade-test: setup
	$(BIN)/python -u -m tests.upgrade --from $(FROM)

# REAL='--keep' leaves the nodes for REAL='--only migration'; REAL=--end ends them.
real: setup
	$(BIN)/python -u -m tests.real $(REAL)

test: lint unit scenario

NODES := 3
bench-second-run: setup
	$(BIN)/python -u -m tests.bench.second_run --nodes $(NODES)

bench-agents: setup
	$(BIN)/python -m tests.bench.agent_calls

bench-declaration: setup
	$(BIN)/python -m tests.bench.declaration

# ARGS="--only idle --repetitions 3"; ARGS=--help tells all of it.
bench-migration: setup
	$(BIN)/python -u -m tests.bench.migration $(ARGS)

# Power cuts, under Drover and under stock agents in turn; ARGS=--help tells all of it.
bench-failover: setup
	$(BIN)/python -u -m tests.bench.failover $(ARGS)

# The same cuts with both guests on Ceph, while a survivor writes to it.
bench-failover-ceph: export DROVER_LAB_KIND := ceph
bench-failover-ceph: export DROVER_LAB := failceph
bench-failover-ceph: export DROVER_LAB_SUBNET := 10.229.0.0/24
bench-failover-ceph: setup
	$(BIN)/python -u -m tests.bench.failover $(ARGS)

# What the console costs a node, and 50 who watch; ARGS=--keep on a lab that has it.
bench-console: setup-dev
	$(BIN)/python -u -m tests.bench.console_watchers $(ARGS)

# What a thousand guests cost; ARGS=--help tells the rest.
bench-scale: setup
	$(BIN)/python -u -m tests.bench.scale $(ARGS)

soak-migration: COUNT := 200
soak-migration: setup
	$(BIN)/python -u -m tests.bench.migration --soak $(COUNT) --results .cache/bench/soak.json --strict $(ARGS)

clean: lab-down
	[ ! -d .cache/real ] || $(BIN)/python -m tests.real --end
	rm -rf $(VENV) .cache

.DEFAULT_GOAL := help
# Python keeps what it has compiled; without, each of the many processes of a demo or a test compiles everything again.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
ORDERS ?= ../shared/data/orders
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help setup demo test test-long check types dashboard docs golden screenshots peers bench-capture bench-collector bench-pipeline bench-console bench-scale bench-serving bench-reorder bench-reorder-speed bench-personas engines soak lock clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(INSTALLED) ## Create .venv and install everything into it

$(INSTALLED): requirements.lock pyproject.toml setup.py
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "Python 3.11 is needed; name it with make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Installing into $(VENV) from PyPI (a minute or two, once)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-compile -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED) ## The whole pipeline on real orders: make demo [ARGS="--households 50 --days 120"]
	@$(BIN)/python -m deploy.local.demo $(ARGS)

# A file of tests stays with one process, and each process has a local stack of its own.
test: $(INSTALLED) ## All tests: make test [ARGS="-k spool"]
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(INSTALLED) .engines/flink.classpath ## The tests that take minutes each, and the job on Flink; needs Java
	$(BIN)/python -m pytest -m long $(ARGS)

check: $(INSTALLED) types ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p shopstream.schemas -p shopstream.capture -p shopstream.pipeline -p shopstream.ml_features
	$(BIN)/mypy deploy tests benchmarks
	$(BIN)/lint-imports

types: ## Links through which mypy sees our folders under their installed names
	@mkdir -p .types/shopstream
	@for room in schemas capture pipeline ml_features; do ln -sfn ../../$$room .types/shopstream/$$room; done

dashboard: $(INSTALLED) ## A warehouse's charts as a page: make dashboard ARGS="--to 2026-11-20 --output dashboard.html"
	@$(BIN)/python -m deploy.dashboards $(ARGS)

docs: $(INSTALLED) ## Render the generated pages
	$(BIN)/python -m deploy.reference docs

golden: $(INSTALLED) ## Rewrite the golden files from today's code; review the diff
	$(BIN)/python -m pytest tests/golden --rewrite-golden

screenshots: $(INSTALLED) ## Take the pictures of docs/console.md anew; needs Debian's chromium
	$(BIN)/python -m pytest tests/integration/console/test_browser.py --rewrite-golden

peers: .venv-peers/.installed ## Install the SDKs that capture is measured beside

.venv-peers/.installed: benchmarks/capture/requirements-peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-capture: $(INSTALLED) peers ## Capture beside its peers, twenty minutes; renders docs/benchmarks.md
	$(BIN)/python -m benchmarks.capture all
	$(BIN)/python -m benchmarks.results

bench-collector: $(INSTALLED) ## Requests a second of the HTTP collector; renders docs/benchmarks.md
	$(BIN)/python -m benchmarks.collector
	$(BIN)/python -m benchmarks.results

bench-pipeline: $(INSTALLED) ## The job beside the pipeline of Beam's examples, four minutes; renders docs/benchmarks.md
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.results

bench-scale: $(INSTALLED) ## The local stack at rising rates until it cannot follow, seven minutes; renders docs/benchmarks.md
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.results

.venv-peers-serving/.installed: benchmarks/serving/requirements-peers.txt
	$(PYTHON) -m venv .venv-peers-serving
	.venv-peers-serving/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-console: $(INSTALLED) ## The console's pages on the demo's data, eight minutes; needs Debian's chromium; renders docs/benchmarks.md
	$(BIN)/python -m benchmarks.console
	$(BIN)/python -m benchmarks.results

bench-serving: $(INSTALLED) .venv-peers-serving/.installed ## Features served, beside Feast, ten minutes; needs redis-server; renders docs/benchmarks.md
	$(BIN)/python -m benchmarks.serving --feast .venv-peers-serving/bin/python
	$(BIN)/python -m benchmarks.results

bench-reorder: $(INSTALLED) ## What is bought again, on public orders, two hours: make bench-reorder ORDERS=folder
	$(BIN)/python -m benchmarks.reorder --data $(ORDERS)
	$(BIN)/python -m benchmarks.results

bench-reorder-speed: $(INSTALLED) ## Features and scores of ten million lines, three minutes: make bench-reorder-speed ORDERS=folder
	$(BIN)/python -m benchmarks.reorder.speed --data $(ORDERS)
	$(BIN)/python -m benchmarks.results

bench-personas: $(INSTALLED) ## Shares, stability and separation of personas, two minutes: make bench-personas ORDERS=folder
	$(BIN)/python -m benchmarks.personas --data $(ORDERS)
	$(BIN)/python -m benchmarks.results

.engines/flink.classpath: tests/engines/flink-job-server.xml
	@mkdir -p .engines
	mvn -q -B -f $< dependency:build-classpath -Dmdep.outputFile=$(CURDIR)/$@.new
	@mv $@.new $@

engines: $(INSTALLED) .engines/flink.classpath ## The job on Flink, which Maven fetches; needs Java
	$(BIN)/python -m pytest -m long tests/engines

soak: $(INSTALLED) ## 200,000 events through the job while things break around it, once a write method; ten minutes
	$(BIN)/python -m tests.soak

lock: $(INSTALLED) ## Pin every dependency anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --no-emit-index-url --no-emit-find-links --no-emit-package shopstream --no-header --output-file requirements.lock

clean: ## Remove what the other targets made
	rm -rf $(VENV) .venv-peers .venv-peers-serving .types .local build dist *.egg-info

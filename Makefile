# `make` lists the targets. Written for any POSIX make; what needs a shell is in scripts/.

PY = .venv/bin/python
SOURCES = supervision stockstream web mockserver
SEEDS = 0-99
SHARED_OUT = -n 2 --dist=loadfile --no-loadscope-reorder

.PHONY: help run dev test test-deep simulate check supply coverage chaos demo bench css lock readme docs dashboards observability clean

help: ## list the targets
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  PYTHON=python3.14 picks the interpreter (3.11 to 3.14); ARGS='-k name' goes to pytest."

run: ## install what is locked, start everything and print the URLs
	@scripts/bootstrap run
	@$(PY) -m stockstream serve

dev: ## the same, and start again whenever a source file changes
	@scripts/bootstrap dev
	@$(PY) -m watchfiles --sigint-timeout 12 --sigkill-timeout 3 --ignore-paths web/assets '$(PY) -m stockstream serve' $(SOURCES)

test: ## run all tests (some need Chromium, Firefox, proxies, Prometheus, libfaketime, Node 20, Java, Erlang or Helm and say so when it is missing)
	@echo "stockstream: all tests, in two processes: some twenty minutes on two free cores." >&2
	@echo "stockstream: first come the browser, the proxies and the like that they need: by apt, where this" >&2
	@echo "stockstream: is Debian and you are root, and by npm. What is missing is said; its tests are skipped." >&2
	@scripts/bootstrap dev
	@scripts/chromium
	@scripts/firefox
	@scripts/proxies
	@scripts/prometheus
	@scripts/faketime
	@scripts/postgres
	@scripts/wiremock
	@scripts/erlang
	@scripts/helm
	@scripts/node-tests
	@$(PY) -m pytest $(SHARED_OUT) $(ARGS)

test-deep: ## the runtime against its model and a real OTP, candles and a cluster against theirs: thousands of scenarios (about an hour)
	@scripts/bootstrap dev
	@scripts/erlang
	@HYPOTHESIS_PROFILE=deep $(PY) -m pytest -o faulthandler_timeout=0 \
		tests/conformance/test_model.py tests/conformance/test_random_trees.py \
		tests/conformance/otp tests/integration/distributions tests/simulation \
		tests/integration/history/test_grown_candles.py \
		tests/unit/cluster/test_ownership_states.py \
		tests/unit/cluster/test_ownership_simulation.py \
		tests/integration/cluster tests/integration/nodes/test_serve_nodes.py \
		tests/integration/cli/test_watch.py tests/integration/chaos/test_nodes.py \
		tests/integration/operations/test_container_rehearsal.py \
		tests/chaos/test_cluster.py tests/chaos/test_kills.py tests/chaos/test_scenarios.py \
		tests/integration/operations/test_blue_green.py \
		tests/chaos/test_history_kills.py tests/chaos/test_database_faults.py $(ARGS)

simulate: ## whole nodes in virtual time, from seeds: SEEDS=0-999, or SEEDS=1000- until Ctrl+C
	@scripts/bootstrap dev
	@$(PY) -m tests.simulation --seeds $(SEEDS) $(ARGS)

check: ## lint, format, types, layers, container files, dashboards, built CSS
	@scripts/bootstrap dev
	@scripts/check

supply: ## workflows, laws of the house, secrets in files, bill of materials (build/sbom.json), licences
	@scripts/bootstrap dev
	@scripts/supply

coverage: ## run all tests and write htmlcov/index.html; fails under 90 % of a package's lines
	@scripts/bootstrap dev
	@scripts/chromium
	@scripts/firefox
	@scripts/proxies
	@scripts/prometheus
	@scripts/faketime
	@scripts/postgres
	@scripts/wiremock
	@scripts/erlang
	@scripts/helm
	@scripts/coverage $(SHARED_OUT) $(ARGS)

chaos: ## run the chaos tests, then five minutes of random kills; report in chaos-report.html
	@scripts/bootstrap dev
	@scripts/chaos $(ARGS)

demo: ## start the server and take a five-minute tour of faults (PACE=0.2 for two minutes)
	@scripts/bootstrap run
	@$(PY) scripts/demo.py

bench: ## measure the runtime and the fan-out beside others (--quick: two minutes; --history: the database)
	@scripts/bootstrap run
	@scripts/bench $(ARGS)

css: ## build the style sheets in web/static/ again (needs Node)
	@scripts/front-end build

lock: ## make the lock files again from pyproject.toml (needs uv)
	@scripts/lock

readme: ## write the configuration table into README.md, and what the Helm chart knows of settings
	@scripts/bootstrap dev
	@$(PY) scripts/readme.py
	@$(PY) scripts/chart.py

docs: ## build the documentation as a site, in build/site (from an index, once: the builder)
	@scripts/bootstrap dev
	@scripts/docs

dashboards: ## write Grafana's dashboards again from scripts/grafana
	@scripts/bootstrap dev
	@$(PY) -m scripts.grafana

observability: .env ## start all of it by docker compose, with Prometheus, Alertmanager and Grafana
	@docker compose version > /dev/null 2>&1 || { echo "make observability needs docker with its compose plugin" >&2; exit 1; }
	@scripts/make-secrets
	@docker compose --profile observability up -d --wait
	@echo "Grafana: http://127.0.0.1:3000, user admin, password in .secrets/grafana_password"
	@echo "Prometheus: http://127.0.0.1:9090   Alertmanager: http://127.0.0.1:9093"

.env: ## write .env with new secrets for docker compose
	@scripts/make-env

clean: ## remove .venv, caches and reports; the data in .stockstream stays
	rm -rf .venv build dist *.egg-info htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find $(SOURCES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

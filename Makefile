# SPEECH=0 omits the `speech` extra: the emulator then produces a tone instead of speech.
SPEECH ?= 1
PYTEST_ARGS ?=
# Number of test processes: one per core of CI, except in `make test`.
WORKERS ?= 2
BENCH_ARGS ?=
# Use the system's certificates, like pip, git and curl. uv's own list does not contain the certificate authority
# of a company's proxy.
export UV_SYSTEM_CERTS ?= true
# Unset this variable. With it, each test process would compile Airflow and numpy again.
unexport PYTHONDONTWRITEBYTECODE

speech := $(if $(filter-out 0 no false,$(SPEECH)),--extra speech)
bin := .venv/bin
bin-2.11 := .venv-2.11/bin
tools := .venv-tools/bin
constraints := 2.11.0 3.0.6
clients := tests/integration/emulator/clients
examples-2.11.0 := tests/integration/test_example_dags.py
examples-3.0.6 := tests/integration/shared_stack
between := test-3.1 test-3.2
in_parallel = -n $(WORKERS) --durations 15 $(PYTEST_ARGS)
# These folders do not use Airflow, only Python, Jinja2 and markdown-it-py. They are tested on three versions of Python
# (`make test`, `make test-3.2`, `make test-wheel`) and with the oldest dependencies. Other tests omit them.
omit_independent := $(foreach folder,audio captions document text,--ignore tests/unit/$(folder))
random_order := --random-order --random-order-seed $(shell date +%s)
units-with := test-python-3.12 test-python-3.13
check-schema = $(tools)/check-jsonschema --builtin-schema vendor.$(1)

.DEFAULT_GOAL := help
.PHONY: help demo demo-ui demo-audiobook test test-2.11 test-2.11.0 test-3.0.6 $(between) $(addprefix env-,$(constraints)) $(units-with) test-lowest test-browser test-events test-celery test-clients test-wheel
.PHONY: screenshots lint-files lint-workflows lock-tools hooks dist smoke-aws env-tools
.PHONY: docs lint format clean env env-2.11 env-browser env-celery env-clients bench-emulator bench-blocking bench-waiting bench-faults bench-scale bench-batch bench-documents bench-captions bench-commands

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run the basic example on a real Airflow against the emulator, and save its mp3 file in .demo/
	@scripts/bootstrap.sh .venv --extra speech
	@$(bin)/python -m scripts.demo

demo-ui: ## Run the demo, then keep Airflow's UI and the emulator running until Ctrl-C is pressed
	@scripts/bootstrap.sh .venv --extra speech
	@$(bin)/python -m scripts.demo --ui

demo-audiobook: ## Speak a whole novel on a real Airflow against the emulator: one mp3 with chapters in .demo/ (BOOK=path for another)
	@scripts/bootstrap.sh .venv --extra speech
	@$(bin)/python -m scripts.demo_audiobook $(if $(BOOK),--book "$(BOOK)")

# While the tests of two real Airflows wait, a third process uses the cores.
test: WORKERS = 3
test: lint ## Lint, type checks, unit tests and integration tests on the newest Airflow (SPEECH=0: without real voices)
	$(bin)/python -m pytest tests/unit tests/integration $(in_parallel)

test-2.11: env-2.11 ## Unit tests and integration tests on Airflow 2.11, without real voices
	$(bin-2.11)/python -m pytest tests/unit tests/integration $(omit_independent) $(in_parallel)

test-2.11.0 test-3.0.6: test-%: env-% ## Unit tests and examples with the versions that Airflow's constraints pin
	.tools/uv/bin/uv pip check --quiet --python .venv-$*/bin/python
	.venv-$*/bin/python -m scripts.import_all
	.venv-$*/bin/python -m pytest tests/unit $(examples-$*) $(omit_independent) $(in_parallel) $(random_order)

# CI runs this with Python 3.12.
test-3.2: omit_independent :=
test-3.1: ## Unit tests in random order, and tests on a real Airflow 3.1 and in its UI; test-3.2 does the same on Airflow 3.2
$(between): test-%:
	@scripts/install_browser.sh
	@PYTHON_BELOW=3.13 scripts/bootstrap.sh .venv-$* --no-group airflow-3-3 --group airflow-$(subst .,-,$*) --group browser
	.venv-$*/bin/python -m scripts.import_all
	.venv-$*/bin/python -m pytest tests/unit tests/integration/shared_stack $(omit_independent) $(in_parallel) $(random_order)
	.venv-$*/bin/python -m pytest tests/ui -rs $(PYTEST_ARGS)

test-python-3.12: ## Import check and unit tests with Python 3.12; test-python-3.13 does the same with Python 3.13
$(units-with): test-python-%:
	@python=$$(scripts/find_python.sh $*) && PYTHON=$$python scripts/bootstrap.sh .venv-python-$* $(speech)
	.venv-python-$*/bin/python -m scripts.import_all
	.venv-python-$*/bin/python -m pytest tests/unit $(in_parallel)

test-lowest: ## Unit tests and example DAGs on the lowest declared versions of the direct dependencies
	@PYTHON_BELOW=3.13 scripts/bootstrap.sh .venv-lowest --no-group airflow-3-3 --group lowest $(speech)
	.venv-lowest/bin/python -m scripts.check_lowest
	.venv-lowest/bin/python -m pytest tests/unit tests/integration/test_example_dags.py $(in_parallel)

test-events: ## Test the example DAG that a queue starts, with aiobotocore and the boto3 version that aiobotocore requires
	@PYTHON_BELOW=3.14 scripts/bootstrap.sh .venv-events --no-group airflow-3-3 --group events $(speech)
	.venv-events/bin/python -m pytest tests/integration/test_stack_events.py $(PYTEST_ARGS)

test-celery: env-celery ## Test many texts on Celery while machines fail; needs PostgreSQL and Redis servers
	.venv-celery/bin/python -m pytest tests/integration/test_stack_celery.py -rs $(PYTEST_ARGS)

test-clients: env-clients ## Test the emulator with other clients (JavaScript, capo, aiobotocore, py3-tts-wrapper) and moto's tests
	POLLY_EMULATOR_CLIENTS=.venv-clients $(bin)/python -m pytest tests/integration/emulator/test_other_clients.py -rs $(PYTEST_ARGS)

test-browser: env-browser ## Test the Listen tab, the read-along page and joined audio in Chromium; as root, installs it with apt-get if it is missing
	.venv-browser/bin/python -m pytest tests/browser tests/ui -rs $(PYTEST_ARGS)

test-wheel: env-tools ## Unit and integration tests against the built wheel, with coverage (DIST=dist: against the wheel in dist/)
	PYTEST_ARGS='$(in_parallel)' scripts/test_wheel.sh $(speech)

smoke-aws: env ## Run one synthesis task on real AWS; costs $$0.000124, needs credentials and POLLY_SYSTEM_TEST_BUCKET
	@$(bin)/python -m scripts.smoke_aws

dist: env-tools ## Build an sdist and a wheel in dist/ and check them (TAG=v1.2.3: also check them against that tag)
	@scripts/build_dist.sh dist

screenshots: env-browser ## Take the screenshots of Airflow's UI for docs/images in Chromium
	@.venv-browser/bin/python -m scripts.screenshots

docs: ## Build the documentation in docs/_build/html
	@scripts/bootstrap.sh .venv-docs --no-default-groups --group docs --group airflow-3-3 --extra emulator
	.venv-docs/bin/sphinx-build -W -n --keep-going -q docs docs/_build/html

bench-emulator: env ## Measure the speed of the emulator (not a test)
	$(bin)/python benchmarks/emulator.py

bench-blocking: env ## Compare ways to make blocking calls from an event loop; takes ten minutes (not a test)
	$(bin)/python -m benchmarks.blocking_calls

bench-waiting: env ## Compare the cost of waiting with alternatives; needs PostgreSQL, takes an hour (not a test)
	$(bin)/python -m benchmarks.waiting $(BENCH_ARGS)

bench-faults: env ## Count synthesis tasks after faults on a real Airflow; takes an hour and a half (not a test)
	@mkdir -p .build
	$(bin)/python -m benchmarks.faults --out .build/faults.jsonl $(BENCH_ARGS)
	$(bin)/python -m benchmarks.faults.report .build/faults.jsonl

bench-scale: env-celery ## Measure many texts on Celery, and the effect of failed machines; takes half an hour (not a test)
	.venv-celery/bin/python -m benchmarks.scale $(BENCH_ARGS)

bench-batch: env-celery ## Compare one batch task with mapped tasks; needs PostgreSQL, takes two hours (not a test)
	.venv-celery/bin/python -m benchmarks.batch $(BENCH_ARGS)

bench-documents: env ## Measure how documents are split, joined and recovered; takes more than an hour (not a test)
	$(bin)/python -m benchmarks.documents.splitting
	$(bin)/python -m benchmarks.documents.joining
	$(bin)/python -m benchmarks.documents.joining_s3
	$(bin)/python -m benchmarks.documents.throughput
	$(bin)/python -m benchmarks.documents.faults

bench-captions: env ## Measure the conversion of 10 hours of speech marks to captions (not a test)
	$(bin)/python -m benchmarks.captions.conversion $(BENCH_ARGS)

bench-commands: env ## Measure the CPU time that the package adds to `airflow` commands (not a test)
	@scripts/bootstrap.sh .venv-without --no-install-project --no-group lint
	@scripts/bootstrap.sh .venv-with --no-editable --no-group lint
	$(bin)/python -m benchmarks.airflow_commands $(BENCH_ARGS)

lint: env lint-files ## Check lint rules, formatting, imports, types, spelling and GitHub's files
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/lint-imports
	$(bin)/mypy

lint-files: env-tools lint-workflows ## Check the spelling and .pre-commit-config.yaml
	git ls-files -z | xargs -0 $(tools)/codespell
	$(tools)/pre-commit validate-config

lint-workflows: env-tools ## Check GitHub's workflows, issue forms and Dependabot's configuration; needs no network
	$(call check-schema,github-workflows) .github/workflows/*.yml
	$(tools)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(call check-schema,github-issue-forms) .github/ISSUE_TEMPLATE/[!c]*.yml
	$(call check-schema,github-issue-config) .github/ISSUE_TEMPLATE/config.yml
	$(call check-schema,dependabot) .github/dependabot.yml
	$(tools)/zizmor --offline --quiet --no-progress --strict-collection --pedantic .

format: env ## Format the code, and apply ruff's automatic fixes
	$(bin)/ruff check --fix
	$(bin)/ruff format

hooks: env env-tools ## Make git run the checks in .pre-commit-config.yaml before each commit
	$(tools)/pre-commit install

lock-tools: env-tools ## Update .ci/tools.txt after a change to .ci/tools.in
	@# Run uv outside the project folder, because the project's settings for uv would restrict the platforms.
	@folder=$$(mktemp -d) && cp .ci/tools.in "$$folder" && cd "$$folder" && "$(CURDIR)"/.tools/uv/bin/uv pip compile --quiet \
		--universal --python-version 3.11 --no-header --no-annotate --generate-hashes -o tools.txt tools.in \
		&& cp tools.txt "$(CURDIR)"/.ci/tools.txt && rm -r "$$folder"

env: ## Build .venv from the lock
	@scripts/bootstrap.sh .venv $(speech)

env-tools: ## Build .venv-tools from .ci/tools.txt
	@scripts/bootstrap.sh .venv-tools --requirements .ci/tools.txt

env-2.11: ## Build .venv-2.11 from the lock
	@PYTHON_BELOW=3.13 scripts/bootstrap.sh .venv-2.11 --no-group airflow-3-3 --group airflow-2-11

env-browser: ## Build .venv-browser from the lock, and install Chromium if it is missing
	@scripts/install_browser.sh
	@PYTHON_BELOW=3.14 scripts/bootstrap.sh .venv-browser --no-group airflow-3-3 --no-group lint \
		--group fab --group browser $(speech)

env-celery: ## Build .venv-celery from the lock
	@PYTHON_BELOW=3.14 scripts/bootstrap.sh .venv-celery --no-group airflow-3-3 --no-group lint --group celery

# These clients conflict with the lock. The environment has only the packages in the requirements file, no Airflow.
env-clients: env
	@[ -d .venv-clients ] || .tools/uv/bin/uv venv --quiet --python $(bin)/python .venv-clients
	@.tools/uv/bin/uv pip sync --quiet --python .venv-clients/bin/python $(clients)/requirements.txt

$(addprefix env-,$(constraints)): env-%:
	@PYTHON_BELOW=3.13 scripts/bootstrap.sh .venv-$* --no-group airflow-3-3 --no-group lint \
		--group constraints-$(subst .,-,$*)

clean: ## Remove environments, tools, caches and the demo's output
	rm -rf .venv .venv-* .tools .demo .build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

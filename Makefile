# OsteoGate. `make demo` and `make test` are the two to know; `make help` lists all.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help changed submit setup demo test test-all check format run serve stop dashboard doctor compile image engine-image lock clean clean-all

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Make .venv from the pinned requirements

$(VENV)/.ready: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 not found: install it or say make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "setting up $(VENV) from requirements.txt (some minutes, once)"
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## The main job: data, training, gate, a served model, and a summary
	@$(RUN)/osteogate run

test: setup ## The tests (at most 15 minutes on 2 cores)
	$(RUN)/pytest -m "not long" -n 2 --dist loadfile

test-all: setup ## All tests, the long ones too
	$(RUN)/pytest -n 2 --dist loadfile

check: setup ## Formatter, linter, type checker, import rules
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports

format: setup ## Format the code
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

run: demo ## Same as demo

serve: setup ## Start Triton with the champion
	@$(RUN)/osteogate serve start

stop: setup ## Stop every server that was started here
	@$(RUN)/osteogate serve stop
	@$(RUN)/osteogate dashboard stop

dashboard: setup ## MLflow's and Evidently's pages
	@$(RUN)/osteogate dashboard start

doctor: setup ## What is missing on this machine
	@$(RUN)/osteogate doctor

compile: setup ## The pipeline's YAML for a Kubeflow cluster, in build/
	@$(RUN)/osteogate compile -o build/osteogate.yaml

submit: compile ## Submit the compiled pipeline to the KFP server of KFP_HOST
	@$(RUN)/python -m pipelines.submit build/osteogate.yaml

changed: ## Does the last commit touch what a model is made of? (for CI: model=true or false)
	@if git diff --name-only HEAD~1 -- data.dvc params.yaml models components requirements.txt | grep -q .; \
	  then echo "model=true"; else echo "model=false"; fi

image: ## Build the steps' image with buildah
	buildah bud --file infra/images/Dockerfile --build-arg GIT_COMMIT=$$(git rev-parse HEAD) --tag osteogate:0.1.0 .

engine-image: ## Build the segment step's image (TotalSegmentator, without weights) on top of it
	buildah bud --file infra/images/totalsegmentator.Dockerfile --tag osteogate-totalsegmentator:0.1.0 .

lock: setup ## Write requirements.txt from requirements.in and what is installed
	$(RUN)/pip install --quiet -r requirements.in
	@(echo "# Full lock of requirements.in (make lock). Plain pins only."; \
	  $(RUN)/pip freeze --all | grep -v -i -E '^(pip|-e|osteogate)\b' | sed 's/+cpu$$//') > requirements.txt

clean: ## Stop the servers; remove runs, caches and reports (keeps data, environments, the site's key, the count of looks, the record of deletions)
	@if [ -x $(RUN)/osteogate ]; then $(MAKE) --no-print-directory stop; fi
	@if [ -d .osteogate ]; then find .osteogate -mindepth 1 -maxdepth 1 ! -name keys ! -name test_set_looks.jsonl ! -name deletions.jsonl -exec rm -rf {} +; fi
	rm -rf runs build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

clean-all: clean ## Remove data and environments as well
	rm -rf data .venv .venv-triton

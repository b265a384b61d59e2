# The commands that people and CI type. Each sets the machine up first (infra/setup; seconds once it has run).
#   make demo SOURCE=s3://bucket/photos LIMIT=500
#   make test ARGS="tests/e2e/pipeline/test_dag.py -x"
.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench bench-serve
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# Values reach the recipes through the environment, so that no character of them is read by a shell.
export SOURCE LIMIT PRODUCTS LOOKS IMAGES ROUNDS PYTHON

help: ## list the commands
	@awk -F ': *## *' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## the whole pipeline on a rendered catalogue, or on your photos: make demo SOURCE=<folder or s3://…>
	@infra/setup jobs airflow
	@exec .venv/jobs/bin/python -m infra.demo $${SOURCE:+--source "$$SOURCE"} $${LIMIT:+--limit "$$LIMIT"} \
	  $${PRODUCTS:+--products "$$PRODUCTS"} $${LOOKS:+--looks "$$LOOKS"}

test: ## format, lint, types and every test; ARGS="…" goes to pytest
	@infra/setup jobs airflow
	@exec infra/check $(ARGS)

check: ## format, lint, types and the unit tests: the fast loop, about a minute
	@infra/setup jobs
	@exec infra/check --fast

lint: ## format, lint and types only
	@infra/setup jobs
	@exec infra/check --lint

bench: ## images/s, a night without changes, memory and rollback, on rendered photos: IMAGES=1000
	@infra/setup jobs
	@exec .venv/jobs/bin/python -m infra.bench $${IMAGES:-1000}

bench-serve: ## the service beside a bare loop over its models, on 200,000 items: ROUNDS=4
	@infra/setup jobs
	@exec .venv/jobs/bin/python -m infra.bench_serve --rounds $${ROUNDS:-4}

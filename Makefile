# Every command of the project. They install what is missing first, and a second run installs nothing.
# What they do is in setup/, plain Python: this file only passes the variables on.

ifndef PYTHON
PYTHON := $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell command -v $(name) 2>/dev/null)))
endif
SETUP = $(if $(PYTHON),$(PYTHON),$(error Bantam needs Python 3.11, 3.12 or 3.13, and PATH has no python3: install one)) -m setup
BIN := .venv/bin
PORT ?= 8000
BIND ?= 127.0.0.1
truth = $(filter-out 0 no false,$(1))

.DEFAULT_GOAL := help
.PHONY: help install demo run worker test lint format lock bench clean

help: ## Show this list
	@sed -nE 's/^([a-z]+): .*## (.*)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-16s %s\n' "$$name" "$$text"; done

install: ## Install what is missing, and nothing more
	@exec $(SETUP) install

demo: ## Take real handwritten digits through the whole loop and stay up [EXIT=1 to stop afterwards, PORT=8000]
	@exec $(SETUP) demo --port "$(PORT)" $(if $(call truth,$(EXIT)),--exit)

run: ## Run the platform: web server and worker, data in var/ [PORT=8000, BIND=127.0.0.1]
	@exec $(SETUP) run --host "$(BIND)" --port "$(PORT)"

worker: ## Run one more worker for the services named by DATABASE_URL, REDIS_URL and STORAGE_URL
	@exec $(SETUP) worker

test: ## Run all tests [REQUIRE=services,browser,sandbox; ARGS="tests/setup -k port" for some of them]
	@exec $(SETUP) test $(ARGS)

lint: ## Check style, types, architecture, migrations and deployment settings
	@exec $(SETUP) lint

format: install ## Put the Python code into the project's style
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lock: ## Write the lock files anew from pyproject.toml and package.json [UPGRADE=1 for newest versions]
	@exec $(SETUP) lock $(if $(call truth,$(UPGRADE)),--upgrade)

bench: ## Run one benchmark [BENCH=name, DATA=folder, QUICK=1 for a smoke run]
	@exec $(SETUP) bench --name "$(BENCH)" --data "$(DATA)" $(if $(call truth,$(QUICK)),--quick)

clean: ## Remove what was installed and made; the data of `make run` stays
	@exec $(SETUP) clean

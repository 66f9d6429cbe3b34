# Everything a reader of the README, a contributor or a build server runs. `make help` lists the targets.
# Needed: Go, git, make, and a C compiler for the race detector. Tools are pinned in tools/go.mod.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET      ?= .
STATE_DIR   ?= $(HOME)/.rediver
SCAN_FLAGS  ?=
TEST_FLAGS  ?=
BENCH       ?= .
BENCHTIME   ?= 200ms
BENCH_FLAGS ?=
FUZZTIME    ?= 10s
ROUNDS      ?= 100
SEED        ?= 0

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS     := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
PLATFORMS   := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

GITLEAKS    := github.com/zricethezav/gitleaks/v8
GOPLS       := v0.23.0
GOSEC       := github.com/securego/gosec/v2
STATICCHECK := honnef.co/go/tools
pinned       = $(shell awk '$$1 == "$(1)" && $$2 { print $$2 }' tools/go.mod)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build bin/gitleaks ## scan TARGET (default: this repository) from end to end, with gitleaks
	./bin/example-agent scan "$(TARGET)" --scanner gitleaks --state-dir "$(STATE_DIR)" $(SCAN_FLAGS)

.PHONY: build
build: ## build bin/example-agent and bin/acme-agent, the example of an agent of one's own
	@mkdir -p bin
	go build -ldflags "$(LDFLAGS)" -o bin/example-agent ./cmd/example-agent
	go build -o bin/acme-agent ./examples/acme-agent

.PHONY: test
test: ## run all tests, then the tests of the concurrent packages under the race detector
	go test -timeout 15m $(TEST_FLAGS) ./...
	@$(MAKE) --no-print-directory race

.PHONY: race
race: ## run the tests of pkg (but agentcmd, whose tests run the agent as a process) and internal under the race detector
	go test -race -short -timeout 20m $(TEST_FLAGS) $$(go list ./pkg/... ./internal/... | grep -v /agentcmd$$)

.PHONY: check
check: fmt vet lint layout cross race ## everything before a push: format, vet, staticcheck, layers, all platforms, races

.PHONY: fmt
fmt: ## fail on files that gofmt would change
	@out="$$(gofmt -l .)"; if [ -n "$$out" ]; then echo "not formatted, run gofmt -w:"; echo "$$out"; exit 1; fi

.PHONY: vet
vet: ## go vet, also for the platforms this machine is not
	go vet ./...
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go vet ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go vet ./...

.PHONY: lint
lint: bin/staticcheck ## staticcheck
	./bin/staticcheck ./...

.PHONY: layout
layout: ## who may import whom, package comments, file sizes
	go test -run TestLayout .

.PHONY: cross
cross: ## build for all platforms, without cgo
	@for p in $(PLATFORMS); do echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build ./...; done

.PHONY: bench
bench: ## compare the durable queue, the audit log and admission with others, then run the benchmarks matching BENCH, each for BENCHTIME
	go run -C bench . $(BENCH_FLAGS)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 30m ./...

.PHONY: bench-check
bench-check: ## fail if this checkout is more than 30 % slower than BASE, or the merge base with origin/main
	go run -C bench . check $(if $(BASE),-base '$(BASE)') $(BENCH_FLAGS)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@failed=0; for t in $$(grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' cmd internal pkg | sort -u | tr ' ' :); do \
		dir="$${t%/*}"; name="$${t##*:}"; echo "$$dir $$name"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "./$$dir" || failed=1; done; exit $$failed

.PHONY: torture
torture: ## kill agent and server for ROUNDS rounds, a tenth as many on a full disk; SEED plays one again
	go test -count=1 -timeout 0 -v -run '^TestTorture' $(TEST_FLAGS) ./internal/crashtest -args -rounds $(ROUNDS) -seed $(SEED)

.PHONY: pool
pool: bin/gopls ## run a pool of real language servers (gopls), and show their use of memory and time
	POOL_GOPLS="$(CURDIR)/bin/gopls" go test -count=1 -v -timeout 15m -run '^TestRealLanguageServer$$' ./pkg/scan/pool

.PHONY: scanners
scanners: bin/gitleaks bin/gosec bin/staticcheck bin/npm/.installed ## run four real scanners alone and through the agent, and compare; needs npm, and minutes
	go test ./pkg/agentcmd -run '^TestReal(Isolation|Scanners)$$' -count=1 -timeout 60m -v -args -real

.PHONY: docs
docs: ## write docs/configuration.md, docs/scanners.md and docs/packages.md again from the code, then check all of the documentation
	go test . -run '^TestPackagesDoc$$' -count=1 -args -update
	go test ./pkg/agentcmd -run 'TestConfigurationDoc|TestScannersDoc' -count=1 -args -update
	go test ./pkg/agentcmd -run 'TestDocs|TestConfigurationDoc|TestScannersDoc|TestExampleConfiguration' -count=1

.PHONY: api
api: ## write the listings of the exported surface in api/ again
	go test . -run '^TestAPI$$' -count=1 -args -update

.PHONY: tools
tools: bin/gitleaks bin/staticcheck ## build the pinned gitleaks and staticcheck into bin

# A tool is built again when its pinned version changes, which renames its stamp.
bin/gitleaks: bin/.gitleaks-$(call pinned,$(GITLEAKS))
	go build -C tools -ldflags '-X $(GITLEAKS)/version.Version=$(call pinned,$(GITLEAKS))' -o ../$@ $(GITLEAKS)
	@touch $@

bin/gosec: bin/.gosec-$(call pinned,$(GOSEC)) # takes five minutes
	nice go build -C tools -o ../$@ $(GOSEC)/cmd/gosec
	@touch $@

bin/staticcheck: bin/.staticcheck-$(call pinned,$(STATICCHECK))
	go build -C tools -o ../$@ $(STATICCHECK)/cmd/staticcheck
	@touch $@

# It is not in tools/go.mod because it requires newer versions of shared modules.
bin/gopls: bin/.gopls-$(GOPLS)
	GOBIN="$(CURDIR)/bin" go install golang.org/x/tools/gopls@$(GOPLS)
	@touch $@

# npm keeps the old timestamps of the files it installs, so a stamp records the installation.
bin/npm/.installed: tools/eslint/package.json tools/eslint/package-lock.json
	@mkdir -p $(@D)
	cp tools/eslint/package.json tools/eslint/package-lock.json tools/eslint/.npmrc $(@D)
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund
	ln -sf npm/node_modules/eslint/bin/eslint.js bin/eslint
	@touch $@

bin/.%:
	@mkdir -p bin
	@rm -f bin/.$(firstword $(subst -, ,$*))-*
	@touch $@

.PHONY: clean
clean: ## remove what was built here; the state directory stays
	rm -rf bin dist

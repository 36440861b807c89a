# Go is all that is needed to build, test and try it.
.PHONY: build test demo bench profile fuzz cover proof kill orders reload soak damage powercut proxy simulate faults histories variants

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# A proof is compiled as the tests are, waits more than it works, and says only what it
# counted and what came of it.
PROVE   := go test -pgo=off -vet=off -count=1 -v -parallel 4 -timeout 60m
COUNTED := | grep -v '^ *=== '

build:
	go build -o bin/headgate ./cmd/headgate

test:
	go vet -pgo=off ./...
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	go test -race -pgo=off -vet=off -count=1 -parallel 4 -timeout 20m ./...

demo:
	go run ./examples/shop-to-erp
	go run ./examples/orders-to-api

# As it is shipped: compiled with the profile.
bench:
	go test -pgo=cmd/headgate/default.pgo ./engine/bench -run '^$$' -bench . -benchtime 1x -timeout 60m

# What the compiler is told of where the time goes: 7 % of it. Renew it when the way
# of a record changes.
profile:
	go test -trimpath ./engine/bench -run '^$$' -bench 'JSONL|SQLite|Postgres' -benchtime 2x -o /tmp/bench.test -cpuprofile $(CURDIR)/cmd/headgate/default.pgo

fuzz:
	.ci/fuzz $(or $(COUNT),20000x)

# What CI takes of all that follows: in under eight minutes, with more than 200 kills.
proof:
	$(MAKE) simulate faults
	$(MAKE) histories HISTORIES=60
	$(MAKE) variants VARIANT='r1-no-intent|r7-sent-again-blindly|r13-last-intent-only'
	$(MAKE) orders ORDERS=200
	$(MAKE) kill KILLS=12 ORDERS=100
	$(MAKE) proxy FAULTS=20
	$(MAKE) damage DAMAGES=120
	$(MAKE) powercut CUTS=8

# KILLS=200 kills of each import, of the daemon, and while an API is written that fails in
# every way there is; and ORDERS=800 to it without a kill.
kill:
	HEADGATE_TEST_KILLS=$(or $(KILLS),200) HEADGATE_TEST_ORDERS=$(or $(ORDERS),800) $(PROVE) ./cmd/headgate -run "Kill|Misbehaving" $(COUNTED)

# FAULTS=200 connections of each flow that are slow, reset, cut or swallowed.
proxy:
	HEADGATE_TEST_FAULTS=$(or $(FAULTS),200) $(PROVE) ./connectors/connectortest/wire ./cmd/headgate -run 'Faults|Proxy' $(COUNTED)

# The real engine in RUNS worlds that crash and fail; SEED=… tells one of them.
simulate:
	HEADGATE_TEST_RUNS=$(or $(RUNS),100000) HEADGATE_TEST_SEED=$(SEED) $(PROVE) ./engine/simulation -run '^TestSimulate$$' $(COUNTED)

# Each call to the state, the log, a source or a destination fails once, unheard, and for
# ever; so does each of a flow into an API, of every kind, and each system call that the
# real process makes to files.
faults:
	HEADGATE_TEST_FAULTS=all $(PROVE) ./engine/simulation -run '^Test(Send)?Faults$$' $(COUNTED) | grep -v '^ *--- PASS'
	HEADGATE_TEST_FAULTS=all $(PROVE) ./cmd/headgate -run '^TestFaultyCalls$$' $(COUNTED) | grep -v '^ *--- PASS'

# HISTORIES=200 worlds that each test of the engine makes up which tries many.
histories:
	HEADGATE_TEST_HISTORIES=$(or $(HISTORIES),200) $(PROVE) ./engine -run 'Histories|PlanEqualsRun|OnceWhateverFails' $(COUNTED)

# The engine with one of its rules broken, each caught; VARIANT='r1-.*|r7-.*' are some.
variants:
	HEADGATE_TEST_VARIANTS='$(or $(VARIANT),.*)' $(PROVE) ./engine/simulation -run '^TestVariants$$' $(COUNTED)

# ORDERS=800 orders to an API that fails before and after it has stored them: by
# looking, by key, by both, and by nothing.
orders:
	HEADGATE_TEST_ORDERS=$(or $(ORDERS),800) $(PROVE) ./engine -run OrdersArriveOnce $(COUNTED)

# 200 broken rulesets, and 60 swaps of three under a running import.
reload:
	HEADGATE_TEST_BROKEN=200 HEADGATE_TEST_SWAPS=60 HEADGATE_TEST_TIMING=1 $(PROVE) ./cmd/headgate -run Reload $(COUNTED)

# DAMAGES=600 damaged state files.
damage:
	HEADGATE_TEST_DAMAGES=$(or $(DAMAGES),600) $(PROVE) ./cmd/headgate -run Damage $(COUNTED)

# CUTS=100 power cuts inside imports into SQLite and into files; root only.
powercut:
	HEADGATE_TEST_CUTS=$(or $(CUTS),100) $(PROVE) ./cmd/headgate -run PowerCut $(COUNTED)

# A daemon with 50 flows: idle for a minute, under load for SOAK=10m.
soak:
	HEADGATE_TEST_SOAK=$(or $(SOAK),10m) HEADGATE_TEST_IDLE=1m go test ./cmd/headgate -run 'Idle|Soak' -bench Status -count=1 -v -timeout 120m

cover:
	go test -coverprofile=/tmp/headgate.cover -coverpkg=./engine/...,./rules/... ./... && go tool cover -func=/tmp/headgate.cover | tail -1

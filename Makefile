# Go is all that is needed to build, test and try it.
.PHONY: build test demo bench fuzz cover

build:
	go build -o bin/headgate ./cmd/headgate

test:
	go vet ./...
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	go test -race -count=1 ./...

demo:
	go run ./examples/shop-to-erp

bench:
	go test ./engine/bench -run '^$$' -bench . -benchtime 1x -timeout 60m

fuzz:
	.ci/fuzz $(or $(COUNT),20000x)

cover:
	go test -coverprofile=/tmp/headgate.cover -coverpkg=./engine/...,./rules/... ./... && go tool cover -func=/tmp/headgate.cover | tail -1

# chatd: make help lists what there is to make.

ADDR        ?= :8080
FUZZTIME    ?= 3s
N           ?= 1000000
SOAK        ?= 10m
IDLE        ?= 3m
SEED        ?= 0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB      ?= https://vuln.go.dev
FUZZ        := room/frame:FuzzDecoder room/frame:FuzzEncode room/handshake:FuzzLook room/handshake:FuzzLastEventID room/deflate:FuzzInflate room/deflate:FuzzAppend room/proxy:FuzzClient room/proxy:FuzzReadHeader \
	room/chat:FuzzDecode room/chat:FuzzSay room/chat:FuzzName room/sse:FuzzEvents room/position:FuzzPosition room/identity:FuzzSession room/token:FuzzToken \
	room/order/jetstream:FuzzEntry room/order/jetstream:FuzzBeat room/order/stored:FuzzValue poller/tls13:FuzzReader poller/tls13:FuzzHandshake room/carry:FuzzReader

# What is one goroutine, and takes long: the race detector would find nothing there.
MODEL := ^TestEverySchedule|^TestModelFindsPlantedFaults
# Those that take longest begin first, so that none is the only one in the end.
LONGEST := ./cmd/chatd ./room
# Runs of the load harness against real servers: with the race detector they would take
# minutes more, and find nothing in the servers, but for the soak, which builds its own with it.
# They go after the others: hostile peers make networks, and a browser that sees a network
# come or go gives up what it is loading.
HARNESS := ./bench/chatbench ./bench/hostile

# Programs that only the tests need, of packages whose services nobody asked for.
export PATH := $(CURDIR)/bin/tools:$(PATH)

# INSTALL and names of Debian packages.
SUDO    = sudo=; test "$$(id -u)" = 0 || sudo=sudo
INSTALL = $(SUDO); \
	$$sudo apt-get update -q && $$sudo apt-get install -qy --no-install-recommends

.DEFAULT_GOAL := help
.PHONY: help run build test lint vuln fuzz corpus cover screenshot idle bench compare compare-quick hostile soak cluster cluster-soak cluster-planted million interop tools clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: build ## build the server and serve the page on ADDR (default :8080)
	bin/chatd -addr $(ADDR)

build: ## build the static binary bin/chatd
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/chatd

test: tools ## run all tests, with the race detector, and fuzz each parser for a second
	go test -run '$(MODEL)' ./room & model=$$!; \
	CGO_ENABLED=1 go test -race -timeout 30m $(LONGEST) $$(go list ./... | grep -vE '/bench/(chatbench|hostile)$$') && wait $$model
	go test -parallel 4 -timeout 30m $(HARNESS)
	cd bench/peers && go test ./...
	@$(MAKE) --no-print-directory fuzz FUZZTIME=1s

lint: ## gofmt, go vet, staticcheck, govulncheck
	@files="$$(gofmt -l .)"; test -z "$$files" || { echo "gofmt needed: $$files"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	cd bench/peers && go vet ./... && go run $(STATICCHECK) ./...
	cd bench/stores && go vet ./... && go run $(STATICCHECK) ./...
	cd bench/interop/clients/go && go vet ./... && go run $(STATICCHECK) ./...
	@$(MAKE) --no-print-directory vuln

# Its status is 3 if something is found. Without its database nothing can be.
vuln: ## known vulnerabilities of what chatd is made of, by the database at VULNDB
	@mkdir -p bin/tools; GOBIN=$(CURDIR)/bin/tools go install $(GOVULNCHECK) || exit; \
	echo "govulncheck ./..."; \
	bin/tools/govulncheck -db $(VULNDB) ./... >bin/vuln.log 2>&1; status=$$?; \
	if grep -q 'fetching vulnerabilities' bin/vuln.log && test $$status != 3; then \
		echo "not checked: $(VULNDB) is out of reach (VULNDB=file:///… is a copy of it)"; exit 0; fi; \
	test $$status = 0 || { cat bin/vuln.log; exit $$status; }

# Before 1.27 Go's fuzzer may fail because its time is over (golang/go#75804).
fuzz: ## fuzz every parser for FUZZTIME (default 3s) each
	@mkdir -p bin; for f in $(FUZZ); do \
		echo "fuzz $$f"; \
		go test -run '^$$' -fuzz "^$${f#*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s ./$${f%:*} >bin/fuzz.log 2>&1 || \
		{ grep -q '^    context deadline exceeded$$' bin/fuzz.log && ! grep -q 'Failing input' bin/fuzz.log; } || \
		{ cat bin/fuzz.log; exit 1; }; \
		grep elapsed: bin/fuzz.log | tail -n 1; \
	done

corpus: ## take over what fuzzing has found: the inputs that add coverage, in testdata/Fuzz*.txtar: 2 minutes
	go run ./room/fuzzcorpus/minimize $(FUZZ:%=./%)

cover: ## write the tests' coverage to cover.html
	go test -coverprofile cover.out -coverpkg ./... ./...
	go tool cover -html cover.out -o cover.html

screenshot: tools ## take the README's pictures of the page
	CHATD_SCREENSHOT=$(CURDIR)/static/doc/page.png go test -count 1 -run '^TestScreenshot$$' ./cmd/chatd

idle: tools ## silent clients behind nginx, HAProxy and Caddy stay connected for IDLE (default 3m)
	CHATD_IDLE=$(IDLE) go test -count 1 -timeout 1h -v -run '^TestSilentClientsStayConnectedBehindProxies$$' ./cmd/chatd

bench: build ## build the load harness bin/chatbench and the servers that it compares chatd with
	go build -o bin/ ./bench/chatbench
	cd bench/peers && go build -o ../../bin/peers/ ./...
	@if command -v cc >/dev/null; then cc -O2 -Wall -o bin/peers/floor bench/peers/floor/floor.c; \
	else echo "no C compiler: the floor is left out"; fi

compare: bench ## compare chatd with its peers: 3 rounds, an hour, report in bench/report, and its tables in the READMEs; with an older chatd, too: BEFORE=program
	bin/chatbench compare $(if $(BEFORE),-before $(BEFORE))
	bin/chatbench quote README.md bench/README.md

compare-quick: bench ## the same in 3 minutes, less exactly, report in bin/report
	bin/chatbench compare -quick -out bin/report

hostile: bench ## hostile peers beside healthy clients: who loses, latencies with and without: 13 minutes
	bin/chatbench hostile -out bench/hostile/TABLE.md

million: build ## hold N (default 1000000) connections in one process, in a User-Mode Linux guest, through an upgrade: 15 to 25 minutes, 13 GiB
	@command -v linux.uml >/dev/null || { $(INSTALL) user-mode-linux; }
	CGO_ENABLED=0 go build -trimpath -o bin/million ./bench/million
	bin/million -n $(N) -out $(if $(filter 1000000,$(N)),bench/million,bin/report/million)

soak: bench ## everything at random for SOAK (default 10m) from SEED (default: a new one), chatd's counts held against its clients'
	bin/chatbench soak -duration $(SOAK) -seed $(SEED) -out $(if $(filter 10m,$(SOAK)),bench/soak/SUMMARY.md,bin/report/soak.md)

cluster: build bin/tools/nats-server ## three nodes that share their rooms by three NATS servers, the page on ADDR, until Ctrl-C
	go build -o bin/ ./bench/chatbench
	bin/chatbench cluster -serve -addr $(ADDR)

cluster-soak: build bin/tools/nats-server ## harm to such a cluster at random for SOAK (default 10m) from SEED: each message accounted for
	go build -o bin/ ./bench/chatbench
	bin/chatbench cluster -duration $(SOAK) -seed $(SEED) -out bin/report/cluster.md

cluster-planted: bin/tools/nats-server ## faults that are planted in chatd: a short run of that finds each: 5 minutes
	CHATD_PLANTED=1 go test -count 1 -timeout 30m -v -run Planted ./bench/cluster

interop: build ## clients and tools that others wrote, each in a short run: 4 minutes, and once 1 GB to install
	go build -o bin/ ./bench/chatbench
	bench/interop/install.sh bin/interop
	bin/chatbench interop -out bench/interop/TABLE.md

tools: ## install what the tests need, if it is missing (Debian)
	@need=; \
	have() { for c; do command -v $$c >/dev/null && return; done; return 1; }; \
	have chromium chromium-browser google-chrome || need="$$need chromium"; \
	have gcc clang || need="$$need gcc libc6-dev"; \
	have ip || need="$$need iproute2"; \
	have curl || need="$$need curl"; \
	have openssl || need="$$need openssl"; \
	test -z "$$need" || { \
		$(INSTALL) $$need; }
	@for p in promtool nginx haproxy caddy; do \
		command -v $$p >/dev/null || $(MAKE) --no-print-directory bin/tools/$$p || exit; done
	@$(MAKE) --no-print-directory bin/tools/nats-server bin/tools/pebble

bin/tools/nats-server: bench/peers/nats-server/go.mod
	cd $(<D) && CGO_ENABLED=0 go build -o $(CURDIR)/$@ github.com/nats-io/nats-server/v2 && touch $(CURDIR)/$@

bin/tools/pebble: bench/peers/pebble/go.mod
	cd $(<D) && CGO_ENABLED=0 go build -o $(CURDIR)/$@ github.com/letsencrypt/pebble/v2/cmd/pebble && touch $(CURDIR)/$@

# Out of Debian's packages: installed, they would start services. Only the
# libraries that they need are installed.
bin/tools/promtool: PACKAGE = prometheus
bin/tools/%: PACKAGE = $*
bin/tools/%:
	@set -e; mkdir -p $(@D); dir="$$(mktemp -d)"; trap 'rm -r "$$dir"' EXIT; cd "$$dir"; $(SUDO); \
	get() { apt-get download -qq $(PACKAGE); }; \
	get 2>/dev/null || { $$sudo apt-get update -q; get; }; \
	dpkg-deb --fsys-tarfile $(PACKAGE)_*.deb | tar -x --wildcards './usr/*bin/$*'; \
	! ldd usr/*bin/$* | grep -q 'not found' || $$sudo apt-get install -qy --no-install-recommends \
		$$(dpkg-deb -f $(PACKAGE)_*.deb Depends | tr ',' '\n' | awk '$$1 ~ /^lib/ {print $$1}'); \
	mv usr/*bin/$* $(CURDIR)/$@

clean: ## remove what was built
	rm -rf bin cover.out cover.html

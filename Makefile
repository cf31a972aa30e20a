# Settle. `make help` tells all of it.
#
#   make B=build/asan SAN=address,undefined …   another build beside the first
#   make B=build/crash CRASH=1 …                with crash points (base/crash.h)

VERSION := 0.1.0
B       ?= build
SAN     ?=
CRASH   ?=
OPT     ?= -O2 -g
PREFIX  ?= /usr/local

PKGS    := libuv sqlite3 libpq libprotobuf-c libmicrohttpd libcurl jansson yaml-0.1 nettle lua5.4
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wstrict-prototypes -Wmissing-prototypes
CFLAGS  ?= $(OPT)
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE $(if $(CRASH),-DSETTLE_CRASH_POINTS) -DSETTLE_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKGS) check 2>/dev/null)
ALLCFLAGS = -std=c11 $(WARN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN))
LDLIBS    = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -pthread -ldl
TESTLIBS  = $(shell pkg-config --libs check 2>/dev/null) -lnng

PROTOS  := wire/settle.proto coordinator/record.proto
GENC    := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GENH    := $(GENC:.c=.h)
SRC     := $(wildcard base/*.c wire/*.c saga/*.c coordinator/*.c participant/*.c adapters/*.c cli/*.c)
MAINS   := coordinator/main.c participant/main.c cli/main.c
LIBOBJ  := $(patsubst %.c,$(B)/%.o,$(filter-out $(MAINS),$(SRC))) $(GENC:.c=.o)
BINS    := $(B)/settled $(B)/settle-agent $(B)/settle
UNIT    := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
E2E     := $(patsubst tests/e2e/%.c,$(B)/tests/e2e/%,$(wildcard tests/e2e/test_*.c))
BAD     := WRONG_ABI SMALL NAMELESS NO_OPEN HALF_GROUP IDLE FLAGS WONT_OPEN
PLUGINS := $(BAD:%=$(B)/tests/plugins/bad-%.so) $(B)/tests/plugins/tame.so $(B)/tests/plugins/shelf.so $(B)/tests/plugins/no_table.so $(B)/examples/plugin/stock.so
HARNESS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
SIM     := $(B)/tests/sim/sim
SIMOBJ  := $(patsubst %.c,$(B)/%.o,$(wildcard tests/sim/*.c))
CRASH_RUN := $(B)/tests/crash/crash
CRASHOBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/crash/*.c))
CHAOS   := $(B)/tests/chaos/chaos
CHAOSOBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/chaos/*.c))
FUZZ    := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZLIB := $(patsubst %,$(B)/tests/fuzz/%.o,fuzz world world_agents world_clients world_text agent_side)
FUZZREST := $(B)/tests/fuzz/fake_http.o
REPLAY  := $(FUZZ:%=$(B)/tests/fuzz/replay-%)
BENCHOBJ := $(patsubst %.c,$(B)/%.o,$(filter-out bench/bench_%.c,$(wildcard bench/*.c)))
BENCH   := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/bench_*.c))

.PHONY: help all deps check test fuzz sim sim-mutants crash-sagas crash crash-programs crash-journal crash-power chaos model demo bench bench-quick bench-programs bench-2pc bench-saga bench-rest bench-scale bench-journal bench-growth bench-startup bench-memory asan tsan layers docs lint fmt install clean programs tests
.DEFAULT_GOAL := help
.SECONDARY:

help:          ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
all: deps      ## install what is missing, then build the three programs under build/
	@$(MAKE) --no-print-directory -j$$(nproc) programs
programs: $(BINS)
deps:          ## install missing Debian packages (root or sudo; else prints the command to type)
	@tests/deps.sh
tests: $(UNIT) $(E2E) $(SIM) $(CHAOS) $(REPLAY)
check: deps    ## unit tests only: seconds, no servers
	@$(MAKE) --no-print-directory -j$$(nproc) $(UNIT)
	@tests/run.sh $(B) $(UNIT)
test: deps     ## the whole suite, on real PostgreSQL servers of its own
	@$(MAKE) --no-print-directory -j$$(nproc) programs tests layers docs crash-programs
	@FAST=1 tests/run.sh $(B) $(UNIT) $(REPLAY) $(SIM) $(CRASH_RUN) $(E2E) $(CHAOS)
sim: deps      ## SEEDS=100000 simulated histories of faults (FROM=1, JOBS=cores); MUTANT=skip-the-tombstone: with that rule broken
	@$(MAKE) --no-print-directory -j$$(nproc) $(SIM)
	@$(if $(MUTANT),tests/sim/mutants.sh $(B) --one $(MUTANT),$(SIM)) $(or $(FROM),1) $(or $(SEEDS),100000)
sim-mutants: deps ## breaks one rule after the other in a copy: the simulator must notice each in time (MUTANT=undo: those)
	@$(MAKE) --no-print-directory -j$$(nproc) $(SIM)
	@tests/sim/mutants.sh $(B) $(MUTANT)
fuzz:          ## libFuzzer on each target for SECONDS=60 (TARGET=history: that one; JOBS=2)
	@tests/deps.sh fuzz
	@$(MAKE) --no-print-directory -j$$(nproc) B=build/fuzz CC=clang SAN=address,undefined,fuzzer-no-link \
		OPT='-O1 -g' $(patsubst %,build/fuzz/tests/fuzz/fuzz-%,$(or $(TARGET),$(FUZZ)))
	@tests/fuzz/fuzz.sh build/fuzz $(or $(SECONDS),60) $(or $(JOBS),1) $(or $(TARGET),$(FUZZ))
crash-sagas: deps ## each step of each example workflow fails in each way: minutes (MATRIX=book-trip: that one)
	@$(MAKE) --no-print-directory -j$$(nproc) programs $(B)/tests/e2e/test_saga_matrix
	@MATRIX=$(or $(MATRIX),all) TEST_TIMEOUT=3600 tests/run.sh $(B) $(B)/tests/e2e/test_saga_matrix
crash: deps    ## every process dies at every crash point: an hour (CASE=saga: those; FAST=1: a sample)
	@$(MAKE) --no-print-directory -j$$(nproc) crash-programs
	@BUILD=$(B) $(CRASH_RUN)
crash-programs: $(CRASH_RUN)
	@$(MAKE) --no-print-directory B=$(B)/crash CRASH=1 $(B)/crash/settled $(B)/crash/settle-agent
crash-power: deps ## IMAGES=100000 kills and power failures of a journal's disk at any write (SEED=n)
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/tests/unit/test_journal_power
	@POWER_IMAGES=$(or $(IMAGES),100000) POWER_SEED=$(SEED) TEST_TIMEOUT=36000 tests/run.sh $(B) $(B)/tests/unit/test_journal_power
chaos: deps    ## MINUTES=5 of kills, freezes and cut lines while clients move money (SEED=… for the same dice)
	@$(MAKE) --no-print-directory -j$$(nproc) programs $(CHAOS)
	@BUILD=$(B) $(CHAOS) $$(($(or $(MINUTES),5) * 60)) $(SEED)
crash-journal: deps ## every byte of a journal and of its log is damaged in turn: refused, or read right
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/tests/unit/test_journal_damage
	@DAMAGE=all TEST_TIMEOUT=14400 tests/run.sh $(B) $(B)/tests/unit/test_journal_damage
model:         ## spin checks a model of the protocol, and finds each rule that is left out: minutes (ONLY=name)
	@tests/deps.sh model
	@ONLY=$(ONLY) tests/model.sh $(B)
demo: all      ## money moves between two PostgreSQL servers while all are killed; a trip is booked
	@examples/demo.sh $(B)
bench: bench-programs ## every benchmark with its goal, in one table: under 10 minutes
	@bench/bench-all.sh $(B)
bench-quick:   ## the same in a minute, for machines: a line name=... value=... unit=... goal=... ok=0/1 each
	@$(MAKE) --no-print-directory -s bench-programs >&2
	@bench/bench-all.sh $(B) quick
bench-programs:
	@tests/deps.sh bench || tests/deps.sh # without wrk all but bench-rest can be had
	@$(MAKE) --no-print-directory -j$$(nproc) programs $(BENCH)
bench-2pc: deps ## two-phase commit against a hand-written loop, interleaved rounds
	@$(MAKE) --no-print-directory -j$$(nproc) programs $(BENCH)
	@bench/bench-2pc.sh $(B)
bench-saga: deps ## sagas a second of three empty steps, in process and over one agent
	@$(MAKE) --no-print-directory -j$$(nproc) programs $(BENCH)
	@bench/bench-saga.sh $(B)
bench-rest: bench-programs ## empty workflows a second by REST, from wrk (CLIENTS=64 WINDOW_S=2 ROUNDS=5)
	@bench/bench-rest.sh $(B)
bench-scale: bench-programs ## CPU of the coordinator a branch: 2 to 16 branches, 1 to 100 agents
	@bench/bench-scale.sh $(B)
bench-journal: bench-programs ## the journal against SQLite alone, the same rows in the same batches
	@bench/bench-journal.sh $(B)
bench-growth: bench-programs ## a journal of ten million transactions: load, then start-up (FILL=1000000: of so many)
	@bench/bench-growth.sh $(B)
bench-startup: bench-programs ## start-up on that journal alone
	@ONLY=startup bench/bench-growth.sh $(B)
bench-memory: bench-programs ## what a transaction in flight takes of memory
	@bench/bench-memory.sh $(B)
asan:          ## the suite under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory test B=build/asan SAN=address,undefined OPT='-O1 -g'
tsan:          ## the suite under ThreadSanitizer
	@$(MAKE) --no-print-directory test B=build/tsan SAN=thread OPT='-O1 -g'
layers:        ## fail on an include against the arrows of docs/architecture.md
	@tests/layers.sh
docs:          ## fail on a link, a target or an event in the docs that is not there, or one that is missing
	@tests/docs.sh
lint: deps     ## both compilers with -Werror, clang-tidy, and formatting
	@tests/lint.sh
fmt:           ## clang-format everything in place
	@git ls-files '*.c' '*.h' | xargs clang-format -i
install: programs ## copy the programs and the plugin header to PREFIX (default /usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/include
	install -m 644 include/settle_plugin.h $(DESTDIR)$(PREFIX)/include
clean:         ## remove build/
	rm -rf build

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(dir $@)
	protoc-c --c_out=$(B)/gen $<
$(B)/gen/%.o: $(B)/gen/%.c
	$(CC) $(CPPFLAGS) $(ALLCFLAGS) -Wno-pedantic -c -o $@ $<
$(B)/%.o: %.c | $(GENH)
	@mkdir -p $(dir $@)
	$(CC) $(CPPFLAGS) $(ALLCFLAGS) -MMD -MP -c -o $@ $<
$(B)/coordinator/openapi.o: docs/openapi.json
$(B)/libsettle.a: $(LIBOBJ)
	@rm -f $@
	ar rcs $@ $^
$(B)/settled: $(B)/coordinator/main.o $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/settle-agent: $(B)/participant/main.o $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/settle: $(B)/cli/main.o $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# Plugins see nothing of ours but their header.
PLUGIN_CC = $(CC) -std=c11 $(WARN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN)) -Iinclude -shared -fPIC
$(B)/tests/plugins/bad-%.so: tests/plugins/bad_table.c include/settle_plugin.h
	@mkdir -p $(dir $@)
	$(PLUGIN_CC) -DBAD=$* -o $@ $<
	@chmod go-w $@
$(B)/%.so: %.c include/settle_plugin.h
	@mkdir -p $(dir $@)
	$(PLUGIN_CC) -o $@ $< $(if $(findstring examples,$<),-ljansson)
	@chmod go-w $@
$(B)/examples/agents/c/tally: $(B)/examples/agents/c/tally.o $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/tests/unit/test_plugin $(B)/tests/unit/test_plugin_load $(B)/tests/unit/test_conformance: | $(PLUGINS)
$(B)/tests/e2e/test_saga_hostile: | $(PLUGINS)
$(B)/tests/unit/test_crash: | $(BINS)
# It stands between SQLite and the system, so no other test must have it.
$(B)/tests/unit/test_journal_power: $(patsubst %.c,$(B)/%.o,$(wildcard tests/power/*.c))
$(B)/tests/e2e/test_custom: | $(PLUGINS) $(B)/examples/agents/c/tally
$(B)/libharness.a: $(HARNESS)
	@rm -f $@
	ar rcs $@ $^
# The worlds of tests/lib are used without Check: its assertions end the program.
FUZZLINK = $(CC) $(ALLCFLAGS) $(LDFLAGS) -Wl,--wrap=_mark_point,--wrap=_ck_assert_failed
$(B)/tests/fuzz/replay-rest $(B)/tests/fuzz/fuzz-rest: $(FUZZREST)
$(B)/tests/fuzz/replay-%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(FUZZLIB) $(B)/libharness.a $(B)/libsettle.a
	$(FUZZLINK) -o $@ $^ $(TESTLIBS) $(LDLIBS)
$(B)/tests/fuzz/fuzz-%: $(B)/tests/fuzz/fuzz_%.o $(FUZZLIB) $(B)/libharness.a $(B)/libsettle.a
	$(FUZZLINK) -fsanitize=fuzzer -o $@ $^ $(TESTLIBS) $(LDLIBS)
$(SIM): $(SIMOBJ) $(B)/libharness.a $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(TESTLIBS) $(LDLIBS)
$(CRASH_RUN): $(CRASHOBJ) $(B)/libharness.a $(B)/libsettle.a | $(B)/examples/plugin/stock.so
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(TESTLIBS) $(LDLIBS)
$(CHAOS): $(CHAOSOBJ) $(B)/libharness.a $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(TESTLIBS) $(LDLIBS)
$(B)/tests/%: $(B)/tests/%.o $(B)/libharness.a $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(TESTLIBS) $(LDLIBS)
$(B)/bench/%: $(B)/bench/%.o $(BENCHOBJ) $(B)/libharness.a $(B)/libsettle.a
	$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(TESTLIBS) $(LDLIBS)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

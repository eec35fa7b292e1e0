# Every chore of the project; `make` alone lists them.

# A shell that has not been restarted since rustup was installed still finds it.
export PATH := $(HOME)/.cargo/bin:$(PATH)

CARGO ?= cargo
DATA ?= $(or $(BLOCKLOOM_DATA),../shared/data)
WORKERS ?= 1,2,4,8
SAMPLES ?= 21
SEED ?= 1

BLOCKLOOM := $(CARGO) run --quiet --package blockloom --
BLOCKCHAIN_TESTS := $(DATA)/conformance/blockchain_tests
DEMO := fixtures/data/demo
DEMO_DB := target/demo-db
EXAMPLES := $(sort $(basename $(notdir $(wildcard engine/examples/*.rs))))

# cargo-nextest is faster and isolates tests from each other, but a fresh
# machine has only what rustup brings, and there the same tests run under
# plain `cargo test`. Doctests run separately in both cases.
HAVE_NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
ifeq ($(HAVE_NEXTEST),yes)
RUN_TESTS := $(CARGO) nextest run --workspace
else
RUN_TESTS := $(CARGO) test --workspace --lib --bins --tests
endif

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: setup
setup: ## check and bring what the build needs (C++ compiler, libclang)
	@scripts/setup.sh

.PHONY: build
build: setup ## build the blockloom program
	$(CARGO) build --package blockloom

.PHONY: demo
demo: build ## replay the shipped demo chain into a fresh RocksDB, verified, side by side with sequential
	@rm -rf $(DEMO_DB)
	$(BLOCKLOOM) replay $(DEMO)/chain.rlp --genesis $(DEMO)/genesis.json --db $(DEMO_DB) --compare

# The scheduler alone, which depends on nothing, with the locks and atomics of
# a model checker.
MODEL := $(CARGO) test --quiet --package blockloom-scheduler --lib --features

.PHONY: test
test: setup ## format check, clippy, every test and example, doctests, docs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(RUN_TESTS)
	@$(MAKE) --no-print-directory examples
	$(CARGO) test --workspace --doc
	$(MODEL) loom model::
	$(MODEL) shuttle model::
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

# Built with the workspace, so that what the tests have built is used.
.PHONY: examples
examples: setup ## run every example of the library; each checks what it shows
	# Together with everything else, as the tests are built: alone, packages
	# would have fewer features and be compiled once more.
	$(CARGO) build --workspace --examples
	@set -e; for example in $(EXAMPLES); do \
		echo "example $$example"; \
		"$${CARGO_TARGET_DIR:-target}/debug/examples/$$example"; \
	done

.PHONY: ci
ci: ## what CI runs: `make test` where absent test data is a failure
	CI=true $(MAKE) --no-print-directory test

# for_amsterdam and the transition into it are left out: their gas schedule
# is older than the one of revm 43 (see the test data's README).
.PHONY: conformance
conformance: build ## every official test case and mainnet block in DATA
	$(BLOCKLOOM) verify --workers $(WORKERS) $(DATA)/mainnet \
		$(filter-out %amsterdam %amsterdamattime15k,$(wildcard $(BLOCKCHAIN_TESTS)/eest_bal_v5.7.0/for_*)) \
		$(BLOCKCHAIN_TESTS)/legacytests \
		$(BLOCKCHAIN_TESTS)/eest_benchmark_v0.0.7 \
		$(DATA)/conformance/state_tests

.PHONY: fuzz
fuzz: build ## a million random transactions, in parallel and sequentially, from SEED
	$(BLOCKLOOM) fuzz --seed $(SEED) --blocks 46000 --workers $(WORKERS) --out target

# Failing reads and panics are among what the blocks meet, so what those leave
# behind would show as well.
.PHONY: soak
soak: build ## 20,000 random blocks from SEED, during which memory must stay flat
	$(BLOCKLOOM) fuzz --soak --seed $(SEED) --blocks 20000 --workers $(WORKERS) --out target

# What cargo-fuzz sets for `-s none`, so that the stable toolchain will do.
COVERAGE := --cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
	-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-trace-compares \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table

.PHONY: fuzz-coverage
fuzz-coverage: ## blocks chosen by libFuzzer for coverage, until it finds something or Ctrl-C
	@mkdir -p target/fuzz-corpus
	cd engine/fuzz && RUSTFLAGS="$(COVERAGE)" $(CARGO) run --target-dir ../../target/fuzz -- \
		-max_len=8192 ../../target/fuzz-corpus $(FUZZ_ARGS)

.PHONY: model
model: ## explore many more schedules: of the scheduler by loom and shuttle, of the engine on virtual workers
	LOOM_MAX_PREEMPTIONS=5 $(MODEL) loom model:: -- --nocapture
	BLOCKLOOM_SEED=$(SEED) BLOCKLOOM_SCHEDULES=50000 $(MODEL) shuttle model:: -- --nocapture
	PROPTEST_CASES=20000 $(CARGO) test --package blockloom-engine --test it schedules -- --nocapture

# Sanitizers are not part of the stable toolchain, which has to be talked into
# it, and its standard library is built without them.
.PHONY: tsan
tsan: ## run the tests of the scheduler under ThreadSanitizer
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
	TSAN_OPTIONS="suppressions=$(CURDIR)/scripts/tsan.supp" \
		$(CARGO) test --package blockloom-scheduler --lib \
		--target $(shell rustc -vV | sed -n 's/host: //p') --target-dir target/tsan

.PHONY: licences
licences: ## check that everything linked in may be used under licences this project can live with
	@CARGO="$(CARGO)" scripts/licences.sh

.PHONY: crash
crash: setup ## kill a replay 500 times, at random moments, and look at what is left
	BLOCKLOOM_KILLS=500 BLOCKLOOM_SEED=$(SEED) $(RUN_TESTS) crash

# On a quiet machine: whatever else runs is measured too.
.PHONY: results
results: setup ## measure what the table of targets is about, into README.md and benches/RESULTS.md
	$(CARGO) build --release --package blockloom
	target/release/blockloom bench --targets $(wildcard $(DATA)/mainnet) --samples $(SAMPLES) \
		--results benches/RESULTS.md --results README.md --report target/report

.PHONY: clean
clean: ## remove everything that was built
	$(CARGO) clean

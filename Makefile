# A short front to CMake; `make help` lists what it does.
MAKEFLAGS += --no-print-directory
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SECONDS ?= 60
CMAKE_FLAGS ?=
# CTest cuts long outputs, and with them the reasons of skipped parts.
CTEST = ctest --output-on-failure --no-tests=error -j2 \
	--test-output-size-passed 1000000 --test-output-size-failed 1000000

.PHONY: all setup-build setup-test test check-fast demo fuzz install clean help \
	bench-train bench-text bench-convert bench-runtime

all: setup-build
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) >$(BUILD)/configure.log || { cat $(BUILD)/configure.log; exit 1; }
	@cmake --build $(BUILD) -j$(JOBS)

setup-build:
	@scripts/setup.sh build
	@mkdir -p $(BUILD)

setup-test:
	@scripts/setup.sh test

# The whole suite, then unit, fuzz and command line once more under the sanitizers. Both always
# run; the summary decides. (Sanitizers make gcc warn of what is not there: no -Werror in theirs.)
test: setup-test all
	@cmake --build $(BUILD) -j$(JOBS) --target tests
	@cmake -S . -B $(BUILD)/asan -DRK_SANITIZE=ON $(CMAKE_FLAGS) -DRK_WERROR=OFF >$(BUILD)/configure.log || { cat $(BUILD)/configure.log; exit 1; }
	@cmake --build $(BUILD)/asan -j$(JOBS) --target tests
	@rm -f $(BUILD)/junit.xml $(BUILD)/asan/junit.xml
	@$(CTEST) --test-dir $(BUILD) --output-junit junit.xml || true
	@$(CTEST) --test-dir $(BUILD)/asan -R '^(unit|fuzz|cli)\.' --output-junit junit.xml || true
	@python3 tests/summary.py $(BUILD)/junit.xml sanitizers=$(BUILD)/asan/junit.xml

check-fast: setup-test all
	@cmake --build $(BUILD) -j$(JOBS) --target checks-fast
	@$(CTEST) --test-dir $(BUILD) -R '^(rules|unit)\.'

demo: all
	@scripts/demo.sh

# make fuzz TARGET=safetensors SECONDS=60: under libFuzzer, which needs clang. New inputs go to
# build/fuzz/corpus/, the crashes beside them; the corpus of the suite is only read.
fuzz: setup-build
	@test -n "$(TARGET)" || { echo "make fuzz: say which: TARGET=NAME, of tests/fuzz/fuzz_NAME.c"; exit 2; }
	@command -v clang >/dev/null || { echo "make fuzz: lacking clang"; exit 1; }
	@cmake -S . -B $(BUILD)/fuzz -DCMAKE_C_COMPILER=clang -DRK_SANITIZE=ON -DRK_FUZZER=ON $(CMAKE_FLAGS)
	@cmake --build $(BUILD)/fuzz -j$(JOBS) --target fuzz_$(TARGET)
	@mkdir -p $(BUILD)/fuzz/corpus/$(TARGET)
	$(BUILD)/fuzz/fuzz/fuzz_$(TARGET) -max_total_time=$(SECONDS) -artifact_prefix=$(BUILD)/fuzz/ \
		$(BUILD)/fuzz/corpus/$(TARGET) $(wildcard tests/fuzz/corpus/$(TARGET)) $(wildcard tests/data)

# Beside today's other tools; bench/README.md. BENCH_QUICK=1 only tries it.
bench-train bench-convert: setup-test all
	@RINGKAS=$(BUILD)/ringkas bench/run.sh $(@:bench-%=%)

bench-text: setup-test all
	@cmake --build $(BUILD) -j$(JOBS) --target probe_text_speed
	@RINGKAS=$(BUILD)/ringkas BENCH_THREADS=1 bench/run.sh text

bench-runtime: setup-test all
	@cmake --build $(BUILD) -j$(JOBS) --target probe_infer_speed
	@RINGKAS=$(BUILD)/ringkas bench/run.sh runtime

install: all
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

# Keeps what set-up fetched: build/deps and build/venv.
clean:
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps ! -name venv ! -name '.setup*' \
		-exec rm -rf {} + 2>/dev/null || true

help:
	@echo "make            set up, build build/ringkas and the libraries"
	@echo "make demo       train, export, convert, measure; writes build/demo/"
	@echo "make test       the whole suite, also under the sanitizers"
	@echo "make check-fast house rules and unit tests"
	@echo "make fuzz TARGET=NAME SECONDS=60"
	@echo "make bench-train   speed of training beside torch; needs IndoBERT's files (bench/README.md)"
	@echo "make bench-text    speed of text to ids beside tokenizers and Python; needs the same"
	@echo "make bench-runtime speed of answers beside ONNX Runtime, OpenVINO, CTranslate2; needs the same"
	@echo "make bench-convert FP16 conversion beside two other converters, over onnx's own tests"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR="
	@echo "make clean      keeps build/deps and build/venv"

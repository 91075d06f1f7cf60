# Entry points; the build itself is Meson's.
#   make            build (release, in build/)
#   make run        install what is missing, build, and demonstrate the default drive
#   make test       build twice and run all tests; SUITES="unit wire" runs some
#   make bench      build and run the benchmarks; BENCHES="events nand" runs some
#   make fuzz       fuzz every target for FUZZ_SECONDS (60) each; FUZZERS="options" some
#   make install    install to PREFIX (/usr/local), below DESTDIR if set
PREFIX ?= /usr/local
# Debian's folder for libraries, which Meson only finds where dpkg-dev is installed; elsewhere Meson's choice.
LIBDIR ?= $(patsubst %,lib/%,$(shell $(CC) -print-multiarch 2>/dev/null))
FUZZ_SECONDS ?= 60
export WERROR FUZZ_SECONDS

all: build/build.ninja
	@ninja -C build

build/build.ninja:
	@scripts/install-deps run
	@meson setup build -Dbuildtype=release --prefix=$(PREFIX) >/dev/null || { tail -n 3 build/meson-logs/meson-log.txt; exit 1; }

run: build/build.ninja
	@ninja --quiet -C build drivelab
	@build/drivelab demo $(DEMO)

test:
	@scripts/install-deps test
	@scripts/run-tests $(SUITES)

bench: build/build.ninja
	@scripts/install-deps bench
	@bench/run-bench $(BENCHES)

fuzz:
	@scripts/install-deps fuzz
	@scripts/run-fuzz $(FUZZERS)

install: build/build.ninja
	@meson setup --reconfigure build --prefix=$(PREFIX) $(if $(LIBDIR),--libdir=$(LIBDIR)) >/dev/null
	@ninja --quiet -C build
	@meson install -C build --no-rebuild
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

clean:
	rm -rf build build-asan build-clang build-fuzz

format:
	@scripts/check-format --fix

check-format:
	@scripts/check-format

.PHONY: all run test bench fuzz install clean format check-format

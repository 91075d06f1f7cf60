/*
 * Fuzz targets: one function that takes any bytes. Linked with libFuzzer they
 * search; linked with replay.c they run the kept inputs as an ordinary test.
 */
#ifndef DRIVELAB_TESTS_FUZZ_H
#define DRIVELAB_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Never keeps `data`; always returns 0. What is wrong aborts (or a sanitizer does). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input broke a promise: say which, and abort. */
#define fuzz_require(condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif

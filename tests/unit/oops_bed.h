/*
 * Golden logs for the tests of the decoder of kernel reports: a file of
 * tests/golden/oops has what is expected ("# title: ..."), a blank line, and
 * the log.
 */
#ifndef DRIVELAB_TESTS_OOPS_BED_H
#define DRIVELAB_TESTS_OOPS_BED_H

#include "diag/oops/log/reader.h"
#include "diag/oops/verdict/verdict.h"

#define BED_GOLDENS_MAX 128
#define BED_WANTS_MAX   24

struct golden {
    char name[64];
    char *text; /* the whole file */
    const char *log;
    struct {
        char key[16];
        char value[200];
    } wants[BED_WANTS_MAX];
    unsigned want_count;
};

/* All of them, by name. Returns how many; fails the test if there are none. */
unsigned bed_goldens(struct golden goldens[BED_GOLDENS_MAX]);
void bed_goldens_free(struct golden *goldens, unsigned count);

/* The first value of a key, or NULL. */
const char *bed_want(const struct golden *golden, const char *key);

/* A growing text. */
struct bed_text {
    char *s;
    size_t len, room;
};
void bed_add(struct bed_text *text, const char *s, size_t len);
void bed_printf(struct bed_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What must not change when a log is mangled. The caller frees `headline`. */
struct bed_verdict {
    enum oops_kind kind;
    char title[200], function[200];
    char headline[1024];
    unsigned reports;
};
/* Of the first report, or of the `which`-th; the log is fed in pieces of `piece` bytes. */
void bed_decode(const char *log, size_t len, size_t piece, unsigned which, struct bed_verdict *verdict);

#endif

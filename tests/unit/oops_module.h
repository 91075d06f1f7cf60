/*
 * A module that the compiler makes, for the tests of drivelab oops with symbols:
 * its source, its symbols, what is said of a report with it.
 */
#ifndef OOPS_MODULE_H
#define OOPS_MODULE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diag/oops/log/reader.h"
#include "diag/oops/symbols/origin.h"
#include "diag/oops/symbols/symbols.h"
#include "oops_cc.h"

static const char bed_source[] =
    "#define init __attribute__((section(\".init.text\"), noinline, noclone))\n"
    "#define plain __attribute__((noinline, noclone))\n"
    "struct lock { int value; };\n"
    "struct wait { struct lock lock; struct wait *next; };\n"
    "struct done { unsigned count; struct wait wait; };\n"
    "struct port { int a; union { long b; char c[16]; }; };\n"
    "struct ops { int (*finish)(int); };\n"
    "struct drive { char name[16]; struct port port[3]; unsigned bits : 3, more : 9; struct done *done;\n"
    "               const struct ops *ops; };\n"
    "int sink;\n"
    "static plain int first(int a) { sink += a; return a * 3; }\n"
    "static init int starts(int *at) { sink++; return *at + first(1); }\n"
    "plain int takes_lock(struct lock *lock) { return lock->value; }\n"
    "plain int completes(struct done *x) { int v = takes_lock(&x->wait.lock); sink++; return v; }\n"
    "plain int submits(struct drive *drive) { int v = completes(drive->done); sink++; return v; }\n"
    "plain long reads_port(struct drive *drive) { return drive->port[2].b; }\n"
    "plain int calls(struct drive *drive) { int v = drive->ops->finish(3); sink++; return v; }\n"
    "static inline int inner(struct drive *in) { sink = in->port[1].a; return sink * 5; }\n"
    "plain int outer(struct drive *out) { return inner(out) + 1; }\n"
    "struct drive *registry[8];\n"
    "plain long picks(unsigned i) { return registry[i]->port[1].a; }\n"
    "int entry(void) { return starts(&sink) + submits(0) + reads_port(0) + calls(0) + outer(0) + picks(3); }\n";

#define CC_X86 "cc -mcmodel=kernel -fcf-protection=none"

struct bed {
    struct oops_cc cc;
    char module[160];
    struct oops_object *object;
};

static inline int bed_setup(void **state) {
    struct bed *bed = calloc(1, sizeof(*bed));
    struct err e = {0};
    *state = NULL;
    if (oops_cc_init(&bed->cc) &&
        oops_cc_object(&bed->cc, "bed.ko", bed_source, CC_X86, bed->module, sizeof(bed->module)))
        bed->object = oops_object_open(bed->module, "bed", NULL, &e);
    if (!bed->object) {
        print_message("no compiler for x86-64, or: %s\n", e.text);
        free(bed);
        return 0;
    }
    *state = bed;
    return 0;
}

static inline int bed_teardown(void **state) {
    struct bed *bed = *state;
    if (bed) {
        oops_object_free(bed->object);
        oops_cc_release(&bed->cc);
    }
    free(bed);
    return 0;
}

static inline struct bed *bed_of(void **state) {
    if (!*state)
        skip();
    return *state;
}

static inline const struct oops_sym *symbol(struct bed *bed, const char *name) {
    const struct oops_sym *sym = NULL;
    assert_int_equal(oops_symtab_named(&bed->object->symtab, name, &sym, 1), 1);
    return sym;
}

/* Offset behind the first call in a function. */
static inline uint64_t after_call(struct bed *bed, const char *name) {
    const struct oops_sym *sym = symbol(bed, name);
    struct oops_code code;
    uint64_t off = 0;
    assert_int_equal(oops_code_init(&code, bed->object, NULL, sym), 0);
    for (unsigned i = 0; i < code.count && !off; i++)
        if (code.steps[i].step.kind == OOPS_STEP_CALL)
            off = code.steps[i].off + code.steps[i].step.len;
    oops_code_release(&code);
    return off;
}

static inline struct oops_verdict explain(struct bed *bed, struct oops_report *r, const char *file) {
    const char *modules[] = {file, NULL};
    struct oops_sources sources = {.modules = modules};
    struct oops_verdict v;
    struct err e = {0};
    memset(&v, 0, sizeof(v));
    oops_verdict_text(r, &v);
    struct oops_symbols *symbols = oops_symbols_new(&sources, &e);
    assert_string_equal(e.text, "");
    oops_symbols_explain(symbols, r, &v);
    oops_symbols_free(symbols);
    return v;
}

#endif

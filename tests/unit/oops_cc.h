/*
 * Small object files for tests of drivelab oops, made by this machine's compiler.
 */
#ifndef OOPS_CC_H
#define OOPS_CC_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct oops_cc {
    char dir[64];
};

/* False: there is no compiler here. */
static inline bool oops_cc_init(struct oops_cc *cc) {
    snprintf(cc->dir, sizeof(cc->dir), "/tmp/drivelab-test-oops-XXXXXX");
    return system("cc --version >/dev/null 2>&1") == 0 && mkdtemp(cc->dir);
}

static inline void oops_cc_release(struct oops_cc *cc) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", cc->dir);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", cc->dir);
}

/* Compiles `source` into DIR/NAME as a kernel's build would, by `compiler` with its options for the machine. */
static inline bool oops_cc_object(struct oops_cc *cc, const char *name, const char *source, const char *compiler,
                                  char *path, size_t size) {
    char file[128], command[512];
    snprintf(file, sizeof(file), "%s/source.c", cc->dir);
    FILE *out = fopen(file, "w");
    if (!out || fputs(source, out) < 0 || fclose(out) != 0)
        return false;
    snprintf(path, size, "%s/%s", cc->dir, name);
    snprintf(command, sizeof(command),
             "cd %s && %s -g -O2 -fno-pic -fno-stack-protector -fno-delete-null-pointer-checks "
             "-fno-asynchronous-unwind-tables -c source.c -o %s 2>cc.log",
             cc->dir, compiler, name);
    return system(command) == 0;
}

#endif

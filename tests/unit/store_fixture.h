/*
 * A directory for images, and opening stores in it; for the tests of the store.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"

#define FIXTURE_IDENTITY "ssd capacity=3145728 nand.channels=8 nand.luns=4"

struct fixture {
    char dir[64], path[128];
    struct store_config config; /* kind "file", 3 MiB */
};

static inline int fixture_make_in(void **state, const char *parent) {
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "%s/drivelab-store-XXXXXX", parent);
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/disk.img", f->dir);
    f->config = (struct store_config){.kind = "file", .path = f->path, .bytes = 3 << 20, .identity = FIXTURE_IDENTITY};
    *state = f;
    return 0;
}

/* On a file system with a disk below. */
static inline int fixture_make(void **state) {
    return fixture_make_in(state, "/tmp");
}

/* Where syncing costs nothing, for tests that do it often. */
static inline int fixture_make_quick(void **state) {
    return fixture_make_in(state, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int fixture_remove(void **state) {
    struct fixture *f = *state;
    char path[512];
    DIR *d = opendir(f->dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(f->dir);
    free(f);
    return 0;
}

static inline struct store *fixture_open(const struct store_config *config, struct sim *sim, bool *created) {
    struct err e = {0};
    struct store *store = store_open(config, sim, created, &e);
    if (!store)
        print_message("%s\n", e.text);
    assert_non_null(store);
    return store;
}

/* Opening must fail with a text that has all these words (NULL-terminated). */
static inline void fixture_refused(const struct store_config *config, const char *const *words) {
    struct err e = {0};
    bool created;
    struct store *store = store_open(config, NULL, &created, &e);
    assert_null(store);
    assert_true(e.code < 0);
    assert_null(strchr(e.text, '\n'));
    for (; *words; words++) {
        if (!strstr(e.text, *words))
            print_message("'%s' lacks '%s'\n", e.text, *words);
        assert_non_null(strstr(e.text, *words));
    }
}
#define REFUSED(config, ...) fixture_refused(config, (const char *const[]){__VA_ARGS__, NULL})

#endif

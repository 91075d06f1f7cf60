/*
 * Places: Debian's linux-image-*-dbg, Fedora's kernel-debuginfo, Ubuntu's
 * dbgsym packages, a kernel built in place; gdb's build-id folders. Releases and
 * names come from a stranger's log: none with a slash or that begins with a dot
 * becomes part of a path.
 */
#include "diag/oops/file/locate.h"

#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "diag/oops/file/object.h"

#define ENTRIES_MAX 100000u
#define PATH_BYTES  1024

static bool is_name(const char *s) {
    return s && *s && *s != '.' && !strchr(s, '/') && strlen(s) < 128;
}

static bool is_hex(const char *s) {
    size_t n = s ? strspn(s, "0123456789abcdef") : 0;
    return n >= 8 && n <= 64 && !s[n];
}

static bool is_there(const char *path) {
    return access(path, R_OK) == 0;
}

/* Forms of paths below a folder: $ the release, < and > the build id's two parts. */
static bool expand(const char *dir, const char *form, const struct oops_where_to *w, char *path, size_t size) {
    size_t n = 0;
    int len = snprintf(path, size, "%s", dir);
    if (len < 0 || (size_t)len >= size)
        return false;
    n = (size_t)len;
    for (; *form; form++) {
        char one[2] = {*form, 0};
        const char *add = one;
        char head[3] = {0};
        if (*form == '$') {
            if (!is_name(w->release))
                return false;
            add = w->release;
        } else if (*form == '<' || *form == '>') {
            if (!is_hex(w->build_id))
                return false;
            memcpy(head, w->build_id, 2);
            add = *form == '<' ? head : w->build_id + 2;
        }
        size_t more = strlen(add);
        if (more >= size - n)
            return false;
        memcpy(path + n, add, more + 1);
        n += more;
    }
    return is_there(path);
}

static bool try_forms(const char *dir, const char *const *forms, const struct oops_where_to *w, char *path,
                      size_t size) {
    for (; *forms; forms++)
        if (expand(dir, *forms, w, path, size))
            return true;
    return false;
}

static const char *const vmlinux_in_dir[] = {
    "/.build-id/</>.debug",          "/boot/vmlinux-$", "/vmlinux-$",     "/lib/modules/$/vmlinux",
    "/usr/lib/debug/boot/vmlinux-$", "/vmlinux",        "/vmlinux.debug", NULL};
static const char *const vmlinux_system[] = {"/usr/lib/debug/.build-id/</>.debug",
                                             "/usr/lib/debug/boot/vmlinux-$",
                                             "/usr/lib/debug/vmlinux-$",
                                             "/usr/lib/debug/lib/modules/$/vmlinux",
                                             "/usr/lib/debug/boot/vmlinux-$.debug",
                                             "/lib/modules/$/vmlinux",
                                             "/lib/modules/$/build/vmlinux",
                                             "/boot/vmlinux-$",
                                             NULL};
static const char *const vmlinuz_in_dir[] = {"/boot/vmlinuz-$", "/vmlinuz-$", "/lib/modules/$/vmlinuz",
                                             "/vmlinuz",        "/bzImage",   NULL};
static const char *const vmlinuz_system[] = {"/boot/vmlinuz-$", "/lib/modules/$/vmlinuz", "/usr/lib/modules/$/vmlinuz",
                                             NULL};
static const char *const module_roots_dir[] = {"/lib/modules/$", "/usr/lib/debug/lib/modules/$", "", NULL};
static const char *const module_roots_system[] = {"/usr/lib/debug/lib/modules/$", "/lib/modules/$", NULL};

bool oops_locate_vmlinux(const struct oops_where_to *w, char *path, size_t size) {
    if (w->dir && try_forms(w->dir, vmlinux_in_dir, w, path, size))
        return true;
    return w->system && try_forms("", vmlinux_system, w, path, size);
}

bool oops_locate_vmlinuz(const struct oops_where_to *w, char *path, size_t size) {
    if (w->dir && try_forms(w->dir, vmlinuz_in_dir, w, path, size))
        return true;
    return w->system && try_forms("", vmlinuz_system, w, path, size);
}

/* A module's file below a folder; the walk is bounded. */
static bool search(const char *root, const char *name, char *path, size_t size) {
    char *roots[] = {(char *)(uintptr_t)root, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    bool found = false;
    unsigned budget = ENTRIES_MAX;
    for (FTSENT *entry; fts && !found && budget-- && (entry = fts_read(fts));) {
        char have[128];
        if (entry->fts_info == FTS_D || entry->fts_info == FTS_DP || !strstr(entry->fts_name, ".ko"))
            continue;
        found = oops_module_name(entry->fts_name, have, sizeof(have)) && strcmp(have, name) == 0 &&
                (size_t)snprintf(path, size, "%s", entry->fts_path) < size;
    }
    if (fts)
        fts_close(fts);
    return found;
}

static bool search_roots(const char *dir, const char *const *roots, const struct oops_where_to *w, const char *name,
                         char *path, size_t size) {
    for (; *roots; roots++) {
        char root[PATH_BYTES];
        if (expand(dir, *roots, w, root, sizeof(root)) && search(root, name, path, size))
            return true;
    }
    return false;
}

bool oops_locate_module(const struct oops_where_to *w, const char *name, char *path, size_t size) {
    char plain[128];
    if (!is_name(name))
        return false;
    snprintf(plain, sizeof(plain), "%s", name);
    for (char *c = plain; *c; c++)
        if (*c == '-')
            *c = '_';
    if (w->dir && search_roots(w->dir, module_roots_dir, w, plain, path, size))
        return true;
    return w->system && search_roots("", module_roots_system, w, plain, path, size);
}

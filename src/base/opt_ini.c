/*
 * Profiles: INI text into a set of options, through inih.
 *
 * The text is fed to inih line by line from memory. That gives line numbers
 * whatever inih was built with, refuses lines it would cut in two, and keeps its
 * continuation lines (an indented "key = value") out: every line stands alone.
 */
#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt_int.h"

#define FILE_BYTES_MAX (1u << 20)

struct reader {
    const char *at, *end;
    int line;
    struct opt_set *set;
    const char *name;
    const char *const *skip;
    struct err *e;
    int rc, error_line; /* first error here; nothing more is read after it */
};

static int fail(struct reader *r, const char *what) {
    r->error_line = r->line;
    r->rc = err_set(r->e, EINVAL, "%s:%d: %s", r->name, r->line, what);
    return 0;
}

/* As fgets() for inih: one line without indentation, or NULL at the end or after an error. */
static char *next_line(char *buf, int size, void *arg) {
    struct reader *r = arg;
    if (r->rc || r->at == r->end)
        return NULL;
    r->line++;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    const char *stop = newline ? newline : r->end, *start = r->at;
    r->at = newline ? newline + 1 : r->end;
    while (start < stop && isspace((unsigned char)*start))
        start++;
    size_t len = (size_t)(stop - start);
    if (len + 2 > (size_t)size) {
        fail(r, "the line is too long");
        return NULL;
    }
    if (memchr(start, '\0', len)) {
        fail(r, "a zero byte; this is not a text file");
        return NULL;
    }
    memcpy(buf, start, len);
    memcpy(buf + len, "\n", 2);
    return buf;
}

static bool skipped(const char *const *skip, const char *section) {
    for (; skip && *skip; skip++)
        if (!strcmp(*skip, section))
            return true;
    return false;
}

static int on_pair(void *arg, const char *section, const char *key, const char *value) {
    struct reader *r = arg;
    if (r->rc || skipped(r->skip, section))
        return 1;
    if (!*section)
        return fail(r, "an option before the first [section]");
    r->rc = opt_assign(r->set, section, key, value, r->e);
    if (r->rc) {
        r->error_line = r->line;
        err_prefix(r->e, "%s:%d: ", r->name, r->line);
    }
    return r->rc == 0;
}

int opt_load_ini_text(struct opt_set *set, const char *name, const char *text, size_t len, const char *const *skip,
                      struct err *e) {
    struct reader r = {.at = text, .end = text + len, .set = set, .name = name, .skip = skip, .e = e};
    int bad_line = ini_parse_stream(next_line, &r, on_pair, &r);
    bool syntax_first = bad_line > 0 && (!r.rc || bad_line < r.error_line); /* inih reads on after its own errors */
    if (r.rc && !syntax_first)
        return r.rc;
    if (syntax_first)
        return err_set(e, EINVAL, "%s:%d: expected [section], key = value or a comment", name, bad_line);
    return bad_line ? err_set(e, EINVAL, "%s: cannot be parsed", name) : 0;
}

int opt_load_ini(struct opt_set *set, const char *path, const char *const *skip, struct err *e) {
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set(e, EINVAL, "%s: %s", path, strerror(errno));
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t len = text ? fread(text, 1, FILE_BYTES_MAX + 1, f) : 0;
    int rc;
    if (!text)
        rc = err_set(e, EINVAL, "%s: out of memory", path);
    else if (ferror(f))
        rc = err_set(e, EINVAL, "%s: cannot be read: %s", path, strerror(errno));
    else if (len > FILE_BYTES_MAX)
        rc = err_set(e, EINVAL, "%s: larger than 1 MiB, not a profile", path);
    else
        rc = opt_load_ini_text(set, path, text, len, skip, e);
    free(text);
    fclose(f);
    return rc;
}

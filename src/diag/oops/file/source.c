/*
 * A debug file names its sources; it may be a stranger's, so that what is
 * opened is looked at first, and no more than one line of it is shown.
 */
#include "diag/oops/file/source.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16u << 20)
#define LINE_MAX_BYTES 200u
#define PATH_BYTES     1024

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* What would mean something to a terminal; of UTF-8, too. */
static bool is_control(const char *at, const char *end) {
    unsigned char c = (unsigned char)*at, next = at + 1 < end ? (unsigned char)at[1] : 0;
    return (c < ' ' && c != '\t') || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

static const char *line_of(struct oops_pool *pool, const char *text, size_t len, unsigned line) {
    const char *at = text, *end = text + len;
    for (unsigned i = 1; i < line && at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    const char *stop = newline ? newline : end;
    while (at < stop && is_blank(*at))
        at++;
    while (stop > at && is_blank(stop[-1]))
        stop--;
    if (stop - at > (ptrdiff_t)LINE_MAX_BYTES)
        return "";
    for (const char *c = at; c < stop; c++)
        if (is_control(c, stop))
            return ""; /* no text */
    return oops_pool_strn(pool, at, (size_t)(stop - at));
}

const char *oops_source_line(struct oops_pool *pool, const char *dir, const char *path, unsigned line) {
    char full[PATH_BYTES];
    const char *text = "";
    struct stat st;
    int n =
        snprintf(full, sizeof(full), "%s%s%s", *path != '/' && dir ? dir : "", *path != '/' && dir ? "/" : "", path);
    if (n <= 0 || n >= PATH_BYTES || line == 0 || (*path != '/' && !dir))
        return "";
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return "";
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= FILE_MAX_BYTES) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            text = line_of(pool, map, (size_t)st.st_size, line);
            munmap(map, (size_t)st.st_size);
        }
    }
    close(fd);
    return text;
}

/*
 * Golden logs for the tests of the decoder of kernel reports.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

static char *read_file(const char *path) {
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    struct bed_text text = {0};
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof(buffer), in)) > 0;)
        bed_add(&text, buffer, n);
    fclose(in);
    return text.s;
}

static void read_wants(struct golden *golden) {
    const char *s = golden->text;
    for (; *s == '#'; s = strchr(s, '\n') + 1) {
        assert_true(golden->want_count < BED_WANTS_MAX);
        int n = sscanf(s, "# %15[a-z]: %199[^\n]", golden->wants[golden->want_count].key,
                       golden->wants[golden->want_count].value);
        assert_int_equal(n, 2);
        golden->want_count++;
    }
    assert_int_equal(*s, '\n');
    golden->log = s + 1;
}

static int is_log(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot && !strcmp(dot, ".txt");
}

unsigned bed_goldens(struct golden goldens[BED_GOLDENS_MAX]) {
    char folder[1024], path[2048];
    struct dirent **entries;
    snprintf(folder, sizeof(folder), "%s/tests/golden/oops", getenv("DRIVELAB_SOURCE"));
    int count = scandir(folder, &entries, is_log, alphasort);
    assert_true(count > 0 && count <= BED_GOLDENS_MAX);
    for (int i = 0; i < count; i++) {
        struct golden *golden = &goldens[i];
        memset(golden, 0, sizeof(*golden));
        snprintf(golden->name, sizeof(golden->name), "%.60s", entries[i]->d_name);
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        golden->text = read_file(path);
        read_wants(golden);
        free(entries[i]);
    }
    free(entries);
    return (unsigned)count;
}

void bed_goldens_free(struct golden *goldens, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        free(goldens[i].text);
}

const char *bed_want(const struct golden *golden, const char *key) {
    for (unsigned i = 0; i < golden->want_count; i++)
        if (!strcmp(golden->wants[i].key, key))
            return golden->wants[i].value;
    return NULL;
}

void bed_add(struct bed_text *text, const char *s, size_t len) {
    if (text->len + len + 1 > text->room) {
        text->room = 2 * (text->len + len + 1);
        text->s = realloc(text->s, text->room);
        assert_non_null(text->s);
    }
    memcpy(text->s + text->len, s, len);
    text->len += len;
    text->s[text->len] = '\0';
}

void bed_printf(struct bed_text *text, const char *fmt, ...) {
    char line[16384];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof(line));
    bed_add(text, line, (size_t)n);
}

struct taking {
    struct bed_verdict *verdict;
    unsigned which;
};

static void take(void *ctx, struct oops_report *report) {
    struct taking *t = ctx;
    if (t->verdict->reports++ == t->which) {
        struct oops_verdict v;
        oops_verdict_text(report, &v);
        t->verdict->kind = report->kind;
        snprintf(t->verdict->title, sizeof(t->verdict->title), "%s", report->title);
        snprintf(t->verdict->function, sizeof(t->verdict->function), "%s", report->function);
        snprintf(t->verdict->headline, sizeof(t->verdict->headline), "%s", v.headline);
    }
    oops_report_free(report);
}

void bed_decode(const char *log, size_t len, size_t piece, unsigned which, struct bed_verdict *verdict) {
    struct taking t = {verdict, which};
    memset(verdict, 0, sizeof(*verdict));
    struct oops_reader *reader = oops_reader_new(take, &t);
    assert_non_null(reader);
    for (size_t at = 0; at < len; at += piece)
        assert_int_equal(oops_reader_feed(reader, log + at, piece < len - at ? piece : len - at), 0);
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
}

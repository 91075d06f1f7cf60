/*
 * fio's iolog, versions 2 and 3. Source: fio(1), "TRACE FILE FORMAT".
 *
 * Version 3 begins each line with a time in microseconds (fio 3.33 writes them
 * so; its manual page does not say), version 2 has the action "wait".
 * Simplified: all files are the one drive; add, open and close are checked in
 * form only.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "load/trace/trace_int.h"

static bool detect(const char *head, size_t len) {
    return !strncmp(head, "fio version ", 12);
}

static int begin(struct trace *t, struct err *e) {
    char *first;
    int got = input_line(t->in, &first, e);
    if (got < 0)
        return got;
    if (got && sscanf(first, "fio version %u iolog", &t->version) == 1 && (t->version == 2 || t->version == 3))
        return 0;
    return err_set(e, EINVAL,
                   "%s:1: found \"%.60s\"; a log begins with \"fio version 2 iolog\" or \"fio version 3 iolog\"",
                   input_path(t->in), got ? first : "");
}

static bool find_op(const char *name, enum trace_op *op) {
    static const struct {
        const char *name;
        enum trace_op op;
    } rows[] = {{"read", TRACE_READ},  {"write", TRACE_WRITE},    {"trim", TRACE_TRIM},
                {"sync", TRACE_FLUSH}, {"datasync", TRACE_FLUSH}, {0}};
    for (unsigned i = 0; rows[i].name; i++)
        if (!strcmp(rows[i].name, name)) {
            *op = rows[i].op;
            return true;
        }
    return false;
}

static bool is_file_action(const char *name) {
    return !strcmp(name, "add") || !strcmp(name, "open") || !strcmp(name, "close");
}

static enum trace_take wait_for(struct trace *t, uint64_t us) {
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)us, 1000, &ns) || __builtin_add_overflow(t->clock_ns, ns, &t->clock_ns))
        return TRACE_MALFORMED;
    return TRACE_IGNORED;
}

static enum trace_take line(struct trace *t, char *text, struct trace_record *r) {
    char *all[6], **field = all;
    uint64_t us = 0;
    unsigned n = trace_fields(text, ' ', all, 5);
    if (t->version == 3) {
        if (!trace_number(all[0], INT64_MAX / 1000, &us))
            return TRACE_MALFORMED;
        field++;
        n--;
    }
    if (n == 2 && is_file_action(field[1]))
        return TRACE_IGNORED;
    if (n != 4 || !trace_number(field[2], INT64_MAX, &r->offset) || !trace_number(field[3], INT64_MAX, &r->bytes))
        return TRACE_MALFORMED;
    if (t->version == 2 && !strcmp(field[1], "wait"))
        return wait_for(t, r->offset);
    if (!find_op(field[1], &r->op))
        return TRACE_MALFORMED;
    r->at_ns = t->version == 3 ? (int64_t)us * 1000 : t->clock_ns;
    return TRACE_TAKEN;
}

const struct trace_format trace_fio = {
    .doc = {"fio", "fio's iolog, version 2 or 3",
            "[MICROSECONDS] FILE add|open|close, or [MICROSECONDS] FILE read|write|trim|sync|datasync|wait OFFSET "
            "LENGTH (times in version 3, wait in version 2)"},
    .detect = detect,
    .begin = begin,
    .line = line,
};

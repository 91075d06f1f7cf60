/* The table of trace formats, and what they share; see trace.h and trace_int.h. */
#include "load/trace/trace.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/trace/trace_int.h"

/* In this order a file is tried; the stricter first. */
static const struct trace_format *const trace_formats[] = {
    &trace_drivelab, &trace_fio, &trace_blktrace, &trace_blkparse, &trace_msr, &trace_alibaba,
    &trace_tencent,  &trace_spc, &trace_mqsim,    &trace_systor,   &trace_fiu, NULL,
};

/* ---- Text ---- */

unsigned trace_fields(char *line, char separator, char **field, unsigned max) {
    unsigned n = 0;
    bool blanks = separator == ' ';
    for (char *at = line; *at || (!blanks && n);) {
        while (isblank((unsigned char)*at))
            at++;
        if (blanks && !*at)
            break;
        if (n == max)
            return max + 1;
        field[n++] = at;
        char *end = at + (blanks ? strcspn(at, " \t") : strcspn(at, (char[]){separator, 0}));
        bool last = !*end;
        *end = 0;
        for (char *tail = end; tail > at && isblank((unsigned char)tail[-1]); tail--)
            tail[-1] = 0;
        if (last)
            break;
        at = end + 1;
    }
    return n;
}

bool trace_number(const char *text, uint64_t max, uint64_t *value) {
    uint64_t v = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
            return false;
    }
    *value = v;
    return v <= max;
}

bool trace_time(const char *text, int64_t unit_ns, int64_t *ns) {
    char whole[24];
    uint64_t units;
    size_t len = strspn(text, "0123456789");
    if (!len || len >= sizeof(whole))
        return false;
    memcpy(whole, text, len);
    whole[len] = 0;
    if (!trace_number(whole, INT64_MAX, &units) || __builtin_mul_overflow((int64_t)units, unit_ns, ns))
        return false;
    text += len;
    if (*text == '.') {
        int64_t fraction = 0, scale = unit_ns;
        for (text++; isdigit((unsigned char)*text); text++)
            if (scale >= 10) {
                scale /= 10;
                fraction += (*text - '0') * scale;
            }
        if (__builtin_add_overflow(*ns, fraction, ns))
            return false;
    }
    return !*text;
}

bool trace_sectors(const char *text, uint64_t *bytes) {
    if (!trace_number(text, UINT64_MAX / TRACE_SECTOR, bytes))
        return false;
    *bytes *= TRACE_SECTOR;
    return true;
}

bool trace_looks_like(const char *head, char separator, unsigned count, uint32_t numbers) {
    char line[256], *field[16];
    uint64_t value;
    head += strspn(head, " \t\r\n");
    size_t len = strcspn(head, "\r\n");
    if (!len || len >= sizeof(line) || count > 16)
        return false;
    memcpy(line, head, len);
    line[len] = 0;
    if (trace_fields(line, separator, field, 16) != count)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (numbers & 1u << i && !trace_number(field[i], UINT64_MAX, &value))
            return false;
    return true;
}

/* ---- Formats ---- */

const struct trace_format_doc *trace_format_row(unsigned index) {
    unsigned count = sizeof(trace_formats) / sizeof(*trace_formats) - 1;
    return index < count ? &trace_formats[index]->doc : NULL;
}

const char *trace_format_list(char *buf, unsigned size) {
    unsigned used = 0;
    buf[0] = 0;
    for (const struct trace_format *const *f = trace_formats; *f && used < size; f++) {
        used += snprintf(buf + used, size - used, "%s%s", f == trace_formats ? "" : ", ", (*f)->doc.name);
        for (const char *const *v = (*f)->variants; v && *v && used < size; v++)
            used += snprintf(buf + used, size - used, "%s%s%s", v == (*f)->variants ? "[:" : "|", *v, v[1] ? "" : "]");
    }
    return buf;
}

static int unknown_format(const char *name, struct err *e) {
    char list[300];
    return err_set(e, EINVAL, "trace format \"%s\": allowed are %s", name, trace_format_list(list, sizeof(list)));
}

static int find_named(struct trace *t, const char *name, struct err *e) {
    const char *colon = strchr(name, ':');
    size_t len = colon ? (size_t)(colon - name) : strlen(name);
    for (const struct trace_format *const *f = trace_formats; *f; f++) {
        if (strlen((*f)->doc.name) != len || memcmp((*f)->doc.name, name, len) != 0)
            continue;
        t->format = *f;
        if (!colon)
            return 0;
        for (unsigned i = 0; (*f)->variants && (*f)->variants[i]; i++)
            if (!strcmp((*f)->variants[i], colon + 1)) {
                t->variant = i;
                return 0;
            }
    }
    return unknown_format(name, e);
}

/* What a message can show of a line. */
static void printable(char *to, size_t size, const char *from) {
    size_t n = 0;
    for (; n + 1 < size && from[n]; n++)
        to[n] = iscntrl((unsigned char)from[n]) || (unsigned char)from[n] >= 0x80 ? '?' : from[n];
    to[n] = 0;
}

static int find_by_looking(struct trace *t, struct err *e) {
    char list[300], head[INPUT_HEAD_MAX + 1], shown[61];
    const char *bytes;
    size_t len;
    int ret = input_peek(t->in, &bytes, &len, e);
    if (ret)
        return ret;
    memcpy(head, bytes, len);
    head[len] = 0;
    for (const struct trace_format *const *f = trace_formats; *f; f++)
        if ((*f)->detect(head, len)) {
            t->format = *f;
            return 0;
        }
    const char *text = head + strspn(head, " \t\r\n");
    unsigned line = 1;
    for (const char *s = head; s < text; s++)
        line += *s == '\n';
    if (!*text && strlen(head) == len)
        return err_set(e, EINVAL, "%s: %s; a trace has at least one request", input_path(t->in),
                       len ? "nothing but blanks" : "is empty");
    head[(size_t)(text - head) + strcspn(text, "\r\n")] = 0;
    printable(shown, sizeof(shown), text);
    return err_set(e, EINVAL,
                   "%s:%u: of no trace format that is known; it begins with \"%s\"; name the format if it is one of %s",
                   input_path(t->in), line, shown, trace_format_list(list, sizeof(list)));
}

struct trace *trace_open(const struct trace_config *config, struct err *e) {
    struct trace *t = calloc(1, sizeof(*t));
    if (!t) {
        err_set(e, ENOMEM, "%s: no memory to read it", config->path);
        return NULL;
    }
    t->path = config->path;
    t->bad_allowed = config->bad_lines;
    t->in = input_open(config->path, e);
    int ret = t->in ? 0 : -EIO;
    if (!ret)
        ret = config->format ? find_named(t, config->format, e) : find_by_looking(t, e);
    if (!ret && t->format->begin)
        ret = t->format->begin(t, e);
    if (!ret)
        return t;
    trace_close(t);
    return NULL;
}

void trace_close(struct trace *t) {
    if (!t)
        return;
    if (t->format && t->format->end)
        t->format->end(t);
    else
        free(t->own);
    input_close(t->in);
    free(t);
}

const char *trace_format_name(const struct trace *t) {
    return t->format->doc.name;
}

const char *trace_path(const struct trace *t) {
    return t->path;
}

uint64_t trace_line_number(const struct trace *t) {
    return t->format->line ? input_line_number(t->in) : 0;
}

double trace_done(const struct trace *t) {
    return t->in ? input_done(t->in) : -1;
}

const struct trace_notes *trace_notes(const struct trace *t) {
    return &t->notes;
}

/* ---- Reading ---- */

static int bad_line(struct trace *t, const char *found, struct err *e) {
    if (t->notes.bad_lines < t->bad_allowed) {
        if (!t->notes.bad_lines)
            snprintf(t->notes.first_bad, sizeof(t->notes.first_bad), "%s:%" PRIu64 ": found \"%s\"", input_path(t->in),
                     input_line_number(t->in), found);
        t->notes.bad_lines++;
        return 0;
    }
    return err_set(e, EINVAL, "%s:%" PRIu64 ": found \"%s\"; a line of format %s is: %s%s", input_path(t->in),
                   input_line_number(t->in), found, t->format->doc.name, t->format->doc.line,
                   t->bad_allowed ? "; more bad lines than allowed" : "");
}

static int next_line(struct trace *t, struct trace_record *r, struct err *e) {
    char *line, found[100];
    for (int ret; (ret = input_line(t->in, &line, e)) != 0;) {
        if (ret < 0)
            return ret;
        if (!line[strspn(line, " \t")])
            continue;
        printable(found, sizeof(found), line);
        switch (t->format->line(t, line, r)) {
        case TRACE_TAKEN:
            return 1;
        case TRACE_IGNORED:
            t->notes.ignored++;
            break;
        default:
            if ((ret = bad_line(t, found, e)))
                return ret;
        }
    }
    return 0;
}

static int next_event(struct trace *t, struct trace_record *r, struct err *e) {
    for (;;) {
        switch (t->format->event(t, r, e)) {
        case TRACE_TAKEN:
            return 1;
        case TRACE_IGNORED:
            t->notes.ignored++;
            break;
        case TRACE_OUT_OF_DATA:
            return 0;
        default:
            return e && e->code ? e->code : -EINVAL;
        }
    }
}

int trace_next(struct trace *t, struct trace_record *r, struct err *e) {
    *r = (struct trace_record){0};
    int ret = t->format->line ? next_line(t, r, e) : next_event(t, r, e);
    if (ret <= 0)
        return ret;
    if (!t->started) {
        t->started = true;
        t->first_ns = r->at_ns;
    }
    int64_t at;
    if (__builtin_sub_overflow(r->at_ns, t->first_ns, &at))
        at = INT64_MAX;
    if (at < t->last_ns)
        t->notes.backwards++;
    else
        t->last_ns = at;
    r->at_ns = t->last_ns;
    if (r->op == TRACE_FLUSH)
        r->offset = r->bytes = 0;
    return 1;
}

/*
 * Text of blkparse(1) in its default form:
 *
 *   8,0    3       11     0.009507758   697  Q   W 223490 + 8 [kjournald]
 *   device cpu     number seconds       pid  action flags sector + sectors
 *
 * Variants: Q takes what was queued (fio does the same), D what was issued to
 * the driver. Other actions, and the statistics at the end, are left out.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "load/trace/trace_int.h"

static const char *const variants[] = {"Q", "D", NULL};

/* "8,0" */
static bool device_of(const char *text, uint32_t *device) {
    unsigned major, minor;
    int end = 0;
    if (!isdigit((unsigned char)*text) || sscanf(text, "%u,%u%n", &major, &minor, &end) != 2 || text[end])
        return false;
    *device = major << 20 | (minor & 0xfffff);
    return true;
}

static bool detect(const char *head, size_t len) {
    char line[256], *f[8];
    uint32_t device;
    int64_t ns;
    head += strspn(head, " \t\r\n");
    size_t n = strcspn(head, "\r\n");
    if (n >= sizeof(line))
        return false;
    memcpy(line, head, n);
    line[n] = 0;
    return trace_fields(line, ' ', f, 7) >= 7 && device_of(f[0], &device) && trace_time(f[3], 1000000000, &ns);
}

/* ZA append, ZR reset, ZF finish, ZO open, ZC close; not ZRA, all zones at once. */
static bool zone_op(const char *flags, enum trace_op *op) {
    static const char letters[] = "ARFOC";
    static const enum trace_op ops[] = {TRACE_APPEND, TRACE_ZONE_RESET, TRACE_ZONE_FINISH, TRACE_ZONE_OPEN,
                                        TRACE_ZONE_CLOSE};
    const char *letter = flags[1] ? strchr(letters, flags[1]) : NULL;
    if (!letter || !strncmp(flags, "ZRA", 3))
        return false;
    *op = ops[letter - letters];
    return true;
}

/* The flags say what it is: F flush (of a write: before it), W, R, D discard, Z of zones (Linux 6.19 and later). */
static bool op_of(const char *flags, bool empty, enum trace_op *op) {
    const char *zone = strchr(flags, 'Z');
    if (zone && (zone == flags || zone[-1] == 'F'))
        return zone_op(zone, op);
    if (strchr(flags, 'D'))
        *op = TRACE_TRIM;
    else if (empty && strchr(flags, 'F'))
        *op = TRACE_FLUSH;
    else if (strchr(flags, 'R'))
        *op = TRACE_READ;
    else if (strchr(flags, 'W'))
        *op = TRACE_WRITE;
    else
        return false;
    return true;
}

static enum trace_take line(struct trace *t, char *text, struct trace_record *r) {
    char *f[11];
    unsigned n = trace_fields(text, ' ', f, 10);
    if (!n || !device_of(f[0], &r->device))
        return TRACE_IGNORED;
    if (n < 7 || !trace_time(f[3], 1000000000, &r->at_ns))
        return TRACE_MALFORMED;
    if (strcmp(f[5], variants[t->variant]) != 0)
        return TRACE_IGNORED;
    bool empty = n < 10 || strcmp(f[8], "+") != 0;
    if (!empty && (!trace_sectors(f[7], &r->offset) || !trace_sectors(f[9], &r->bytes)))
        return TRACE_MALFORMED;
    if (!op_of(f[6], empty || !r->bytes, &r->op))
        return TRACE_IGNORED;
    if (r->op >= TRACE_ZONE_RESET)
        r->bytes = 0;
    return empty && r->op != TRACE_FLUSH ? TRACE_IGNORED : TRACE_TAKEN;
}

const struct trace_format trace_blkparse = {
    .doc = {"blkparse", "text of blkparse; :Q queued, :D issued requests",
            "MAJOR,MINOR CPU NUMBER SECONDS PID ACTION FLAGS FIRST-SECTOR + SECTORS [PROCESS]"},
    .variants = variants,
    .detect = detect,
    .line = line,
};

/*
 * Binary files of blktrace(8), and of blkparse -d. Source: the kernel's
 * uapi/linux/blktrace_api.h, version 7 of the format, and version 8 of Linux
 * 6.19, which knows zone operations.
 *
 * blktrace writes one file for each processor, NAME.blktrace.N. Naming one of
 * them reads them all, merged by time. Variants as for blkparse.
 *
 * Not read: files of big-endian machines.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/le.h"
#include "load/trace/trace_int.h"

#define MAGIC       0x65617400u /* "eat", then the version */
#define VERSION     7
#define VERSION_2   8 /* struct blk_io_trace2 */
#define SOURCES_MAX 1024

enum { ACTION_QUEUE = 1, ACTION_ISSUE = 7 }; /* low half of `action` */

enum { /* above them: categories */
       CATEGORY_READ = 1 << 0,
       CATEGORY_WRITE = 1 << 1,
       CATEGORY_FLUSH = 1 << 2,
       CATEGORY_NOTIFY = 1 << 10,
       CATEGORY_DISCARD = 1 << 13,
       CATEGORY_ZONE_APPEND = 1 << 16, /* these in version 8 only */
       CATEGORY_ZONE_RESET = 1 << 17,
       CATEGORY_ZONE_FINISH = 1 << 19,
       CATEGORY_ZONE_OPEN = 1 << 20,
       CATEGORY_ZONE_CLOSE = 1 << 21,
};

/* How both versions begin. */
struct head {
    le32 magic, sequence;
    le64 time_ns, sector;
    le32 bytes;
};

struct rest_7 {
    le32 action, pid, device, cpu;
    le16 error, pdu_len;
};

struct rest_8 {
    le32 pid;
    le64 action;
    le32 device, cpu;
    le16 error, pdu_len;
    uint8_t reserved[12];
};
_Static_assert(sizeof(struct head) + sizeof(struct rest_7) == 48, "layout of blktrace_api.h");
_Static_assert(sizeof(struct head) + sizeof(struct rest_8) == 64, "layout of blktrace_api.h");

struct event {
    uint64_t time_ns, sector, action;
    uint32_t bytes, device;
};

struct source {
    struct input *in;
    struct event event; /* read, not yet taken */
};

struct sources {
    unsigned count; /* that have not ended */
    struct source *source;
};

static bool detect(const char *head, size_t len) {
    le32 magic;
    if (len < sizeof(magic))
        return false;
    memcpy(&magic, head, sizeof(magic));
    return le32_get(magic) == (MAGIC | VERSION) || le32_get(magic) == (MAGIC | VERSION_2);
}

/* What has to follow. */
static int rest(struct source *s, void *to, size_t len, struct err *e) {
    int got = input_bytes(s->in, to, len, e);
    return got ? got : err_set(e, EINVAL, "%s: ends within an event", input_path(s->in));
}

/* After its head, the rest of an event; *pdu_len: bytes that hang on. */
static int read_rest(struct source *s, uint32_t magic, unsigned *pdu_len, struct err *e) {
    if (magic == (MAGIC | VERSION)) {
        struct rest_7 r;
        if (rest(s, &r, sizeof(r), e) < 0)
            return e->code;
        s->event.action = le32_get(r.action);
        s->event.device = le32_get(r.device);
        *pdu_len = le16_get(r.pdu_len);
        return 1;
    }
    struct rest_8 r;
    if (magic != (MAGIC | VERSION_2))
        return err_set(
            e, EINVAL, "%s: found %08xh at byte %" PRIu64 "; an event of blktrace begins with %08xh or %08xh",
            input_path(s->in), magic, input_offset(s->in) - sizeof(struct head), MAGIC | VERSION, MAGIC | VERSION_2);
    if (rest(s, &r, sizeof(r), e) < 0)
        return e->code;
    s->event.action = le64_get(r.action);
    s->event.device = le32_get(r.device);
    *pdu_len = le16_get(r.pdu_len);
    return 1;
}

/* Read the next event of a source; one that has ended leaves the list. */
static int advance(struct sources *all, unsigned i, struct err *e) {
    char skip[256];
    struct head head;
    unsigned left = 0;
    struct source *s = &all->source[i];
    int got = input_bytes(s->in, &head, sizeof(head), e);
    if (got < 0)
        return got;
    if (!got) {
        input_close(s->in);
        *s = all->source[--all->count];
        return 0;
    }
    s->event.time_ns = le64_get(head.time_ns);
    s->event.sector = le64_get(head.sector);
    s->event.bytes = le32_get(head.bytes);
    got = read_rest(s, le32_get(head.magic), &left, e);
    for (unsigned part; left && got > 0; left -= part) {
        part = left < sizeof(skip) ? left : sizeof(skip);
        got = rest(s, skip, part, e);
    }
    return got;
}

/* NAME.blktrace.N: where N begins, else NULL. */
static const char *processor_of(const char *path) {
    const char *number = strrchr(path, '.');
    static const char suffix[] = ".blktrace";
    size_t before = number ? (size_t)(number - path) : 0, len = sizeof(suffix) - 1;
    if (!number || before < len || memcmp(number - len, suffix, len) != 0 || !number[1])
        return NULL;
    for (const char *at = number + 1; *at; at++)
        if (!isdigit((unsigned char)*at))
            return NULL;
    return number + 1;
}

static int open_siblings(struct trace *t, struct sources *all, struct err *e) {
    const char *path = input_path(t->in), *number = processor_of(path);
    char *other = number ? malloc(strlen(path) + 16) : NULL;
    if (number && !other)
        return err_set(e, ENOMEM, "%s: no memory to read it", path);
    for (unsigned i = 0; number && i < SOURCES_MAX; i++) {
        sprintf(other, "%.*s%u", (int)(number - path), path, i);
        if (!strcmp(other, path) || access(other, F_OK))
            continue;
        struct input *in = input_open(other, e);
        if (!in) {
            free(other);
            return e && e->code ? e->code : -EIO;
        }
        all->source[all->count++].in = in;
    }
    free(other);
    return 0;
}

static int begin(struct trace *t, struct err *e) {
    struct sources *all = calloc(1, sizeof(*all));
    t->own = all;
    if (all)
        all->source = calloc(SOURCES_MAX + 1, sizeof(*all->source));
    if (!all || !all->source)
        return err_set(e, ENOMEM, "%s: no memory to read it", input_path(t->in));
    int ret = open_siblings(t, all, e);
    if (ret)
        return ret;
    all->source[all->count++].in = t->in;
    t->in = NULL; /* it belongs to the list now */
    for (unsigned i = all->count; i-- > 0;)
        if ((ret = advance(all, i, e)) < 0)
            return ret;
    return 0;
}

static bool zone_op(uint64_t category, enum trace_op *op) {
    static const struct {
        uint32_t category;
        enum trace_op op;
    } rows[] = {{CATEGORY_ZONE_APPEND, TRACE_APPEND},
                {CATEGORY_ZONE_RESET, TRACE_ZONE_RESET},
                {CATEGORY_ZONE_FINISH, TRACE_ZONE_FINISH},
                {CATEGORY_ZONE_OPEN, TRACE_ZONE_OPEN},
                {CATEGORY_ZONE_CLOSE, TRACE_ZONE_CLOSE}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (category & rows[i].category) {
            *op = rows[i].op;
            return true;
        }
    return false;
}

static enum trace_take take(const struct trace *t, const struct event *event, struct trace_record *r) {
    static const uint16_t wanted[] = {ACTION_QUEUE, ACTION_ISSUE};
    uint64_t category = event->action >> 16;
    if (category & CATEGORY_NOTIFY || (event->action & 0xff) != wanted[t->variant]) /* above: __BLK_TA_CGROUP */
        return TRACE_IGNORED;
    r->at_ns = (int64_t)(event->time_ns & INT64_MAX);
    r->device = event->device;
    r->bytes = event->bytes;
    if (zone_op(category, &r->op))
        r->bytes = r->op == TRACE_APPEND ? r->bytes : 0;
    else if (category & CATEGORY_DISCARD)
        r->op = TRACE_TRIM;
    else if (!r->bytes && category & CATEGORY_FLUSH)
        r->op = TRACE_FLUSH;
    else if (!r->bytes || !(category & (CATEGORY_READ | CATEGORY_WRITE)))
        return TRACE_IGNORED;
    else
        r->op = category & CATEGORY_WRITE ? TRACE_WRITE : TRACE_READ;
    return __builtin_mul_overflow(event->sector, TRACE_SECTOR, &r->offset) ? TRACE_IGNORED : TRACE_TAKEN;
}

static enum trace_take next_event(struct trace *t, struct trace_record *r, struct err *e) {
    struct sources *all = t->own;
    unsigned first = 0;
    if (!all->count)
        return TRACE_OUT_OF_DATA;
    for (unsigned i = 1; i < all->count; i++)
        if (all->source[i].event.time_ns < all->source[first].event.time_ns)
            first = i;
    struct event event = all->source[first].event;
    if (advance(all, first, e) < 0)
        return TRACE_BROKEN;
    return take(t, &event, r);
}

static void end(struct trace *t) {
    struct sources *all = t->own;
    for (unsigned i = 0; all && all->source && i < all->count; i++)
        input_close(all->source[i].in);
    if (all)
        free(all->source);
    free(all);
}

static const char *const variants[] = {"Q", "D", NULL};

const struct trace_format trace_blktrace = {
    .doc = {"blktrace", "binary files of blktrace, or of blkparse -d; :Q queued, :D issued requests", "binary"},
    .variants = variants,
    .detect = detect,
    .begin = begin,
    .event = next_event,
    .end = end,
};

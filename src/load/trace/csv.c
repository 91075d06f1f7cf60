/*
 * Traces of one request a line, published by their owners:
 *
 *   msr      MSR Cambridge and others of SNIA's block I/O repository:
 *            Timestamp (100 ns, Windows file time), host, disk, Read|Write,
 *            offset, size, response time
 *   alibaba  block-traces of Alibaba Cloud 2020: device, R|W, offset, length,
 *            timestamp in microseconds
 *   tencent  Tencent block storage 2018 (SNIA IOTTA 27917): timestamp in
 *            seconds, offset, size (sectors), 0 read | 1 write, volume
 *   spc      Storage Performance Council (UMass Financial, WebSearch): unit,
 *            LBA, size in bytes, r|w, seconds
 *   systor   SYSTOR '17 (SNIA, VDI of one storage): timestamp in seconds,
 *            response time, R|W, LUN, offset, size
 *   fiu      Florida International University (SNIA IODedup): timestamp in ns,
 *            pid, process, first sector, sectors, R|W, major, minor, MD5;
 *            blanks between
 *   mqsim    MQSim: arrival in ns, device, first sector, sectors, 0 write |
 *            1 read; blanks between
 *
 * The first line may name the columns, as these traces do; then they may
 * stand in any order.
 */
#include <ctype.h>
#include <string.h>

#include "load/trace/trace_int.h"

/* "Read", "r", "R"... The first letter decides, the rest must be a word. */
static bool letter_op(const char *text, enum trace_op *op) {
    switch (tolower((unsigned char)*text)) {
    case 'r':
        *op = TRACE_READ;
        break;
    case 'w':
        *op = TRACE_WRITE;
        break;
    default:
        return false;
    }
    return !text[1] || !strcasecmp(text, "read") || !strcasecmp(text, "write");
}

static bool device(const char *text, struct trace_record *r) {
    uint64_t number;
    if (!trace_number(text, UINT32_MAX, &number))
        return false;
    r->device = (uint32_t)number;
    return true;
}

static bool ticks(const char *text, int64_t unit_ns, int64_t *ns) {
    uint64_t n;
    return trace_number(text, INT64_MAX, &n) && !__builtin_mul_overflow((int64_t)n, unit_ns, ns);
}

/* ---- headings ---- */

/* Letters and digits alone: "Disk Number" is disknumber. */
static void plain(char *to, size_t size, const char *from) {
    size_t n = 0;
    for (; *from && n + 1 < size; from++)
        if (isalnum((unsigned char)*from))
            to[n++] = (char)tolower((unsigned char)*from);
    to[n] = 0;
}

static int column_of(const char *const *columns, const char *text) {
    char name[24];
    plain(name, sizeof(name), text);
    for (int i = 0; columns[i]; i++)
        if (!strcmp(columns[i], name))
            return i;
    return -1;
}

/* Whether the fields are the columns' names, each once; then where each of them stands. */
static bool take_order(const char *const *columns, char **field, unsigned n, uint8_t *order) {
    unsigned seen = 0, count = 0;
    while (columns[count])
        count++;
    for (unsigned i = 0; i < n && n == count; i++) {
        int column = column_of(columns, field[i]);
        if (column < 0)
            return false;
        order[column] = (uint8_t)i;
        seen |= 1u << column;
    }
    return n == count && seen == (1u << count) - 1;
}

/* Of a file that begins so. */
static bool has_headings(const char *head, const char *const *columns) {
    char line[256], *field[TRACE_COLUMNS_MAX + 1];
    uint8_t order[TRACE_COLUMNS_MAX];
    size_t len = strcspn(head, "\r\n");
    if (len >= sizeof(line))
        return false;
    memcpy(line, head, len);
    line[len] = 0;
    return take_order(columns, field, trace_fields(line, ',', field, TRACE_COLUMNS_MAX), order);
}

/*
 * Cut the line into the columns, in the format's order. TRACE_IGNORED: these
 * are headings. Those in other words are taken for the format's own order,
 * unless they have a word of the format in another place.
 */
static enum trace_take cut(struct trace *t, char *text, const char *const *columns, unsigned count, char **column) {
    char *field[TRACE_COLUMNS_MAX + 1];
    bool first = input_line_number(t->in) == 1 && isalpha((unsigned char)*text);
    unsigned n = trace_fields(text, ',', field, TRACE_COLUMNS_MAX);
    if (first && take_order(columns, field, n, t->order)) {
        t->ordered = true;
        return TRACE_IGNORED;
    }
    for (unsigned i = 0; first && i < n && i < TRACE_COLUMNS_MAX; i++) {
        int known = column_of(columns, field[i]);
        if (known >= 0 && known != (int)i)
            return TRACE_MALFORMED;
    }
    if (first && n == count)
        return TRACE_IGNORED;
    if (n != count)
        return TRACE_MALFORMED;
    for (unsigned i = 0; i < count; i++)
        column[i] = field[t->ordered ? t->order[i] : i];
    return TRACE_TAKEN;
}

/* ---- msr ---- */

static const char *const msr_columns[] = {"timestamp", "hostname", "disknumber",   "type",
                                          "offset",    "size",     "responsetime", NULL};

static bool msr_detect(const char *head, size_t len) {
    return trace_looks_like(head, ',', 7, 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5) || has_headings(head, msr_columns);
}

static enum trace_take msr_line(struct trace *t, char *text, struct trace_record *r) {
    char *f[7];
    uint64_t response;
    enum trace_take found = cut(t, text, msr_columns, 7, f);
    if (found != TRACE_TAKEN)
        return found;
    uint64_t at;
    /* File times are near 1.3e17 of 100 ns: too many nanoseconds for 63 bits, so the first one is taken off here. */
    if (!trace_number(f[0], INT64_MAX, &at) || !device(f[2], r) || !letter_op(f[3], &r->op) ||
        !trace_number(f[4], INT64_MAX, &r->offset) || !trace_number(f[5], INT64_MAX, &r->bytes) ||
        !trace_number(f[6], UINT64_MAX, &response))
        return TRACE_MALFORMED;
    if (!t->clock_ns)
        t->clock_ns = (int64_t)at;
    if (__builtin_mul_overflow((int64_t)at - t->clock_ns, 100, &r->at_ns))
        return TRACE_MALFORMED;
    return TRACE_TAKEN;
}

const struct trace_format trace_msr = {
    .doc = {"msr", "MSR Cambridge (SNIA)", "TIMESTAMP-100NS,HOST,DISK,Read|Write,OFFSET,BYTES,RESPONSE-TIME"},
    .detect = msr_detect,
    .line = msr_line,
};

/* ---- alibaba ---- */

static const char *const alibaba_columns[] = {"deviceid", "opcode", "offset", "length", "timestamp", NULL};

static bool alibaba_detect(const char *head, size_t len) {
    return (trace_looks_like(head, ',', 5, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4) &&
            !trace_looks_like(head, ',', 5, 1 << 1)) ||
           has_headings(head, alibaba_columns);
}

static enum trace_take alibaba_line(struct trace *t, char *text, struct trace_record *r) {
    char *f[5];
    enum trace_take found = cut(t, text, alibaba_columns, 5, f);
    if (found != TRACE_TAKEN)
        return found;
    if (!device(f[0], r) || !letter_op(f[1], &r->op) || !trace_number(f[2], INT64_MAX, &r->offset) ||
        !trace_number(f[3], INT64_MAX, &r->bytes) || !ticks(f[4], 1000, &r->at_ns))
        return TRACE_MALFORMED;
    return TRACE_TAKEN;
}

const struct trace_format trace_alibaba = {
    .doc = {"alibaba", "Alibaba Cloud block traces", "DEVICE,R|W,OFFSET,BYTES,MICROSECONDS"},
    .detect = alibaba_detect,
    .line = alibaba_line,
};

/* ---- tencent ---- */

static const char *const tencent_columns[] = {"timestamp", "offset", "size", "iotype", "volumeid", NULL};

static bool tencent_detect(const char *head, size_t len) {
    return trace_looks_like(head, ',', 5, 0x1f) || has_headings(head, tencent_columns);
}

static enum trace_take tencent_line(struct trace *t, char *text, struct trace_record *r) {
    char *f[5];
    uint64_t type;
    enum trace_take found = cut(t, text, tencent_columns, 5, f);
    if (found != TRACE_TAKEN)
        return found;
    if (!ticks(f[0], 1000000000, &r->at_ns) || !trace_sectors(f[1], &r->offset) || !trace_sectors(f[2], &r->bytes) ||
        !trace_number(f[3], 1, &type) || !device(f[4], r))
        return TRACE_MALFORMED;
    r->op = type ? TRACE_WRITE : TRACE_READ;
    return TRACE_TAKEN;
}

const struct trace_format trace_tencent = {
    .doc = {"tencent", "Tencent block storage (SNIA)", "SECONDS,FIRST-SECTOR,SECTORS,0|1 (read, write),VOLUME"},
    .detect = tencent_detect,
    .line = tencent_line,
};

/* ---- spc ---- */

static bool spc_detect(const char *head, size_t len) {
    return trace_looks_like(head, ',', 5, 1 << 0 | 1 << 1 | 1 << 2);
}

static enum trace_take spc_line(struct trace *t, char *text, struct trace_record *r) {
    char *f[9];
    unsigned n = trace_fields(text, ',', f, 8); /* optional fields may follow */
    if (n < 5 || n > 8 || !device(f[0], r) || !trace_sectors(f[1], &r->offset) ||
        !trace_number(f[2], INT64_MAX, &r->bytes) || !letter_op(f[3], &r->op) ||
        !trace_time(f[4], 1000000000, &r->at_ns))
        return TRACE_MALFORMED;
    return TRACE_TAKEN;
}

const struct trace_format trace_spc = {
    .doc = {"spc", "Storage Performance Council (UMass)", "UNIT,FIRST-SECTOR,BYTES,r|w,SECONDS"},
    .detect = spc_detect,
    .line = spc_line,
};

/* ---- systor ---- */

static const char *const systor_columns[] = {"timestamp", "response", "iotype", "lun", "offset", "size", NULL};

static bool systor_detect(const char *head, size_t len) {
    return trace_looks_like(head, ',', 6, 1 << 3 | 1 << 4 | 1 << 5) || has_headings(head, systor_columns);
}

static enum trace_take systor_line(struct trace *t, char *text, struct trace_record *r) {
    char *f[6];
    enum trace_take found = cut(t, text, systor_columns, 6, f);
    if (found != TRACE_TAKEN)
        return found;
    if (!trace_time(f[0], 1000000000, &r->at_ns) || !letter_op(f[2], &r->op) || !device(f[3], r) ||
        !trace_number(f[4], INT64_MAX, &r->offset) || !trace_number(f[5], INT64_MAX, &r->bytes))
        return TRACE_MALFORMED;
    return TRACE_TAKEN;
}

const struct trace_format trace_systor = {
    .doc = {"systor", "SYSTOR '17 (SNIA)", "SECONDS,RESPONSE-TIME,R|W,LUN,OFFSET,BYTES"},
    .detect = systor_detect,
    .line = systor_line,
};

/* ---- fiu ---- */

static bool fiu_detect(const char *head, size_t len) {
    return trace_looks_like(head, ' ', 9, 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7);
}

static enum trace_take fiu_line(struct trace *t, char *text, struct trace_record *r) {
    char *f[10];
    uint64_t major, minor;
    if (trace_fields(text, ' ', f, 9) != 9 || !ticks(f[0], 1, &r->at_ns) || !trace_sectors(f[3], &r->offset) ||
        !trace_sectors(f[4], &r->bytes) || !letter_op(f[5], &r->op) || !trace_number(f[6], 0xfff, &major) ||
        !trace_number(f[7], 0xfffff, &minor))
        return TRACE_MALFORMED;
    r->device = (uint32_t)(major << 20 | minor);
    return TRACE_TAKEN;
}

const struct trace_format trace_fiu = {
    .doc = {"fiu", "Florida International University (SNIA)",
            "NANOSECONDS PID PROCESS FIRST-SECTOR SECTORS R|W MAJOR MINOR MD5"},
    .detect = fiu_detect,
    .line = fiu_line,
};

/* ---- mqsim ---- */

static bool mqsim_detect(const char *head, size_t len) {
    return trace_looks_like(head, ' ', 5, 0x1f);
}

static enum trace_take mqsim_line(struct trace *t, char *text, struct trace_record *r) {
    char *f[6];
    uint64_t type;
    if (trace_fields(text, ' ', f, 5) != 5 || !ticks(f[0], 1, &r->at_ns) || !device(f[1], r) ||
        !trace_sectors(f[2], &r->offset) || !trace_sectors(f[3], &r->bytes) || !trace_number(f[4], 1, &type))
        return TRACE_MALFORMED;
    r->op = type ? TRACE_READ : TRACE_WRITE;
    return TRACE_TAKEN;
}

const struct trace_format trace_mqsim = {
    .doc = {"mqsim", "MQSim, DiskSim's ASCII form with 1 for reads",
            "NANOSECONDS DEVICE FIRST-SECTOR SECTORS 0|1 (write, read)"},
    .detect = mqsim_detect,
    .line = mqsim_line,
};

/*
 * Job options whose values have a syntax of their own; see option.h.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/option.h"

#define BS_MAX         (64u << 20)
#define SPLITS_MAX     64
#define RAND_ZONES_MAX 256

struct rw_row {
    const char *name;
    bool random, read, write, trim;
};

static const struct rw_row rw_rows[] = {
    {"read", false, true, false, false},        {"write", false, false, true, false},
    {"trim", false, false, false, true},        {"randread", true, true, false, false},
    {"randwrite", true, false, true, false},    {"randtrim", true, false, false, true},
    {"rw", false, true, true, false},           {"readwrite", false, true, true, false},
    {"randrw", true, true, true, false},        {"trimwrite", false, false, true, true},
    {"randtrimwrite", true, false, true, true}, {0},
};

const char *job_rw_name(const struct job *job) {
    return rw_rows[job->rw].name;
}

/* What follows the colon: a count for random requests, bytes left out (perhaps backwards) for sequential ones. */
static int set_rw_modifier(struct job *job, const struct job_option *o, const char *value, const char *text,
                           struct err *e) {
    bool backwards = *text == '-';
    uint64_t number;
    const char *digits = text + backwards;
    if (job_value_bytes(digits, digits + strlen(digits), job->kb_base, &number) || number > INT64_MAX / 2)
        return job_option_bad(o, value, e);
    if (rw_rows[job->rw].random) {
        if (backwards || !number)
            return err_set(e, EINVAL, "rw=%.100s: the number after the colon is a count of requests from 1", value);
        job->rw_every = number;
        return 0;
    }
    if (number % 512)
        return err_set(e, EINVAL, "rw=%.100s: the bytes left out are a multiple of 512", value);
    job->rw_skip = backwards ? -(int64_t)number : (int64_t)number;
    return 0;
}

int job_set_rw(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    size_t len = strcspn(value, ":");
    for (int i = 0; rw_rows[i].name; i++) {
        if (strlen(rw_rows[i].name) != len || strncmp(value, rw_rows[i].name, len))
            continue;
        job->rw = i;
        job->rw_every = 1;
        job->rw_skip = 0;
        job->random = rw_rows[i].random;
        job->trimwrite = rw_rows[i].trim && rw_rows[i].write;
        job->uses[RUN_READ] = rw_rows[i].read;
        job->uses[RUN_WRITE] = rw_rows[i].write;
        job->uses[RUN_TRIM] = rw_rows[i].trim;
        return value[len] ? set_rw_modifier(job, o, value, value + len + 1, e) : 0;
    }
    return job_option_bad(o, value, e);
}

static void shares_clear(struct job_shares *s) {
    free(s->share);
    *s = (struct job_shares){0};
}

static bool good_size(uint64_t bytes) {
    return bytes >= 512 && bytes <= BS_MAX && bytes % 512 == 0;
}

/*
 * Take a comma-separated value apart for read, write, trim. Calls take() for
 * each piece that isn't empty; directions after the last one get a copy of it.
 */
static int each_direction(struct job *job, const char *value,
                          int (*take)(struct job *, unsigned dir, const char *text, const char *end)) {
    const char *from = NULL, *to = NULL, *at = value;
    unsigned dir = 0;
    for (; at; dir++) {
        const char *comma = strchr(at, ',');
        const char *end = comma ? comma : at + strlen(at);
        if (dir == RUN_DIRS || (end > at && take(job, dir, at, end)))
            return -EINVAL;
        from = at;
        to = end;
        at = comma ? comma + 1 : NULL;
    }
    if (dir == 1 && to == from)
        return -EINVAL;
    for (; to > from && dir < RUN_DIRS; dir++)
        if (take(job, dir, from, to))
            return -EINVAL;
    return 0;
}

static int take_bs(struct job *job, unsigned dir, const char *text, const char *end) {
    uint64_t bytes;
    if (job_value_bytes(text, end, job->kb_base, &bytes) || !good_size(bytes))
        return -EINVAL;
    shares_clear(&job->bssplit[dir]);
    job->bs[dir] = job->bs_max[dir] = bytes;
    return 0;
}

int job_set_bs(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    return each_direction(job, value, take_bs) ? job_option_bad(o, value, e) : 0;
}

static int take_bsrange(struct job *job, unsigned dir, const char *text, const char *end) {
    uint64_t low, high;
    const char *dash = text;
    for (int open = 0; dash < end && (open || (*dash != '-' && *dash != ':')); dash++)
        open += (*dash == '(') - (*dash == ')');
    if (dash == end || job_value_bytes(text, dash, job->kb_base, &low) ||
        job_value_bytes(dash + 1, end, job->kb_base, &high) || !good_size(low) || !good_size(high))
        return -EINVAL;
    shares_clear(&job->bssplit[dir]);
    job->bs[dir] = low < high ? low : high;
    job->bs_max[dir] = low < high ? high : low;
    return 0;
}

int job_set_bsrange(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    return each_direction(job, value, take_bsrange) ? job_option_bad(o, value, e) : 0;
}

static int take_blockalign(struct job *job, unsigned dir, const char *text, const char *end) {
    return job_value_bytes(text, end, job->kb_base, &job->blockalign[dir]) || !good_size(job->blockalign[dir]) ? -EINVAL
                                                                                                               : 0;
}

int job_set_blockalign(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    return each_direction(job, value, take_blockalign) ? job_option_bad(o, value, e) : 0;
}

/* Sizes without a share divide what the others leave; the first of them get the remainder. */
static int fill_shares(struct job_shares *s, unsigned open, unsigned used) {
    if (used > 100)
        return -EINVAL;
    for (unsigned i = 0; i < s->count && open; i++)
        if (s->share[i].percent == UINT32_MAX) {
            s->share[i].percent = (100 - used + open - 1) / open;
            used += s->share[i].percent;
            open--;
        }
    return used == 100 ? 0 : -EINVAL;
}

/* "4k/50": a size and a share, which may be missing. */
static int parse_split(const char *text, const char *end, unsigned kb_base, struct job_share *share) {
    uint64_t percent = UINT32_MAX;
    const char *slash = memchr(text, '/', (size_t)(end - text));
    if (job_value_bytes(text, slash ? slash : end, kb_base, &share->bytes) || !good_size(share->bytes))
        return -EINVAL;
    if (slash && slash + 1 < end && (job_value_bytes(slash + 1, end, 1024, &percent) || percent > 100))
        return -EINVAL;
    share->percent = (unsigned)percent;
    return 0;
}

/* "60/10" and, absolute, "60/20g": a share of the requests and a size, which may be missing if it is a share, too. */
static int parse_zone(const char *text, const char *end, unsigned kb_base, bool absolute, struct job_share *share) {
    uint64_t percent;
    const char *slash = memchr(text, '/', (size_t)(end - text));
    if ((!slash && absolute) || job_value_bytes(text, slash ? slash : end, 1024, &percent) || percent > 100)
        return -EINVAL;
    share->percent = (unsigned)percent;
    share->of_percent = 0;
    if (absolute)
        return job_value_bytes(slash + 1, end, kb_base, &share->bytes) || !share->bytes || share->bytes % 512 ? -EINVAL
                                                                                                              : 0;
    if (!slash || slash + 1 == end)
        return 0;
    return job_value_real(slash + 1, end, &share->of_percent) || share->of_percent <= 0 || share->of_percent > 100
               ? -EINVAL
               : 0;
}

/* Zones without a size divide what the others leave. */
static bool fill_zones(struct job_shares *s, double used) {
    unsigned open = 0;
    for (unsigned i = 0; i < s->count; i++)
        open += !s->share[i].of_percent;
    for (unsigned i = 0; i < s->count; i++)
        if (!s->share[i].of_percent)
            s->share[i].of_percent = (100 - used) / open;
    return used <= (open ? 99.9999 : 100.0001);
}

/* Append an element to the list; NULL if it is full. */
static struct job_share *shares_grow(struct job_shares *s, unsigned max) {
    if (s->count == max)
        return NULL;
    if (!s->share)
        s->share = calloc(max, sizeof(*s->share));
    return s->share ? &s->share[s->count++] : NULL;
}

static int take_bssplit(struct job *job, unsigned dir, const char *text, const char *end) {
    struct job_shares *s = &job->bssplit[dir];
    unsigned open = 0, used = 0;
    shares_clear(s);
    job->bs[dir] = BS_MAX;
    job->bs_max[dir] = 0;
    for (const char *at = text; at < end;) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *stop = colon ? colon : end;
        struct job_share *share = shares_grow(s, SPLITS_MAX);
        if (!share || parse_split(at, stop, job->kb_base, share))
            return -EINVAL;
        if (share->percent == UINT32_MAX)
            open++;
        else
            used += share->percent;
        job->bs[dir] = share->bytes < job->bs[dir] ? share->bytes : job->bs[dir];
        job->bs_max[dir] = share->bytes > job->bs_max[dir] ? share->bytes : job->bs_max[dir];
        at = colon ? colon + 1 : end;
    }
    return fill_shares(s, open, used);
}

int job_set_bssplit(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    return each_direction(job, value, take_bssplit) ? job_option_bad(o, value, e) : 0;
}

int job_set_rwmixwrite(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    uint64_t percent;
    if (job_value_bytes(value, value + strlen(value), 1024, &percent) || percent > 100)
        return job_option_bad(o, value, e);
    job->rwmixread = 100 - (unsigned)percent;
    return 0;
}

static int take_zones(struct job *job, unsigned dir, const char *text, const char *end) {
    struct job_shares *s = &job->zoned[dir];
    bool absolute = job->random_distribution == JOB_ZONED_ABS;
    unsigned used = 0;
    double size = 0;
    shares_clear(s);
    for (const char *at = text; at < end;) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        struct job_share *share = shares_grow(s, RAND_ZONES_MAX);
        if (!share || parse_zone(at, colon ? colon : end, job->kb_base, absolute, share))
            return -EINVAL;
        used += share->percent;
        size += share->of_percent;
        at = colon ? colon + 1 : end;
    }
    return s->count && used == 100 && (absolute || fill_zones(s, size)) ? 0 : -EINVAL;
}

int job_set_distribution(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    static const struct {
        const char *name;
        int distribution;
        double min, max, def;
    } rows[] = {{"random", JOB_UNIFORM, 0, 0, 0},      {"uniform", JOB_UNIFORM, 0, 0, 0},
                {"zipf", JOB_ZIPF, 0, 100, 1.1},       {"pareto", JOB_PARETO, 1e-6, 0.999999, 0.2},
                {"normal", JOB_NORMAL, 0, 100, 0},     {"zoned", JOB_ZONED, 0, 0, 0},
                {"zoned_abs", JOB_ZONED_ABS, 0, 0, 0}, {0}};
    size_t len = strcspn(value, ":");
    for (unsigned i = 0; rows[i].name; i++) {
        const char *at = value + len + (value[len] == ':');
        if (strlen(rows[i].name) != len || strncmp(value, rows[i].name, len))
            continue;
        job->random_distribution = rows[i].distribution;
        job->center = -1;
        if (rows[i].distribution == JOB_UNIFORM)
            return *at ? job_option_bad(o, value, e) : 0;
        if (rows[i].distribution >= JOB_ZONED)
            return each_direction(job, at, take_zones) ? job_option_bad(o, value, e) : 0;
        size_t first = strcspn(at, ":");
        job->theta = rows[i].def;
        if (!value[len])
            return 0;
        if (job_value_real(at, at + first, &job->theta) || job->theta < rows[i].min || job->theta > rows[i].max)
            return job_option_bad(o, value, e);
        at += first;
        if (*at && (job_value_real(at + 1, at + strlen(at), &job->center) || job->center > 1))
            return job_option_bad(o, value, e);
        return 0;
    }
    return job_option_bad(o, value, e);
}

int job_set_startdelay(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    const int64_t second = 1000000000;
    const char *dash = strchr(value, '-'), *end = value + strlen(value);
    if (job_value_time(value, dash ? dash : end, second, &job->startdelay_ns))
        return job_option_bad(o, value, e);
    job->startdelay_max_ns = job->startdelay_ns;
    if (dash &&
        (job_value_time(dash + 1, end, second, &job->startdelay_max_ns) || job->startdelay_max_ns < job->startdelay_ns))
        return job_option_bad(o, value, e);
    return 0;
}

int job_set_steadystate(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    static const char *const names[] = {NULL, "iops", "iops_slope", "bw", "bw_slope"};
    const char *colon = strchr(value, ':');
    for (int i = JOB_STEADY_IOPS; colon && i <= JOB_STEADY_BW_SLOPE; i++) {
        if (strlen(names[i]) != (size_t)(colon - value) || strncmp(names[i], value, (size_t)(colon - value)))
            continue;
        const char *end = value + strlen(value);
        bool percent = end[-1] == '%';
        uint64_t number;
        job->steadystate = i;
        job->steady_percent = percent;
        if (!job_value_real(colon + 1, end - percent, &job->steady_limit))
            return 0;
        if (!percent && !job_value_bytes(colon + 1, end, job->kb_base, &number)) {
            job->steady_limit = (double)number;
            return 0;
        }
    }
    return job_option_bad(o, value, e);
}

int job_set_verify(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    static const struct {
        const char *name;
        enum job_verify verify;
    } rows[] = {
        {"0", JOB_VERIFY_NONE},          {"md5", JOB_VERIFY_HEADER},
        {"crc64", JOB_VERIFY_HEADER},    {"crc32", JOB_VERIFY_HEADER},
        {"crc32c", JOB_VERIFY_HEADER},   {"crc32c-intel", JOB_VERIFY_HEADER},
        {"crc16", JOB_VERIFY_HEADER},    {"crc7", JOB_VERIFY_HEADER},
        {"sha1", JOB_VERIFY_HEADER},     {"sha256", JOB_VERIFY_HEADER},
        {"sha512", JOB_VERIFY_HEADER},   {"sha3-224", JOB_VERIFY_HEADER},
        {"sha3-256", JOB_VERIFY_HEADER}, {"sha3-384", JOB_VERIFY_HEADER},
        {"sha3-512", JOB_VERIFY_HEADER}, {"xxhash", JOB_VERIFY_HEADER},
        {"meta", JOB_VERIFY_HEADER},     {"pattern", JOB_VERIFY_PATTERN},
        {"null", JOB_VERIFY_NULL},       {0},
    };
    for (unsigned i = 0; rows[i].name; i++)
        if (!strcmp(rows[i].name, value)) {
            job->verify = rows[i].verify;
            snprintf(job->verify_name, sizeof(job->verify_name), "%s", value);
            return 0;
        }
    return job_option_bad(o, value, e);
}

static int hex_digit(char c) {
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static bool pattern_add(struct job *job, unsigned byte) {
    if (job->verify_pattern_bytes == sizeof(job->verify_pattern))
        return false;
    job->verify_pattern[job->verify_pattern_bytes++] = (uint8_t)byte;
    return true;
}

/* Digits after 0x, byte by byte as they stand; an odd one comes first and alone. NULL: too many. */
static const char *pattern_hex(struct job *job, const char *at) {
    size_t digits = strspn(at, "0123456789abcdefABCDEF");
    const char *end = at + digits;
    if (!digits)
        return NULL;
    if (digits % 2 && !pattern_add(job, (unsigned)hex_digit(*at++)))
        return NULL;
    for (; at < end; at += 2)
        if (!pattern_add(job, (unsigned)(hex_digit(at[0]) * 16 + hex_digit(at[1]))))
            return NULL;
    return at;
}

/* A decimal number as its little-endian bytes, without leading zeros. */
static const char *pattern_decimal(struct job *job, const char *at) {
    bool negative = *at == '-';
    char *end;
    errno = 0;
    unsigned long long value = strtoull(at + negative, &end, 10);
    if (errno || end == at + negative || !isdigit((unsigned char)at[negative]) || value > UINT32_MAX)
        return NULL;
    uint32_t bytes = negative ? (uint32_t)-value : (uint32_t)value;
    do {
        if (!pattern_add(job, bytes & 0xff))
            return NULL;
    } while (bytes >>= 8);
    return end;
}

/* One element of a pattern: %o where the offset belongs, text or a number; returns what follows it, or NULL. */
static const char *pattern_element(struct job *job, const char *at) {
    if (at[0] == '%' && at[1] == 'o') {
        if (job->verify_offsets == sizeof(job->verify_pattern_offset))
            return NULL;
        job->verify_pattern_offset[job->verify_offsets++] = (uint8_t)job->verify_pattern_bytes;
        for (int i = 0; i < 8; i++)
            if (!pattern_add(job, 0))
                return NULL;
        return at + 2;
    }
    if (*at == '"') {
        for (at++; *at && *at != '"'; at++)
            if (!pattern_add(job, (unsigned char)*at))
                return NULL;
        return *at ? at + 1 : NULL;
    }
    if (at[0] == '0' && tolower((unsigned char)at[1]) == 'x')
        return pattern_hex(job, at + 2);
    return pattern_decimal(job, at);
}

int job_set_verify_pattern(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    job->verify_pattern_bytes = 0;
    job->verify_offsets = 0;
    for (const char *at = value; *at;) {
        at = pattern_element(job, at);
        if (!at)
            return job_option_bad(o, value, e);
    }
    return job->verify_pattern_bytes ? 0 : job_option_bad(o, value, e);
}

int job_set_sync(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    if (!strcmp(value, "none") || !strcmp(value, "0"))
        job->sync = false;
    else if (!strcmp(value, "sync") || !strcmp(value, "1") || !strcmp(value, "dsync") || !*value)
        job->sync = true;
    else
        return job_option_bad(o, value, e);
    return 0;
}

/* direct and buffered are each other's opposite; of both the last one holds. */
int job_set_direct(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    bool on = !*value || !strcmp(value, "1");
    if (!on && strcmp(value, "0"))
        return job_option_bad(o, value, e);
    job->buffered = strcmp(o->name, "direct") ? on : !on;
    return 0;
}

int job_set_replay_skip(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    static const char *const names[] = {"read", "write", "trim", "sync"};
    memset(job->replay_skip, 0, sizeof(job->replay_skip));
    job->replay_skip_sync = false;
    for (const char *at = value;;) {
        size_t len = strcspn(at, ",");
        unsigned i = 0;
        while (i < 4 && (strlen(names[i]) != len || strncmp(names[i], at, len)))
            i++;
        if (i == 4)
            return job_option_bad(o, value, e);
        if (i < RUN_DIRS)
            job->replay_skip[i] = true;
        else
            job->replay_skip_sync = true;
        if (!at[len])
            return 0;
        at += len + 1;
    }
}

int job_set_continue_on_error(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    const unsigned io = 1u << JOB_FAIL_READ | 1u << JOB_FAIL_WRITE, all = io | 1u << JOB_FAIL_VERIFY;
    const struct {
        const char *name;
        unsigned mask;
    } rows[] = {{"none", 0},
                {"0", 0},
                {"read", 1u << JOB_FAIL_READ},
                {"write", 1u << JOB_FAIL_WRITE},
                {"io", io},
                {"verify", 1u << JOB_FAIL_VERIFY},
                {"all", all},
                {"1", all},
                {"", all}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strcmp(rows[i].name, value)) {
            job->continue_on_error = rows[i].mask;
            return 0;
        }
    return job_option_bad(o, value, e);
}

int job_set_kb_base(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    if (strcmp(value, "1000") && strcmp(value, "1024"))
        return job_option_bad(o, value, e);
    job->kb_base = value[1] == '0' && value[2] == '2' ? 1024 : 1000;
    return 0;
}

/* Only what is so anyway is allowed. */
int job_set_only(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    (void)job;
    if (!strcmp(value, o->allowed))
        return 0;
    return err_set(e, EINVAL, "%s=%.100s: only %s is possible: %s", o->name, value, o->allowed, o->help);
}

int job_set_name(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    if (!*value || strlen(value) >= sizeof(job->name))
        return job_option_bad(o, value, e);
    strcpy(job->name, value);
    return 0;
}

int job_set_log(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    struct job_log *log = (struct job_log *)((char *)job + o->offset);
    if (strlen(value) >= sizeof(log->name))
        return job_option_bad(o, value, e);
    log->given = true;
    strcpy(log->name, value);
    return 0;
}

/* Into its place among the others. */
static void insert(double *list, unsigned count, double value) {
    for (; count && list[count - 1] > value; count--)
        list[count] = list[count - 1];
    list[count] = value;
}

int job_set_percentile_list(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    double list[JOB_PERCENTILES + 1] = {0}, one = 0;
    unsigned n = 0;
    for (const char *at = value;; n++) {
        const char *end = at + strcspn(at, ":");
        if (n == JOB_PERCENTILES || job_value_real(at, end, &one) || one <= 0 || one > 100)
            return job_option_bad(o, value, e);
        insert(list, n, one);
        if (!*end)
            break;
        at = end + 1;
    }
    memcpy(job->percentile, list, sizeof(list));
    return 0;
}

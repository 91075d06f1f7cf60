/*
 * fio job files, see job.h. Source of the syntax: fio(1), "JOB FILE FORMAT"
 * and "PARAMETER TYPES". The parser is small on purpose: one row an option.
 *
 * Simplified: no include files, no environment variables, no arithmetic.
 */
#include "load/job.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB_FILE_MAX (1u << 20)
#define JOBS_MAX     1024

struct rw_row {
    const char *name;
    bool random, read, write, trim;
};

static const struct rw_row rw_rows[] = {
    {"read", false, true, false, false},     {"write", false, false, true, false},
    {"trim", false, false, false, true},     {"randread", true, true, false, false},
    {"randwrite", true, false, true, false}, {"randtrim", true, false, false, true},
    {"rw", false, true, true, false},        {"readwrite", false, true, true, false},
    {"randrw", true, true, true, false},     {0},
};

const char *job_rw_name(const struct job *job) {
    return rw_rows[job->rw].name;
}

/*
 * A number with fio's suffixes at its default kb_base=1024: k, kb, m, ... are
 * powers of 1024 and, the wrong way round but compatible, ki, kib, ... powers of 1000.
 */
static int parse_kb(const char *text, const char *end, uint64_t *out) {
    static const char units[] = "bkmgtp";
    if (text == end || !isdigit((unsigned char)*text))
        return -EINVAL;
    char *unit;
    errno = 0;
    unsigned long long value = strtoull(text, &unit, 0);
    if (errno || unit > end)
        return -ERANGE;
    unsigned power = 0, base = 1024;
    if (unit < end) {
        const char *u = strchr(units, tolower((unsigned char)*unit));
        if (!u || !*u)
            return -EINVAL;
        power = (unsigned)(u - units);
        unit++;
        if (power && unit < end && tolower((unsigned char)*unit) == 'i') {
            base = 1000;
            unit++;
        }
        if (power && unit < end && tolower((unsigned char)*unit) == 'b')
            unit++;
    }
    if (unit != end)
        return -EINVAL;
    for (; power; power--)
        if (__builtin_mul_overflow(value, base, &value))
            return -ERANGE;
    *out = value;
    return 0;
}

static int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    uint64_t value;
    if (parse_kb(text, text + strlen(text), &value) || value < min || value > max)
        return -EINVAL;
    *out = value;
    return 0;
}

static int set_rw(struct job *job, const char *value, struct err *e) {
    for (int i = 0; rw_rows[i].name; i++)
        if (!strcmp(value, rw_rows[i].name)) {
            job->rw = i;
            return 0;
        }
    char names[160] = "";
    for (int i = 0; rw_rows[i].name; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ", " : "", rw_rows[i].name);
    return err_set(e, EINVAL, "rw=%s is not supported; allowed: %s", value, names);
}

/* "4k" for all directions, or "read,write,trim"; a missing later one repeats the one before. */
static int set_bs(struct job *job, const char *value, struct err *e) {
    const char *at = value;
    uint64_t bs = 0;
    for (int d = 0; d < RUN_DIRS; d++) {
        if (at) {
            const char *comma = strchr(at, ',');
            const char *end = comma ? comma : at + strlen(at);
            if (parse_kb(at, end, &bs) || bs < 512 || bs > 64 << 20 || bs % 512)
                return err_set(e, EINVAL, "bs=%s: block sizes are multiples of 512 from 512 to 64m", value);
            at = comma ? comma + 1 : NULL;
        }
        job->bs[d] = bs;
    }
    return at ? err_set(e, EINVAL, "bs=%s: at most three values (read,write,trim)", value) : 0;
}

static int set_unsigned(unsigned *field, const char *key, const char *value, unsigned min, unsigned max,
                        struct err *e) {
    uint64_t number;
    if (parse_number(value, min, max, &number))
        return err_set(e, EINVAL, "%s=%s: a number from %u to %u", key, value, min, max);
    *field = (unsigned)number;
    return 0;
}

static int set_iodepth(struct job *job, const char *value, struct err *e) {
    return set_unsigned(&job->iodepth, "iodepth", value, 1, 65536, e);
}

static int set_numjobs(struct job *job, const char *value, struct err *e) {
    return set_unsigned(&job->numjobs, "numjobs", value, 1, JOBS_MAX, e);
}

static int set_rwmixread(struct job *job, const char *value, struct err *e) {
    return set_unsigned(&job->rwmixread, "rwmixread", value, 0, 100, e);
}

static int set_rwmixwrite(struct job *job, const char *value, struct err *e) {
    if (set_unsigned(&job->rwmixread, "rwmixwrite", value, 0, 100, e))
        return -EINVAL;
    job->rwmixread = 100 - job->rwmixread;
    return 0;
}

static int set_extent(struct job_extent *extent, const char *key, const char *value, unsigned min_percent,
                      struct err *e) {
    size_t len = strlen(value);
    uint64_t number;
    if (len && value[len - 1] == '%') {
        if (parse_kb(value, value + len - 1, &number) || number < min_percent || number > 100)
            return err_set(e, EINVAL, "%s=%s: a percentage from %u%% to 100%%", key, value, min_percent);
        *extent = (struct job_extent){.percent = (unsigned)number};
        return 0;
    }
    if (parse_number(value, 0, UINT64_MAX, &number))
        return err_set(e, EINVAL, "%s=%s: a size such as 4096, 512k, 10m, 2g, or a percentage of the drive", key,
                       value);
    *extent = (struct job_extent){.bytes = number};
    return 0;
}

static int set_size(struct job *job, const char *value, struct err *e) {
    return set_extent(&job->size, "size", value, 1, e);
}

static int set_offset(struct job *job, const char *value, struct err *e) {
    return set_extent(&job->offset, "offset", value, 0, e);
}

/* fio's time: seconds unless a unit follows. */
static int set_runtime(struct job *job, const char *value, struct err *e) {
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"", 1e9},   {"s", 1e9},    {"sec", 1e9}, {"ms", 1e6},   {"msec", 1e6},
                 {"us", 1e3}, {"usec", 1e3}, {"m", 60e9},  {"h", 3600e9}, {"d", 86400e9}};
    char *unit;
    double number = strtod(value, &unit);
    for (unsigned i = 0; unit != value && i < sizeof(units) / sizeof(units[0]); i++)
        if (!strcmp(unit, units[i].unit) && number >= 0 && number * units[i].ns <= 1e18) {
            job->runtime_ns = (int64_t)(number * units[i].ns);
            return 0;
        }
    return err_set(e, EINVAL, "runtime=%s: a time such as 30, 30s, 500ms, 5m, 1h", value);
}

static int set_flag(bool *field, const char *key, const char *value, struct err *e) {
    if (!*value || !strcmp(value, "1"))
        *field = true;
    else if (!strcmp(value, "0"))
        *field = false;
    else
        return err_set(e, EINVAL, "%s=%s: 0 or 1", key, value);
    return 0;
}

static int set_time_based(struct job *job, const char *value, struct err *e) {
    return set_flag(&job->time_based, "time_based", value, e);
}

static int set_norandommap(struct job *job, const char *value, struct err *e) {
    return set_flag(&job->norandommap, "norandommap", value, e);
}

static int set_group_reporting(struct job *job, const char *value, struct err *e) {
    return set_flag(&job->group_reporting, "group_reporting", value, e);
}

static int set_number_ios(struct job *job, const char *value, struct err *e) {
    if (parse_number(value, 1, UINT64_MAX, &job->number_ios))
        return err_set(e, EINVAL, "number_ios=%s: a number from 1", value);
    return 0;
}

static int set_randseed(struct job *job, const char *value, struct err *e) {
    if (parse_number(value, 0, UINT64_MAX, &job->randseed))
        return err_set(e, EINVAL, "randseed=%s: a number", value);
    return 0;
}

static const struct job_option {
    const char *name;
    int (*set)(struct job *, const char *value, struct err *); /* NULL: accepted, has no meaning here */
} job_options[] = {
    {"rw", set_rw},
    {"readwrite", set_rw},
    {"bs", set_bs},
    {"blocksize", set_bs},
    {"iodepth", set_iodepth},
    {"numjobs", set_numjobs},
    {"size", set_size},
    {"offset", set_offset},
    {"runtime", set_runtime},
    {"time_based", set_time_based},
    {"number_ios", set_number_ios},
    {"rwmixread", set_rwmixread},
    {"rwmixwrite", set_rwmixwrite},
    {"norandommap", set_norandommap},
    {"randseed", set_randseed},
    {"group_reporting", set_group_reporting},
    {"ioengine", NULL},
    {"direct", NULL},
    {"filename", NULL},
    {"thread", NULL},
    {0},
};

static void note(struct job_file *jobs, const char *name) {
    char quoted[40];
    snprintf(quoted, sizeof(quoted), "%s ", name);
    size_t used = strlen(jobs->notes);
    if (!strstr(jobs->notes, quoted) && used + strlen(quoted) < sizeof(jobs->notes))
        strcpy(jobs->notes + used, quoted);
}

static int set_option(struct job_file *jobs, struct job *job, const char *name, const char *value, struct err *e) {
    for (const struct job_option *o = job_options; o->name; o++) {
        if (strcmp(o->name, name))
            continue;
        if (o->set)
            return o->set(job, value, e);
        note(jobs, name);
        return 0;
    }
    char names[400] = "";
    for (const struct job_option *o = job_options; o->name; o++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", o == job_options ? "" : ", ", o->name);
    return err_set(e, EINVAL, "option \"%s\" is not supported; supported: %s", name, names);
}

static void job_defaults(struct job *job) {
    *job = (struct job){.bs = {4096, 4096, 4096}, .iodepth = 1, .numjobs = 1, .rwmixread = 50};
}

/* What the parser carries from line to line. */
struct parser {
    struct job_file *jobs;
    struct job global;
    struct job *current; /* section being filled; NULL before the first */
};

static int open_section(struct parser *p, char *line, struct err *e) {
    char *close = strchr(line, ']');
    if (!close || close == line + 1)
        return err_set(e, EINVAL, "section header is not of the form [name]");
    *close = 0;
    if (!strcmp(line + 1, "global")) {
        p->current = &p->global;
        return 0;
    }
    if (p->jobs->count == JOBS_MAX)
        return err_set(e, EINVAL, "more than %d jobs", JOBS_MAX);
    struct job *grown = realloc(p->jobs->job, (p->jobs->count + 1) * sizeof(*grown));
    if (!grown)
        return err_set(e, ENOMEM, "no memory for another job");
    p->jobs->job = grown;
    p->current = &grown[p->jobs->count++];
    *p->current = p->global;
    snprintf(p->current->name, sizeof(p->current->name), "%s", line + 1);
    return 0;
}

static char *trim(char *text) {
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = 0;
    return text;
}

static int parse_line(struct parser *p, char *line, struct err *e) {
    line = trim(line);
    if (!*line || *line == '#' || *line == ';')
        return 0;
    if (*line == '[')
        return open_section(p, line, e);
    if (!p->current)
        return err_set(e, EINVAL, "option before the first [section]");
    char *value = strchr(line, '=');
    if (value)
        *value++ = 0;
    return set_option(p->jobs, p->current, trim(line), value ? trim(value) : "", e);
}

/* What rw and the other options mean together. */
static int finish_job(struct job *job, struct err *e) {
    const struct rw_row *rw = &rw_rows[job->rw];
    job->random = rw->random;
    job->trim = rw->trim;
    job->read_percent = rw->read && rw->write ? job->rwmixread : rw->read ? 100 : 0;
    if (job->time_based && !job->runtime_ns)
        return err_set(e, EINVAL, "job \"%s\": time_based needs a runtime", job->name);
    if (rw->read && rw->write && job->bs[RUN_READ] != job->bs[RUN_WRITE] && job->random && !job->norandommap)
        return err_set(e, EINVAL, "job \"%s\": different block sizes for reads and writes need norandommap", job->name);
    return 0;
}

int job_file_parse(struct job_file *jobs, const char *name, const char *text, unsigned long len, struct err *e) {
    *jobs = (struct job_file){0};
    struct parser p = {.jobs = jobs};
    job_defaults(&p.global);
    char line[1024];
    unsigned number = 0;
    for (unsigned long at = 0; at < len;) {
        const char *newline = memchr(text + at, '\n', len - at);
        unsigned long n = newline ? (unsigned long)(newline - text) - at : len - at;
        number++;
        if (n >= sizeof(line))
            return err_set(e, EINVAL, "%s:%u: line is longer than %zu characters", name, number, sizeof(line) - 1);
        memcpy(line, text + at, n);
        line[n] = 0;
        if (strlen(line) != n)
            return err_set(e, EINVAL, "%s:%u: NUL byte in the line", name, number);
        if (parse_line(&p, line, e))
            return err_prefix(e, "%s:%u: ", name, number);
        at += n + 1;
    }
    if (!jobs->count)
        return err_set(e, EINVAL, "%s: no job section; a job file needs at least [name]", name);
    for (unsigned i = 0; i < jobs->count; i++)
        if (finish_job(&jobs->job[i], e))
            return err_prefix(e, "%s: ", name);
    return 0;
}

int job_file_read(struct job_file *jobs, const char *path, struct err *e) {
    *jobs = (struct job_file){0};
    FILE *file = fopen(path, "r");
    if (!file)
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    char *text = malloc(JOB_FILE_MAX + 1);
    size_t len = text ? fread(text, 1, JOB_FILE_MAX + 1, file) : 0;
    int ret;
    if (!text)
        ret = err_set(e, ENOMEM, "%s: no memory", path);
    else if (ferror(file))
        ret = err_set(e, EIO, "%s: cannot be read (is it a directory?)", path);
    else if (len > JOB_FILE_MAX)
        ret = err_set(e, EFBIG, "%s: larger than %u bytes; not a job file", path, JOB_FILE_MAX);
    else
        ret = job_file_parse(jobs, path, text, len, e);
    free(text);
    fclose(file);
    return ret;
}

void job_file_release(struct job_file *jobs) {
    free(jobs->job);
    *jobs = (struct job_file){0};
}

static uint64_t extent_bytes(const struct job_extent *extent, uint64_t capacity) {
    return extent->percent ? (uint64_t)((unsigned __int128)capacity * extent->percent / 100) : extent->bytes;
}

int job_resolve(struct job *job, uint64_t capacity, struct err *e) {
    uint64_t largest = 0;
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->bs[d] > largest)
            largest = job->bs[d];
    /* fio aligns a percentage to the block size; so do plain offsets that the drive could not address otherwise. */
    uint64_t offset = extent_bytes(&job->offset, capacity);
    if (job->offset.percent)
        offset -= offset % largest;
    if (offset % 512)
        return err_set(e, EINVAL, "job \"%s\": offset %llu is not a multiple of 512", job->name,
                       (unsigned long long)offset);
    if (offset >= capacity)
        return err_set(e, EINVAL, "job \"%s\": offset %llu is beyond the drive's %llu bytes", job->name,
                       (unsigned long long)offset, (unsigned long long)capacity);
    uint64_t size = extent_bytes(&job->size, capacity);
    if (!size)
        size = capacity - offset;
    if (size > capacity - offset && job->size.percent)
        size = capacity - offset;
    if (size > capacity - offset)
        return err_set(e, EINVAL, "job \"%s\": offset %llu + size %llu is beyond the drive's %llu bytes", job->name,
                       (unsigned long long)offset, (unsigned long long)size, (unsigned long long)capacity);
    if (size < largest)
        return err_set(e, EINVAL, "job \"%s\": size %llu is smaller than one block of %llu bytes", job->name,
                       (unsigned long long)size, (unsigned long long)largest);
    job->offset = (struct job_extent){.bytes = offset};
    job->size = (struct job_extent){.bytes = size};
    return 0;
}

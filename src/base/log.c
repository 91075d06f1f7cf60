/*
 * The log: one line an entry to stderr, written in one call so that lines of
 * several threads never mix.
 *
 * Threads: the levels are relaxed atomics, set at start or over a control
 * interface while others read them. A struct log_limit belongs to one thread.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES      1536
#define LIMIT_BURST     20
#define LIMIT_REFILL_NS 100000000LL /* ten lines a second */

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};
#define LEVELS (sizeof level_names / sizeof *level_names)

static const char *const category_names[LOG_CATEGORIES] = {
    [LOG_MAIN] = "main", [LOG_STORE] = "store", [LOG_NAND] = "nand", [LOG_DRIVE] = "drive",
    [LOG_NVME] = "nvme", [LOG_TCP] = "tcp",     [LOG_HOST] = "host",
};

static _Atomic int levels[LOG_CATEGORIES] = {
    LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_LEVEL_INFO,
};

static int find_name(const char *const *names, size_t count, const char *word, size_t len) {
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == len && !memcmp(names[i], word, len))
            return (int)i;
    return -1;
}

/* One word of a specification: "LEVEL" (all categories) or "CATEGORY=LEVEL". */
static int set_word(int *wanted, const char *word, size_t len, struct err *e) {
    const char *equals = memchr(word, '=', len);
    const char *level_word = equals ? equals + 1 : word;
    size_t level_len = (size_t)(word + len - level_word);
    int level = find_name(level_names, LEVELS, level_word, level_len);
    if (level < 0)
        return err_set(e, EINVAL, "log: \"%.*s\" is not a level: error, warn, info, debug", (int)level_len, level_word);
    if (!equals) {
        for (int c = 0; c < LOG_CATEGORIES; c++)
            wanted[c] = level;
        return 0;
    }
    int cat = find_name(category_names, LOG_CATEGORIES, word, (size_t)(equals - word));
    if (cat < 0)
        return err_set(e, EINVAL, "log: \"%.*s\" is not a category: main, store, nand, drive, nvme, tcp, host",
                       (int)(equals - word), word);
    wanted[cat] = level;
    return 0;
}

int log_set_levels(const char *spec, struct err *e) {
    int wanted[LOG_CATEGORIES];
    for (int c = 0; c < LOG_CATEGORIES; c++)
        wanted[c] = atomic_load_explicit(&levels[c], memory_order_relaxed);
    for (const char *p = spec;; p++) {
        size_t len = strcspn(p, ",");
        int rc = set_word(wanted, p, len, e);
        if (rc)
            return rc;
        p += len;
        if (!*p)
            break;
    }
    for (int c = 0; c < LOG_CATEGORIES; c++)
        atomic_store_explicit(&levels[c], wanted[c], memory_order_relaxed);
    return 0;
}

const char *log_category_name(enum log_category cat) {
    return category_names[cat];
}

const char *log_level_name(enum log_category cat) {
    return level_names[atomic_load_explicit(&levels[cat], memory_order_relaxed)];
}

int log_enabled(enum log_category cat, enum log_level level) {
    return (int)level <= atomic_load_explicit(&levels[cat], memory_order_relaxed);
}

/* Bytes from a remote host may be in a message: nothing but printable characters reaches the terminal. */
static void make_printable(char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

__attribute__((format(printf, 4, 0))) static void
print_line(enum log_category cat, enum log_level level, unsigned long long suppressed, const char *fmt, va_list ap) {
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "drivelab: %s %s: ", category_names[cat], level_names[level]);
    int m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    size_t len = m < 0 ? (size_t)n : (size_t)n + (size_t)m;
    if (len > sizeof line - 64) /* keep room for the note and the newline */
        len = sizeof line - 64;
    if (suppressed)
        len += (size_t)snprintf(line + len, sizeof line - len, " (%llu alike left out)", suppressed);
    make_printable(line, len);
    line[len++] = '\n';
    int keep = errno;
    if (write(STDERR_FILENO, line, len) < 0)
        errno = keep; /* nowhere left to say so */
}

void log_print(enum log_category cat, enum log_level level, const char *fmt, ...) {
    if (!log_enabled(cat, level))
        return;
    va_list ap;
    va_start(ap, fmt);
    print_line(cat, level, 0, fmt, ap);
    va_end(ap);
}

static int take_token(struct log_limit *limit) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    long long now = ts.tv_sec * 1000000000LL + ts.tv_nsec;
    if (!limit->refill_ns) {
        limit->tokens = LIMIT_BURST;
        limit->refill_ns = now;
    }
    long long fresh = (now - limit->refill_ns) / LIMIT_REFILL_NS;
    if (fresh > 0) {
        limit->refill_ns += fresh * LIMIT_REFILL_NS;
        limit->tokens = fresh >= LIMIT_BURST - (long long)limit->tokens ? LIMIT_BURST : limit->tokens + (unsigned)fresh;
    }
    if (!limit->tokens)
        return 0;
    limit->tokens--;
    return 1;
}

void log_limited(struct log_limit *limit, enum log_category cat, enum log_level level, const char *fmt, ...) {
    if (!log_enabled(cat, level))
        return;
    if (!take_token(limit)) {
        limit->suppressed++;
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    print_line(cat, level, limit->suppressed, fmt, ap);
    va_end(ap);
    limit->suppressed = 0;
}

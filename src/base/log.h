/*
 * The log: stderr, one line an entry, levels and categories from one table.
 *
 * Messages that a remote host can cause go through log_limited(), which lets
 * a burst through and then counts what it suppressed.
 */
#ifndef DRIVELAB_BASE_LOG_H
#define DRIVELAB_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_category { LOG_MAIN, LOG_STORE, LOG_NAND, LOG_DRIVE, LOG_NVME, LOG_TCP, LOG_HOST, LOG_CATEGORIES };

/*
 * Set levels from text such as "info" or "warn,tcp=debug,nvme=info". Returns 0
 * or -EINVAL with `e` naming the word and the valid ones.
 */
int log_set_levels(const char *spec, struct err *e);

/* True if a message of this level and category would be printed. Thread-safe. */
int log_enabled(enum log_category cat, enum log_level level);

/* Names of a category, and of the level it logs at now. */
const char *log_category_name(enum log_category cat);
const char *log_level_name(enum log_category cat);

/* Print one line. Thread-safe; no newline in `fmt`. */
void log_print(enum log_category cat, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Token bucket of one message source: `burst` lines, then ten a second. Zero-initialise. */
struct log_limit {
    long long refill_ns;
    unsigned tokens;
    unsigned long long suppressed;
};

/* As log_print(), for messages a host can cause; says how many were left out. */
void log_limited(struct log_limit *limit, enum log_category cat, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_error(cat, ...) log_print(cat, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(cat, ...)  log_print(cat, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(cat, ...)  log_print(cat, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(cat, ...)                                                                                            \
    do {                                                                                                               \
        if (log_enabled(cat, LOG_LEVEL_DEBUG))                                                                         \
            log_print(cat, LOG_LEVEL_DEBUG, __VA_ARGS__);                                                              \
    } while (0)

#endif

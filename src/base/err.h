/*
 * Setup and parsing errors: one sentence a person can act on.
 *
 * Used by everything that reads configuration, files or command lines. The
 * data path does not use it: internal calls return 0 or -errno there, NVMe
 * handlers return a struct nvme_status.
 */
#ifndef DRIVELAB_BASE_ERR_H
#define DRIVELAB_BASE_ERR_H

#define ERR_TEXT_MAX 2048

/* Owned by the caller, usually on its stack; zero-initialise before use. */
struct err {
    int code;                /* negative errno of the last err_set(), 0 = none */
    char text[ERR_TEXT_MAX]; /* what went wrong, where, and what is allowed */
};

/*
 * Fill `e` (may be NULL) with a printf-style sentence and return -code, so
 * that `return err_set(e, EINVAL, "...")` reads naturally. `code` is a positive
 * errno. Text that does not fit is cut.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Put a printf-style prefix ("FILE:12: ") before the text already in `e`; for callers who
 * know the file or the line. Returns e->code, or 0 if `e` is NULL.
 */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* Filling struct err; the contract is in err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...) {
    if (!e)
        return -code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    e->code = -code;
    return -code;
}

int err_prefix(struct err *e, const char *fmt, ...) {
    if (!e)
        return 0;
    char old[ERR_TEXT_MAX];
    memcpy(old, e->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof e->text ? (size_t)n : sizeof e->text - 1;
    /* strnlen: `old` is terminated by contract, the copy is cut where the buffer ends */
    size_t room = sizeof e->text - 1 - used, len = strnlen(old, sizeof old - 1);
    memcpy(e->text + used, old, len < room ? len : room);
    e->text[used + (len < room ? len : room)] = '\0';
    return e->code;
}

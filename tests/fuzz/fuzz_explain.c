/*
 * Logs to be explained: any bytes, as lines and as values. What is found has
 * to be tellable: as text, and as JSON.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag/explain.h"
#include "fuzz.h"

static void tell(const struct explanation *x) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fuzz_require(x->count <= EXPLAIN_READINGS);
    for (unsigned i = 0; i < x->count; i++)
        fuzz_require(x->reading[i].status <= 0x7fff && !x->reading[i].row == !x->reading[i].about);
    explain_print(out, x);
    fclose(out);
    fuzz_require(size > 0 && text[size - 1] == '\n');
    free(text);
    json_t *json = explain_json(x);
    fuzz_require(json != NULL);
    json_decref(json);
}

static void line(struct explain_log *log, const struct explain_hint *hint, const char *at, size_t len) {
    struct explanation x;
    struct err e = {0};
    fuzz_require(explain_log_line(log, at, len) == 0);
    if (explain_line(at, len, hint, &x))
        tell(&x);
    char *copy = strndup(at, len);
    int rc = explain_value(copy, hint, &x, &e);
    fuzz_require((rc == 0) == (e.text[0] == '\0'));
    if (rc == 0)
        tell(&x);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
    const char *at = (const char *)data, *end = at + size;
    if (size) { /* the first byte says what is known */
        hint.raw = data[0] & 1;
        hint.asked = data[0] & 2;
        hint.kind = (data[0] >> 2 & 7) < NVME_OPCODE_KINDS ? data[0] >> 2 & 7 : -1;
        at++;
    }
    struct explain_log *log = explain_log_new(&hint);
    while (log && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        line(log, &hint, at, len);
        at += len + (newline != NULL);
    }
    explain_log_free(log);
    return 0;
}

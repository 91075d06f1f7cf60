/*
 * Logs with reports of a kernel: any bytes, in pieces of any size. Each report
 * has to keep its promises and to be tellable, as text and as JSON.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/log/reader.h"
#include "diag/oops/verdict/verdict.h"
#include "fuzz.h"

static void check_report(const struct oops_report *r) {
    fuzz_require(r->line_count > 0 && r->line_count <= OOPS_LINES_MAX);
    fuzz_require(r->fault_state < (int)r->state_count && r->main_trace < (int)r->trace_count);
    fuzz_require(r->first_line <= r->last_line);
    for (unsigned i = 0; i < r->state_count; i++) {
        const struct oops_state *s = &r->states[i];
        fuzz_require(s->reg_count <= OOPS_REGS_MAX && s->code_len <= OOPS_CODE_MAX && s->code_trap < (int)s->code_len);
    }
    for (unsigned t = 0; t < r->trace_count; t++)
        for (unsigned f = 0; f < r->traces[t].count; f++)
            fuzz_require(r->traces[t].frames[f].state < (int)r->state_count && r->traces[t].frames[f].sym.name);
    fuzz_require(!strchr(r->title, '\n'));
}

static void take(void *ctx, struct oops_report *r) {
    struct oops_verdict v;
    char *text = NULL;
    size_t size = 0;
    check_report(r);
    oops_verdict_text(r, &v);
    FILE *out = open_memstream(&text, &size);
    oops_print(out, r, &v, &(struct oops_print){.columns = 80, .all = *(const bool *)ctx});
    fclose(out);
    fuzz_require(size > 0 && text[size - 1] == '\n');
    free(text);
    json_t *json = oops_json(r, &v);
    fuzz_require(json_is_object(json) && json_is_string(json_object_get(json, "title")));
    json_decref(json);
    oops_report_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t piece = size ? 1 + data[0] % 64 * 16 : 1; /* the first byte says in how large pieces it comes */
    bool all = size && data[0] & 64;
    struct oops_reader *reader = oops_reader_new(take, &all);
    int rc = reader ? 0 : -1;
    for (size_t at = 1; at < size && !rc; at += piece)
        rc = oops_reader_feed(reader, (const char *)data + at, piece < size - at ? piece : size - at);
    if (!rc)
        oops_reader_end(reader);
    oops_reader_free(reader);
    return 0;
}

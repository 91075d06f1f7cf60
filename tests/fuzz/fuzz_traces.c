/*
 * Traces: any bytes as a file, packed or plain. The first byte names a format,
 * or leaves it to be found. Times never fall; what is refused says why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "load/trace/trace.h"

#define RECORDS_MAX 10000
#define FORMATS     11

static void read_all(struct trace *t) {
    struct trace_record r;
    struct err e = {0};
    int64_t last = 0;
    int got = 1;
    for (unsigned n = 0; n < RECORDS_MAX && (got = trace_next(t, &r, &e)) == 1; n++) {
        fuzz_require(r.at_ns >= last && r.op < TRACE_OPS);
        fuzz_require(r.op != TRACE_FLUSH || (!r.offset && !r.bytes));
        last = r.at_ns;
    }
    fuzz_require((got < 0) == (e.text[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct err e = {0};
    if (!size)
        return 0;
    int fd = memfd_create("trace", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct trace_format_doc *named = data[0] ? trace_format_row((data[0] - 1) % FORMATS) : NULL;
    const struct trace_config config = {
        .path = path, .format = named ? named->name : NULL, .bad_lines = data[0] / FORMATS};
    struct trace *t = trace_open(&config, &e);
    fuzz_require(!t == (e.text[0] != '\0'));
    if (t)
        read_all(t);
    trace_close(t);
    close(fd);
    return 0;
}

/*
 * How fast a log is read: one without any report, and one that is nothing but
 * reports. Bytes per second of processor time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "diag/oops/log/reader.h"

#define LOG_BYTES (64u << 20)
#define ROUNDS    4

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void count(void *ctx, struct oops_report *report) {
    ++*(unsigned *)ctx;
    oops_report_free(report);
}

static void measure(const char *what, const char *log, size_t len) {
    unsigned reports = 0;
    double start = seconds();
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct oops_reader *reader = oops_reader_new(count, &reports);
        if (!reader || oops_reader_feed(reader, log, len) || oops_reader_end(reader))
            fprintf(stderr, "bench_oops: no memory\n");
        oops_reader_free(reader);
    }
    double spent = seconds() - start;
    printf("%-16s %s, %u reports\n", what, text_rate((double)len * ROUNDS / spent).s, reports);
}

/* Lines such as a kernel logs all day. */
static size_t fill_quiet(char *log) {
    static const char *const lines[] = {
        "usb 1-1: new high-speed USB device number %u using xhci_hcd",
        "EXT4-fs (sda%u): mounted filesystem with ordered data mode. Quota mode: none.",
        "nvme nvme0: %u/0/0 default/read/poll queues",
        "audit: type=1400 audit(1681.%u:67): apparmor=\"STATUS\" operation=\"profile_load\" comm=\"apparmor_parser\"",
        "docker0: port 1(veth%u) entered blocking state",
        "e1000 0000:02:01.0 ens33: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: None %u",
    };
    size_t at = 0;
    for (unsigned i = 0; at < LOG_BYTES - 256; i++) {
        at += (size_t)sprintf(log + at, "[%5u.%06u] ", i / 1000, i % 1000 * 1000);
        at += (size_t)sprintf(log + at, lines[i % 6], i);
        log[at++] = '\n';
    }
    return at;
}

static size_t fill_reports(char *log) {
    size_t at = 0;
    for (unsigned i = 0; at < LOG_BYTES / 16 - 4096; i++) {
        at += (size_t)sprintf(log + at,
                              "[%5u.000000] BUG: kernel NULL pointer dereference, address: %016x\n"
                              "[%5u.000000] Oops: 0000 [#1] SMP\n"
                              "[%5u.000000] CPU: 1 PID: %u Comm: x Not tainted 6.1.0 #1\n"
                              "[%5u.000000] RIP: 0010:f%u+0x10/0x20\n",
                              i, i, i, i, i, i, i);
        for (unsigned r = 8; r < 16; r++)
            at += (size_t)sprintf(log + at, "[%5u.000000] R%02u: %016x RAX: %016x\n", i, r, i, r);
        at += (size_t)sprintf(log + at, "[%5u.000000] Call Trace:\n", i);
        for (unsigned f = 0; f < 20; f++)
            at += (size_t)sprintf(log + at, "[%5u.000000]  function_number_%u+0x%x/0x100\n", i, f, f);
        at += (size_t)sprintf(log + at, "[%5u.000000] ---[ end trace 0000000000000000 ]---\n", i);
    }
    return at;
}

int main(void) {
    char *log = malloc(LOG_BYTES);
    if (!log)
        return 1;
    size_t len = fill_quiet(log);
    measure("no report", log, len);
    len = fill_reports(log);
    measure("reports alone", log, len);
    free(log);
    return 0;
}

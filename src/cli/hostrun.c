/*
 * A session of the own host, see hostrun.h.
 */
#include "cli/hostrun.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define DEFAULT_HOSTNQN "nqn.2014-08.org.nvmexpress:uuid:64726976-656c-6162-8000-000000000001"
#define KATO_MS         30000

int hostrun_open(struct hostrun *h, const struct hostrun_target *target, uint16_t entries, struct err *e) {
    struct sim_config sim = {.mode = SIM_WALL, .spin = target->spin};
    struct host_config config = {
        .address = target->address,
        .subnqn = target->subnqn,
        .hostnqn = target->hostnqn ? target->hostnqn : DEFAULT_HOSTNQN,
        .entries = entries < 2 ? 2 : entries,
        .kato_ms = KATO_MS,
        .header_digest = target->header_digest,
        .data_digest = target->data_digest,
    };
    memset(h, 0, sizeof(*h));
    if (!config.subnqn)
        return err_set(e, EINVAL, "--nqn NQN, the subsystem to connect to, is missing");
    h->nsid = target->nsid;
    h->timeout_ns = target->timeout_ns;
    h->sim = sim_new(&sim, e);
    if (!h->sim)
        return -EIO;
    int ret = host_ctrl_connect(&h->ctrl, &config, h->sim, e);
    if (!ret && host_ctrl_set_queues(&h->ctrl, 1, e) < 1)
        ret = e->code ? e->code : -EIO;
    if (!ret)
        ret = host_ctrl_namespace(&h->ctrl, h->nsid, &h->blocks, &h->block_bytes, e);
    if (!ret)
        h->queue = host_ctrl_open_queue(&h->ctrl, 1, e);
    if (ret || !h->queue) {
        hostrun_close(h);
        return e->code ? e->code : -EIO;
    }
    return 0;
}

void hostrun_close(struct hostrun *h) {
    host_queue_close(h->queue);
    host_ctrl_disconnect(&h->ctrl);
    sim_free(h->sim);
    h->queue = NULL;
    h->sim = NULL;
}

static void show_progress(void *arg, uint64_t ios, uint64_t bytes, int64_t elapsed_ns) {
    double seconds = (double)elapsed_ns / 1e9;
    fprintf(stderr, "\r  %-32s %9s IOPS  %10s  %5.1f s ", (const char *)arg, text_count((double)ios / seconds).s,
            text_rate((double)bytes / seconds).s, seconds);
}

static void print_direction(const char *name, const struct workload_result *r, int dir) {
    double seconds = (double)r->elapsed_ns / 1e9;
    const struct hist *h = &r->latency[dir];
    printf("  %-32s %-5s %8s %10s %9s %9s %9s %9s\n", name, dir ? "write" : "read",
           text_count((double)r->ios[dir] / seconds).s, text_rate((double)r->bytes[dir] / seconds).s,
           text_time((int64_t)hist_quantile(h, 0.5)).s, text_time((int64_t)hist_quantile(h, 0.99)).s,
           text_time((int64_t)hist_quantile(h, 0.999)).s, text_time((int64_t)h->max).s);
}

static void print_result(struct hostrun *h, const char *name, const struct workload_result *r) {
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%79s\r", "");
    if (!h->headline)
        printf("  %-32s %-5s %8s %10s %9s %9s %9s %9s\n", "phase", "", "IOPS", "bandwidth", "p50", "p99", "p99.9",
               "max");
    h->headline = true;
    for (int dir = 0; dir < 2; dir++)
        if (r->ios[dir])
            print_direction(name, r, dir);
    fflush(stdout);
}

int hostrun_phase(struct hostrun *h, const char *name, const struct workload *workload, struct err *e) {
    struct workload_result *result = calloc(1, sizeof(*result));
    struct workload w = *workload;
    w.timeout_ns = h->timeout_ns;
    if (!result)
        return err_set(e, ENOMEM, "no memory");
    if (isatty(STDERR_FILENO)) {
        w.progress = show_progress;
        w.progress_arg = (void *)(uintptr_t)name;
    }
    int ret = workload_run(&h->ctrl, h->queue, h->nsid, &w, result, e);
    if (!ret) {
        print_result(h, name, result);
        h->verified += result->verified;
        h->mismatches += result->mismatches;
        h->failed += result->failed;
        if (!h->problem[0])
            memcpy(h->problem, result->first_problem, sizeof(h->problem));
        if (result->stalled) /* no use in waiting for it to shut down */
            host_queue_abort(h->ctrl.admin, -ETIMEDOUT);
    }
    free(result);
    return ret;
}

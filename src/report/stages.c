/* Where the time of requests went; see stages.h. */
#include "report/stages.h"

#include <jansson.h>
#include <math.h>

static const char *const stage_names[IO_STAGES] = {
    [IO_STAGE_BUFFER_WAIT] = "buffer_wait",
    [IO_STAGE_DIE_WAIT] = "die_wait",
    [IO_STAGE_ARRAY] = "array",
    [IO_STAGE_CHANNEL] = "channel",
    [IO_STAGE_FLASH] = "flash",
    [IO_STAGE_CACHE] = "cache",
    [IO_STAGE_CHANNEL_WAIT] = "channel_wait",
    [IO_STAGE_LINK_WAIT] = "link_wait",
    [IO_STAGE_LINK] = "link",
    [IO_STAGE_FIRMWARE] = "firmware",
    [IO_STAGE_SCHEDULER] = "scheduler_wait",
    [IO_STAGE_QUEUE_WAIT] = "queue_wait",
    [IO_STAGE_ARM_WAIT] = "arm_wait",
    [IO_STAGE_SEEK] = "seek",
    [IO_STAGE_ROTATION] = "rotation",
    [IO_STAGE_TRANSFER] = "transfer",
    [IO_STAGE_WRITE_BACK] = "write_back",
};

void stages_add(struct stages *s, int64_t latency_ns, const struct io_stages *stages) {
    struct stage_sums *b = &s->bucket[coarse_bucket(latency_ns)];
    b->count++;
    b->latency += (double)latency_ns;
    for (unsigned i = 0; i < IO_STAGES; i++)
        b->ns[i] += (double)stages->ns[i];
}

static void add(struct stage_sums *into, const struct stage_sums *from) {
    into->count += from->count;
    into->latency += from->latency;
    for (unsigned i = 0; i < IO_STAGES; i++)
        into->ns[i] += from->ns[i];
}

static json_t *tenths(double ns) {
    return json_real(round(ns * 10) / 10);
}

static json_t *sums_json(const struct stage_sums *s, int64_t from_ns) {
    json_t *stages = json_object();
    double rest = s->latency, n = (double)s->count;
    for (unsigned i = 0; i < IO_STAGES; i++) {
        rest -= s->ns[i];
        if (s->ns[i])
            json_object_set_new(stages, stage_names[i], tenths(s->ns[i] / n));
    }
    if (fabs(rest) / n >= 0.05)
        json_object_set_new(stages, "other", tenths(rest / n));
    return json_pack("{s:I,s:I,s:o,s:o}", "requests", (json_int_t)s->count, "from_latency_ns", (json_int_t)from_ns,
                     "latency_ns", tenths(s->latency / n), "stages_ns", stages);
}

json_t *stages_json(const struct stages *s) {
    struct stage_sums all = {0}, slow = {0};
    unsigned lowest = 0;
    for (unsigned b = 0; b < COARSE_BUCKETS; b++)
        add(&all, &s->bucket[b]);
    if (!all.count)
        return NULL;
    for (unsigned b = COARSE_BUCKETS; b-- > 0 && (double)slow.count < STAGES_SLOWEST * (double)all.count;) {
        add(&slow, &s->bucket[b]);
        lowest = b;
    }
    return json_pack("{s:o,s:o}", "mean", sums_json(&all, 0), "slowest", sums_json(&slow, coarse_low(lowest)));
}

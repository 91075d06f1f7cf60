/* See block_bed.h. */
#include "block_bed.h"

#include <stdio.h>

static void seen(struct block_watch *w, const struct request *rq) {
    struct bed *b = (struct bed *)((char *)w - offsetof(struct bed, watch));
    if (b->seen_count < BED_SEEN)
        b->seen[b->seen_count++] = (struct bed_seen){.sector = rq->sector,
                                                     .sectors = rq->sectors,
                                                     .ios = rq->ios,
                                                     .owner = rq->context->id,
                                                     .write = rq->write,
                                                     .at_ns = sim_now(b->sim)};
    if (b->on_dispatch)
        b->on_dispatch(b, rq);
}

static void io_done(struct io *io) {
    struct bed_io *r = (struct bed_io *)io;
    r->done++;
    r->order = ++r->bed->done;
    if (r->then)
        r->then(r);
}

static void config_of(struct drive_config *config, int64_t latency_ns, const char *const *options) {
    char latency[2][64];
    struct opt_set set = {0};
    struct err e = {0};
    snprintf(latency[0], sizeof latency[0], "nossd.read_latency=%lld", (long long)latency_ns);
    snprintf(latency[1], sizeof latency[1], "nossd.write_latency=%lld", (long long)latency_ns);
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    assert_int_equal(opt_assign_arg(&set, options ? "drive.kind=zns" : "drive.kind=nossd", &e), 0);
    config->drive.capacity = BED_DRIVE;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(opt_assign_arg(&set, latency[i], &e), 0);
    for (; options && *options; options++)
        if (opt_assign_arg(&set, *options, &e))
            fail_msg("%s", e.text);
}

struct bed *bed_new(const char *scheduler, int64_t latency_ns, uint32_t depth, const char *const *options) {
    const struct sim_config virtual_time = {.mode = SIM_VIRTUAL};
    const struct block_settings s = {.scheduler = scheduler, .queue_depth = depth};
    struct drive_config config;
    struct err e = {0};
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    config_of(&config, latency_ns, options);
    b->sim = sim_new(&virtual_time, &e);
    b->drive = drive_open(&config, "memory", NULL, b->sim, &e);
    if (!b->drive)
        fail_msg("%s", e.text);
    b->block = block_new(b->drive, &s, &e);
    if (!b->block)
        fail_msg("%s", e.text);
    b->watch.dispatched = seen;
    block_watch(b->block, &b->watch);
    return b;
}

void bed_free(struct bed *b) {
    for (unsigned i = 0; i < b->ios; i++)
        io_release(&b->io[i].io);
    block_free(b->block);
    drive_close(b->drive);
    sim_free(b->sim);
    free(b);
}

struct bed_io *bed_send(struct bed *b, uint32_t owner, enum io_op op, uint64_t sector, uint64_t sectors,
                        uint32_t flags) {
    assert_true(b->ios < BED_IOS);
    struct bed_io *r = &b->io[b->ios++];
    io_init(&r->io);
    r->bed = b;
    r->io.op = (uint8_t)op;
    r->io.flags = flags | (op == IO_FLUSH ? 0 : IO_NO_DATA);
    r->io.offset = sector * 512;
    r->io.bytes = sectors * 512;
    r->io.owner = owner;
    r->io.done = io_done;
    drive_submit(b->drive, &r->io);
    return r;
}

void bed_set(struct bed *b, const char *attr, const char *value) {
    struct err e = {0};
    if (block_attr_set(b->block, attr, value, NULL, 0, &e))
        fail_msg("%s", e.text);
}

const char *bed_get(struct bed *b, const char *attr) {
    static char text[512];
    struct err e = {0};
    if (block_attr_get(b->block, attr, text, sizeof text, &e))
        fail_msg("%s", e.text);
    return text;
}

void bed_refused(struct bed *b, const char *attr, const char *value, const char *words) {
    struct err e = {0};
    if (!block_attr_set(b->block, attr, value, NULL, 0, &e))
        fail_msg("%s = %s was taken", attr, value);
    if (!strstr(e.text, words))
        fail_msg("\"%s\" says nothing of %s", e.text, words);
}

void bed_finish(struct bed *b) {
    struct err e = {0};
    sim_run(b->sim, SIM_NEVER);
    for (unsigned i = 0; i < b->ios; i++)
        assert_int_equal(b->io[i].done, 1);
    assert_int_equal(block_ios_inside(b->block), 0);
    if (block_check(b->block, &e))
        fail_msg("%s", e.text);
}

#include "elevator_bed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static void dispatched(struct block_watch *watch, const struct request *rq) {
    struct bed *b = (struct bed *)((char *)watch - offsetof(struct bed, watch));
    if (b->logged == BED_LOG)
        return;
    b->log[b->logged++] = (struct bed_entry){.sector = rq->sector,
                                             .sectors = rq->sectors,
                                             .owner = rq->context->id,
                                             .write = rq->write,
                                             .at_ns = sim_now(b->sim)};
}

static void completed(struct block_watch *watch, const struct request *rq) {
    struct bed *b = (struct bed *)((char *)watch - offsetof(struct bed, watch));
    for (unsigned i = b->logged; i-- > 0;)
        if (b->log[i].sector == rq->sector && b->log[i].owner == rq->context->id && !b->log[i].end_ns) {
            b->log[i].end_ns = sim_now(b->sim);
            return;
        }
}

void bed_open(struct bed *b, const char *scheduler, int64_t latency_ns, uint32_t depth, const char *const *options) {
    static struct drive_config config;
    struct opt_set set = {0};
    struct err e = {0};
    char text[64];
    memset(b, 0, sizeof *b);
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_non_null(b->sim);
    assert_int_equal(drive_config_init(&config, &set, &e), 0);
    snprintf(text, sizeof text, "nossd.read_latency=%" PRId64 "ns", latency_ns);
    const char *const fixed[] = {"drive.kind=nossd", "drive.capacity=1TiB", text, NULL};
    for (unsigned i = 0; fixed[i]; i++)
        if (opt_assign_arg(&set, fixed[i], &e))
            fail_msg("%s", e.text);
    snprintf(text, sizeof text, "nossd.write_latency=%" PRId64 "ns", latency_ns);
    assert_int_equal(opt_assign_arg(&set, text, &e), 0);
    for (; options && *options; options++)
        assert_int_equal(opt_assign_arg(&set, *options, &e), 0);
    b->drive = drive_open(&config, "none", NULL, b->sim, &e);
    if (!b->drive)
        fail_msg("%s", e.text);
    const struct block_settings settings = {.scheduler = scheduler, .queue_depth = depth ? depth : 1};
    b->block = block_new(b->drive, &settings, &e);
    if (!b->block)
        fail_msg("%s", e.text);
    bed_set(b, "rotational", "1");
    b->watch = (struct block_watch){NULL, dispatched, completed};
    block_watch(b->block, &b->watch);
    b->io = calloc(BED_IOS, sizeof *b->io);
    b->log = calloc(BED_LOG, sizeof *b->log);
    b->rng = calloc(1, sizeof *b->rng);
    assert_true(b->io && b->log && b->rng);
    rng_init(b->rng, 1, 0);
}

void bed_close(struct bed *b) {
    struct err e = {0};
    if (block_check(b->block, &e))
        fail_msg("%s", e.text);
    assert_int_equal(b->failed, 0);
    for (unsigned i = 0; i < b->processes; i++)
        sim_cancel(b->sim, &b->process[i].again);
    block_free(b->block);
    drive_close(b->drive);
    sim_free(b->sim);
    free(b->io);
    free(b->log);
    free(b->rng);
}

void bed_set(struct bed *b, const char *attr, const char *value) {
    struct err e = {0};
    if (block_attr_set(b->block, attr, value, NULL, 0, &e))
        fail_msg("%s", e.text);
}

static void send(struct bed_process *p);

static void io_done(struct io *io) {
    struct bed_io *r = (struct bed_io *)io;
    struct bed_process *p = r->process;
    int64_t took = io->completed_ns - io->submitted_ns;
    r->bed->failed += io->status != 0;
    r->busy = false;
    io_release(io);
    if (!p)
        return;
    p->done++;
    p->bytes += io->bytes;
    if (took > p->longest_ns)
        p->longest_ns = took;
    if (p->stopped)
        return;
    p->due++;
    if (!p->think_ns)
        send(p);
    else if (!sim_event_pending(&p->again))
        sim_schedule(p->bed->sim, &p->again, sim_now(p->bed->sim) + p->think_ns);
}

static struct bed_io *take(struct bed *b) {
    for (unsigned i = 0; i < BED_IOS; i++)
        if (!b->io[i].busy)
            return &b->io[i];
    fail_msg("more than %d requests under way", BED_IOS);
    return NULL;
}

static void submit(struct bed *b, struct bed_process *p, uint32_t owner, uint8_t op, uint64_t sector, uint64_t sectors,
                   uint32_t flags) {
    struct bed_io *r = take(b);
    io_init(&r->io);
    r->bed = b;
    r->process = p;
    r->busy = true;
    r->io.op = op;
    r->io.flags = flags | IO_NO_DATA;
    r->io.owner = owner;
    r->io.offset = sector * 512;
    r->io.bytes = sectors * 512;
    r->io.done = io_done;
    drive_submit(b->drive, &r->io);
}

void bed_submit(struct bed *b, uint32_t owner, uint8_t op, uint64_t sector, uint64_t sectors, uint32_t flags) {
    submit(b, NULL, owner, op, sector, sectors, flags);
}

static void send(struct bed_process *p) {
    while (p->due) {
        uint64_t sector = p->at;
        p->due--;
        if (p->step)
            p->at += p->step;
        else
            sector += rng_below(p->bed->rng, p->range / p->sectors) * p->sectors;
        submit(p->bed, p, p->owner, p->op, sector, p->sectors, p->flags);
    }
}

static void again(struct sim_event *event) {
    send((struct bed_process *)((char *)event - offsetof(struct bed_process, again)));
}

struct bed_process *bed_start(struct bed *b, const struct bed_process *like) {
    assert_true(b->processes < BED_PROCESSES);
    struct bed_process *p = &b->process[b->processes++];
    *p = *like;
    p->bed = b;
    p->depth = p->depth ? p->depth : 1;
    p->due = p->depth;
    sim_event_init(&p->again, again);
    send(p);
    return p;
}

void bed_run(struct bed *b, int64_t for_ns) {
    sim_run(b->sim, sim_now(b->sim) + for_ns);
}

void bed_drain(struct bed *b) {
    for (unsigned i = 0; i < b->processes; i++)
        b->process[i].stopped = true;
    for (unsigned i = 0; i < 1000000 && block_ios_inside(b->block); i++)
        sim_run(b->sim, sim_now(b->sim) + BED_MS);
    assert_int_equal(block_ios_inside(b->block), 0);
}

int64_t bed_served_ns(const struct bed *b, uint32_t owner) {
    int64_t sum = 0;
    for (unsigned i = 0; i < b->logged; i++)
        if (b->log[i].owner == owner && b->log[i].end_ns)
            sum += b->log[i].end_ns - b->log[i].at_ns;
    return sum;
}

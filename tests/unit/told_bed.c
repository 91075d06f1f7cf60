#include "told_bed.h"

#include <stdio.h>
#include <string.h>

struct told_bed bed;

unsigned bed_pick(unsigned below) {
    return (unsigned)rng_below(&bed.r, below);
}

int bed_number(const struct request *rq) {
    return (int)(rq->head - bed.io);
}

static int root(int i) {
    return bed.ops->root ? bed.ops->root(&bed.t, i) : i;
}

/* --- the oracle's clock --- */

static bool any_queued(void) {
    for (int i = bed.t.from; i < bed.t.count; i++)
        if (bed.t.rq[i].state == T_QUEUED)
            return true;
    return false;
}

/* With what was so until now, the drive had nothing more to get; or its driver has one in hand already.
 * A scheduler of the multi-queue layer without requests isn't asked.
 */
static void expect_nothing_more(void) {
    if (bed.t.in_drive >= bed.depth) {
        if (bed.block->looks_ahead && !block_multi_queue(bed.block) && bed.ahead == T_NONE)
            bed.ahead = bed.ops->pick(&bed.t);
        return;
    }
    if (block_multi_queue(bed.block) && !any_queued())
        return;
    int rq = bed.ops->pick(&bed.t); /* having been asked leaves traces: an anticipation begins */
    if (rq != T_NONE)
        fail_msg("%s, seed %u, %lld ns: request %d isn't dispatched", bed.ops->name, bed.seed, (long long)bed.t.now_ns,
                 rq);
    bed.waits++;
}

static void fire_until(int64_t now_ns) {
    while (bed.ops->timer && bed.ops->timer(&bed.t) != T_NONE && bed.ops->timer(&bed.t) < now_ns) {
        bed.t.now_ns = bed.ops->timer(&bed.t);
        bed.ops->fire(&bed.t);
        bed.timers++;
        if (bed.t.now_ns < sim_now(bed.sim))
            expect_nothing_more();
    }
}

void bed_advance(void) {
    expect_nothing_more();
    fire_until(sim_now(bed.sim) + 1); /* of what is due at one moment timers were set first */
    bed.t.now_ns = sim_now(bed.sim);
    while (bed.t.from < bed.t.count && bed.t.rq[bed.t.from].state == T_DONE)
        bed.t.from++;
}

/* --- what is compared --- */

static void expect_same_request(int i, const struct request *rq) {
    const struct told_request *r = &bed.t.rq[i];
    if (r->sector != rq->sector || r->sectors != rq->sectors || (uint32_t)r->ios != rq->ios)
        fail_msg("%s, seed %u: request %d has %u ios, the oracle's %d", bed.ops->name, bed.seed, i, rq->ios, r->ios);
    bed.merges += rq->ios > 1;
}

static void dispatched(struct block_watch *w, const struct request *rq) {
    if (bed.t.now_ns != sim_now(bed.sim)) { /* a timer */
        expect_nothing_more();
        fire_until(sim_now(bed.sim) + 1);
        bed.t.now_ns = sim_now(bed.sim);
    }
    int expected = bed.ahead == T_NONE ? bed.ops->pick(&bed.t) : bed.ahead;
    int got = root(bed_number(rq));
    bed.ahead = T_NONE;
    expect_same_request(got, rq);
    if (got != expected)
        fail_msg("%s, seed %u, %lld ns: request %d is dispatched, the oracle's is %d", bed.ops->name, bed.seed,
                 (long long)sim_now(bed.sim), got, expected);
    bed.t.in_drive++;
}

static void completed(struct block_watch *w, const struct request *rq) {
    bed_advance();
    int i = root(bed_number(rq));
    for (int k = 0; bed.ops->root && k < bed.t.count; k++)
        if (root(k) == i)
            bed.t.rq[k].state = T_DONE;
    bed.t.rq[i].state = T_DONE;
    bed.t.in_drive--;
    if (bed.ops->done)
        bed.ops->done(&bed.t, i);
}

void bed_expect(const json_t *stats, const char *of, const char *name, int64_t expected) {
    const json_t *in = of ? json_object_get(stats, of) : stats;
    int64_t got = json_integer_value(json_object_get(in, name));
    if (got != expected)
        fail_msg("%s, seed %u, %lld ns: %s %lld, the oracle's %lld", bed.ops->name, bed.seed, (long long)bed.t.now_ns,
                 name, (long long)got, (long long)expected);
}

/* --- runs --- */

void bed_set(const char *name, int64_t value) {
    struct err e = {0};
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    if (block_attr_set(bed.block, name, text, NULL, 0, &e))
        fail_msg("%s: %s", name, e.text);
}

int64_t bed_tune(const char *name, int64_t value) {
    char text[64];
    snprintf(text, sizeof text, "iosched/%s", name);
    bed_set(text, value);
    return value;
}

void bed_describe(uint32_t owner, int class, int level) {
    struct err e = {0};
    const struct block_context_settings s = {.prioclass = class, .prio = level};
    assert_int_equal(block_context_describe(bed.block, owner, &s, &e), 0);
}

void bed_begin(const struct told_ops *ops, unsigned seed) {
    static const int depths[] = {1, 1, 2, 4, 32};
    struct err e = {0};
    memset(&bed, 0, sizeof bed);
    bed.ops = ops;
    bed.seed = seed;
    rng_init(&bed.r, seed, 2);
    bed.depth = depths[bed_pick(5)];
    bed.ahead = T_NONE;
    bed.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_non_null(bed.sim);
}

void bed_open(const char *const *args, unsigned count, const struct block_settings *settings) {
    static struct drive_config config;
    struct opt_set options = {0};
    struct err e = {0};
    assert_int_equal(drive_config_init(&config, &options, &e), 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(opt_assign_arg(&options, args[i], &e), 0);
    bed.drive = drive_open(&config, "none", NULL, bed.sim, &e);
    assert_non_null(bed.drive);
    bed.block = block_new(bed.drive, settings, &e);
    if (!bed.block)
        fail_msg("%s", e.text);
}

void bed_watch(bool nomerges) {
    bed_set("nomerges", nomerges ? 2 : 0);
    bed_set("wbt_lat_usec", 0);
    bed.free_tags = *bed.block->ops; /* who may have how many requests is another matter: nobody sleeps here */
    bed.free_tags.limit_depth = NULL;
    bed.block->ops = &bed.free_tags;
    bed.watch = (struct block_watch){NULL, dispatched, completed};
    block_watch(bed.block, &bed.watch);
}

int64_t bed_next(int64_t now_ns, int64_t pace) {
    now_ns += 1 + (int64_t)rng_below(&bed.r, (uint64_t)(bed_pick(8) ? pace : 1000));
    now_ns += bed_pick(100) ? 0 : (int64_t)rng_below(&bed.r, 300 * T_MS);
    return now_ns + (now_ns % T_MS == 0);
}

void bed_arrive(struct told_request r, enum io_op op, uint32_t owner, void (*done)(struct io *)) {
    int i = bed.t.count++;
    r.state = T_QUEUED;
    r.born_ns = sim_now(bed.sim);
    r.into = T_NONE;
    r.ios = 1;
    bed.t.rq[i] = r;
    if (bed.ops->added)
        bed.ops->added(&bed.t, i);
    bed.io[i] = (struct io){.op = op,
                            .flags = IO_NO_DATA | (r.sync && r.write ? IO_SYNC : 0),
                            .offset = r.sector << SECTOR_SHIFT,
                            .bytes = r.sectors << SECTOR_SHIFT,
                            .owner = owner,
                            .done = done};
    drive_submit(bed.drive, &bed.io[i]);
}

void bed_end(void) {
    struct err e = {0};
    bed_advance();
    for (int i = 0; i < bed.t.count; i++)
        if (bed.t.rq[i].state != T_DONE)
            fail_msg("%s, seed %u: request %d is lost", bed.ops->name, bed.seed, i);
    if (block_check(bed.block, &e))
        fail_msg("%s", e.text);
    block_free(bed.block);
    drive_close(bed.drive);
    sim_free(bed.sim);
}

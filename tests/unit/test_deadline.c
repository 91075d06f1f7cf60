/*
 * deadline against a slow and obvious model of Linux 4.4's rules, and against
 * what follows from them: batches, preference, bounds of waiting.
 */
#include <stdio.h>

#include "block_bed.h"

#define QUEUED 512

/* The model: requests in the order of arrival, everything else looked for. */
struct model {
    struct drive_tap tap; /* first */
    struct bed *bed;
    struct {
        uint64_t sector, serial;
        bool write;
        int64_t arrived_ms;
    } queued[QUEUED];
    unsigned count;
    uint64_t serial;
    int64_t expire[2], fifo_batch, writes_starved;
    bool batch_write;
    bool going;             /* a batch has a next request */
    uint64_t at, at_serial; /* which one: the first behind (sector, serial) that was there when the last one left */
    unsigned next_index;    /* of it in queued */
    int64_t batching, starved;
    unsigned wrong;
};

static void model_submitted(struct drive_tap *tap, struct io *io) {
    struct model *m = (struct model *)tap;
    assert_true(m->count < QUEUED);
    unsigned i = m->count++;
    m->queued[i].sector = io->offset / 512;
    m->queued[i].serial = m->serial++;
    m->queued[i].write = io->op != IO_READ;
    m->queued[i].arrived_ms = sim_now(m->bed->sim) / MS;
}

static int oldest(const struct model *m, bool write) {
    for (unsigned i = 0; i < m->count; i++)
        if (m->queued[i].write == write)
            return (int)i;
    return -1;
}

/* The queued one after (sector, serial) in that order, of one direction; -1: none. */
static int follower(const struct model *m, bool write, uint64_t sector, uint64_t serial) {
    int best = -1;
    for (unsigned i = 0; i < m->count; i++) {
        uint64_t s = m->queued[i].sector, n = m->queued[i].serial;
        if (m->queued[i].write != write || s < sector || (s == sector && n <= serial))
            continue;
        if (best < 0 || s < m->queued[best].sector || (s == m->queued[best].sector && n < m->queued[best].serial))
            best = (int)i;
    }
    return best;
}

static int at_serial(const struct model *m, uint64_t serial) {
    for (unsigned i = 0; i < m->count; i++)
        if (m->queued[i].serial == serial)
            return (int)i;
    return -1;
}

static int model_choose(struct model *m) {
    int next = m->going ? at_serial(m, m->at_serial) : -1;
    if (next >= 0 && m->batching < m->fifo_batch)
        return next;
    int read = oldest(m, false), write = oldest(m, true);
    bool writes_turn = write >= 0 && (read < 0 || m->starved++ >= m->writes_starved);
    if (writes_turn)
        m->starved = 0;
    int first = writes_turn ? write : read;
    bool late = sim_now(m->bed->sim) / MS >= m->queued[first].arrived_ms + m->expire[writes_turn];
    m->batching = 0;
    return next >= 0 && m->batch_write == writes_turn && !late ? next : first;
}

static void model_dispatched(struct bed *b, const struct request *rq) {
    struct model *m = b->arg;
    int chosen = model_choose(m);
    m->wrong += m->queued[chosen].sector != rq->sector || m->queued[chosen].write != rq->write;
    m->batching++;
    m->batch_write = rq->write;
    int then = follower(m, rq->write, m->queued[chosen].sector, m->queued[chosen].serial);
    m->going = then >= 0;
    m->at_serial = then >= 0 ? m->queued[then].serial : 0;
    memmove(&m->queued[chosen], &m->queued[chosen + 1], (m->count - (unsigned)chosen - 1) * sizeof m->queued[0]);
    m->count--;
}

static void against_the_model(uint64_t seed) {
    static struct model m;
    struct rng rng;
    char spec[160];
    rng_init(&rng, seed, 0);
    m = (struct model){.tap.submitted = model_submitted,
                       .expire = {(int64_t)rng_below(&rng, 60), (int64_t)rng_below(&rng, 200)},
                       .fifo_batch = (int64_t)rng_below(&rng, 6),
                       .writes_starved = (int64_t)rng_below(&rng, 4) - 1};
    snprintf(spec, sizeof spec, "deadline,read_expire=%d,write_expire=%d,fifo_batch=%d,writes_starved=%d",
             (int)m.expire[0], (int)m.expire[1], (int)m.fifo_batch, (int)m.writes_starved);
    struct bed *b = bed_new(spec, MS, 1, NULL);
    bed_set(b, "nomerges", "2");
    bed_set(b, "nr_requests", "1000");
    m.bed = b;
    b->arg = &m;
    b->on_dispatch = model_dispatched;
    b->drive->tap = &m.tap;
    for (unsigned i = 0; i < 600; i++) {
        enum io_op op = rng_below(&rng, 5) < 2 ? IO_WRITE : IO_READ;
        bed_send(b, (uint32_t)rng_below(&rng, 3), op, rng_below(&rng, 60) * 8, 8, 0);
        if (!rng_below(&rng, 12))
            sim_run(b->sim, sim_now(b->sim) + (int64_t)rng_below(&rng, 20 * MS));
    }
    bed_finish(b);
    assert_int_equal(m.count, 0);
    assert_int_equal(b->seen_count, 600);
    if (m.wrong)
        fail_msg("seed %llu: %u of 600 requests left in another order", (unsigned long long)seed, m.wrong);
    bed_free(b);
}

static void test_deadline_agrees_with_the_model(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++)
        against_the_model(seed);
}

/* Many of both, the oldest lowest: two batches of 16 reads, one of 16 writes, and so on. */
static void test_deadline_prefers_reads_two_to_one(void **state) {
    struct bed *b = bed_new("deadline", MS / 10, 1, NULL);
    bed_set(b, "nr_requests", "4000");
    bed_set(b, "nomerges", "2");
    for (unsigned i = 0; i < 800; i++)
        bed_send(b, 1, i & 1 ? IO_WRITE : IO_READ, i * 16, 8, 0);
    bed_finish(b);
    for (unsigned i = 1, batch = 0; i < 480; batch++) { /* the first was alone */
        bool write = b->seen[i].write;
        unsigned run = 0;
        for (; i < 480 && b->seen[i].write == write; i++)
            run++;
        if (batch > 1 && i < 480)
            assert_int_equal(run, write ? 16 : 32);
    }
    bed_free(b);
}

static void resend(struct bed_io *r) {
    struct bed *b = r->bed;
    if (sim_now(b->sim) > 12000ll * MS)
        return;
    r->done = 0;
    r->io.offset = (r->io.offset + 8192 * 977) % (BED_DRIVE - 4096) / 4096 * 4096;
    drive_submit(b->drive, &r->io);
}

/* One request of the other direction among many that are always there: it begins before `most_ms`. */
static int64_t wait_ms(enum io_op many, enum io_op one) {
    struct bed *b = bed_new("deadline", 10 * MS, 1, NULL);
    bed_set(b, "nomerges", "2");
    for (unsigned i = 0; i < 40; i++)
        bed_send(b, 1, many, i * 800, 8, IO_SYNC)->then = resend;
    sim_run(b->sim, 1005 * MS);
    struct bed_io *it = bed_send(b, 2, one, 64000, 8, 0);
    bed_finish(b);
    int64_t waited = (it->io.completed_ns - it->io.submitted_ns) / MS - 10;
    bed_free(b);
    return waited;
}

static void test_deadline_bounds_waiting(void **state) {
    /* Reads are preferred at every end of a batch; a write waits at most for two batches of reads and the current one.
     */
    assert_in_range(wait_ms(IO_WRITE, IO_READ), 0, 160 + 10);
    assert_in_range(wait_ms(IO_READ, IO_WRITE), 0, 3 * 160 + 10);
}

/* The k-th oldest of late ones: at most a batch of its own kind for each before it, and what the other kind has
 * between. */
static void bounded_by_rank(enum io_op op) {
    enum { LATE = 6, BATCH_MS = 16 * 5 };
    struct bed *b = bed_new("deadline,read_expire=600,write_expire=600", 5 * MS, 1, NULL);
    struct bed_io *late[LATE];
    bed_set(b, "nomerges", "2");
    for (unsigned i = 0; i < 24; i++)
        bed_send(b, 1, i & 1 ? IO_WRITE : IO_READ, i * 800, 8, IO_SYNC)->then = resend;
    sim_run(b->sim, 3000ll * MS);
    for (unsigned k = 0; k < LATE; k++)
        late[k] = bed_send(b, 2, op, 8 * k, 8, 0);
    bed_finish(b);
    for (int k = 0; k < LATE; k++) {
        int64_t waited = (late[k]->io.completed_ns - late[k]->io.submitted_ns) / MS - 5, rank = k + 1;
        int64_t bound = op == IO_READ ? rank * BATCH_MS * 3 / 2 + 2 * BATCH_MS : (rank * 3 + 1) * BATCH_MS;
        if (waited > 600 + bound)
            fail_msg("%s, the %lldth: %lld ms", op == IO_READ ? "reads" : "writes", (long long)rank, (long long)waited);
    }
    bed_free(b);
}

static void test_deadline_bounds_the_late_by_their_rank(void **state) {
    bounded_by_rank(IO_READ);
    bounded_by_rank(IO_WRITE);
}

/* Old requests at the far end are reached in spite of a stream at the near end: deadlines are looked at between
 * batches. */
static void test_deadline_expired_requests_go_first(void **state) {
    struct bed *b = bed_new("deadline,read_expire=100", MS, 1, NULL);
    bed_set(b, "nomerges", "2");
    bed_set(b, "nr_requests", "1000");
    for (unsigned i = 0; i < 300; i++)
        bed_send(b, 1, IO_READ, 1000 + 8 * i, 8, 0);
    sim_run(b->sim, 20 * MS);
    struct bed_io *low = bed_send(b, 2, IO_READ, 0, 8, 0);
    for (unsigned i = 0; i < 300; i++)
        bed_send(b, 1, IO_READ, 50000 + 8 * i, 8, 0);
    bed_finish(b);
    /* Its 280 elders come first, in the order of their age, and then it; without deadlines it were last. */
    assert_in_range(low->io.completed_ns / MS, 120, 330);
    assert_true(low->order < b->ios);
    bed_free(b);
}

static void test_deadline_front_merges_are_optional(void **state) {
    for (unsigned on = 0; on < 2; on++) {
        struct bed *b = bed_new("deadline", MS, 1, NULL);
        bed_set(b, "iosched/front_merges", on ? "1" : "0");
        bed_send(b, 1, IO_READ, 5000, 8, 0);
        bed_send(b, 1, IO_READ, 300, 8, 0);
        bed_send(b, 1, IO_READ, 100, 8, 0);
        bed_send(b, 1, IO_READ, 92, 8, 0);
        bed_finish(b);
        assert_int_equal(b->seen_count, on ? 3 : 4);
        bed_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadline_agrees_with_the_model),
        cmocka_unit_test(test_deadline_prefers_reads_two_to_one),
        cmocka_unit_test(test_deadline_bounds_waiting),
        cmocka_unit_test(test_deadline_bounds_the_late_by_their_rank),
        cmocka_unit_test(test_deadline_expired_requests_go_first),
        cmocka_unit_test(test_deadline_front_merges_are_optional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Hosts before an I/O scheduler: each is a cgroup, each of its queues a process. */
#include "nvme_bed.h"

#include "base/rng.h"
#include "block/block.h"

#define OTHER_HOST "nqn.2014-08.org.nvmexpress:uuid:99999999-2222-4333-8444-555555555555"

/* Of the bed's queues: the admin and two I/O queues of one host, the admin and an I/O queue of another. */
enum { ADMIN, NEAR, NEXT, OTHER_ADMIN, FAR, QUEUES };

static const char *const disk[] = {"drive.kind=hdd", "drive.capacity=8GiB", "nvme.lba_bytes=4096", NULL};
static const char *const flash[] = {"nossd.read_latency=500us", NULL};

static void connect_other(struct bed *bed) {
    struct nvme_fabrics_connect command;
    struct nvme_connect_data data;
    bed_connect_default(&command, &data, bed, 0, NVME_CNTLID_ANY);
    snprintf(data.hostnqn, sizeof data.hostnqn, "%s", OTHER_HOST);
    data.hostid[0] = 9;
    assert_int_equal(bed_connect(bed, OTHER_ADMIN, &command, &data), 0);
    uint16_t cntlid = (uint16_t)bed_result(bed, OTHER_ADMIN);
    assert_int_equal(bed_property_set(bed, OTHER_ADMIN, NVME_PROP_CC, 0x460061), 0);
    bed_connect_default(&command, &data, bed, 1, cntlid);
    snprintf(data.hostnqn, sizeof data.hostnqn, "%s", OTHER_HOST);
    data.hostid[0] = 9;
    assert_int_equal(bed_connect(bed, FAR, &command, &data), 0);
}

static struct block *put_queue(struct bed *bed, const char *scheduler) {
    const struct block_settings s = {.scheduler = scheduler};
    struct err e = {0};
    struct block *b = block_new(bed->drive, &s, &e);
    if (!b)
        fail_msg("%s", e.text);
    return b;
}

static void end(struct bed *bed) {
    for (unsigned i = QUEUES; i-- > 0;)
        bed_gone(bed, i);
    bed_settle(bed);
    block_free(block_of(bed->drive));
    bed_free(bed);
}

static const struct block_context *context(struct bed *bed, unsigned q) {
    const struct block_context *c = block_context_find(block_of(bed->drive), bed->q[q].queue.owner);
    assert_non_null(c);
    return c;
}

static void check_who_is_who(struct bed *bed) {
    const struct block_context *near = context(bed, NEAR), *next = context(bed, NEXT), *far = context(bed, FAR);
    assert_true(near != next && next != far && near != far);
    assert_ptr_equal(near->group, next->group);
    assert_ptr_not_equal(near->group, far->group);
    assert_string_equal(near->group->path, BED_HOST);
    assert_string_equal(far->group->path, OTHER_HOST);
    assert_string_equal(near->name, BED_HOST " queue 1");
    assert_string_equal(next->name, BED_HOST " queue 2");
    assert_int_equal(near->group->contexts, 3);
    assert_int_equal(far->group->contexts, 2);
}

/* However a queue comes to be before the drive: from the start, or under hosts that are there. */
static void test_nvme_hosts_are_cgroups(void **state) {
    for (unsigned late = 0; late < 2; late++) {
        struct bed *bed = bed_new(NULL, flash);
        if (!late)
            put_queue(bed, "cfq");
        bed_up(bed, 2);
        connect_other(bed);
        if (late) {
            put_queue(bed, "cfq");
            nvme_introduce(bed->target);
        }
        check_who_is_who(bed);
        end(bed);
    }
}

/* A controller that is gone leaves no process behind that is waited for; its numbers may come back. */
static void test_nvme_queues_that_end_are_processes_that_exit(void **state) {
    for (unsigned s = 0; elevators[s]; s++) {
        struct bed *bed = bed_new(NULL, flash);
        struct block *b = put_queue(bed, elevators[s]->name);
        uint16_t status[8];
        struct err e = {0};
        bed_up(bed, 2);
        connect_other(bed);
        uint32_t owner = bed->q[FAR].queue.owner;
        for (unsigned i = 0; i < 8; i++) {
            struct nvme_sqe sqe = bed_rw(i % 2 ? NVME_IO_WRITE : NVME_IO_READ, 1, i * 64, 8);
            sqe.cid = le16_from((uint16_t)i);
            bed_send(bed, FAR, &sqe, NULL, &status[i]);
        }
        bed_gone(bed, FAR);
        bed_gone(bed, OTHER_ADMIN);
        bed_settle(bed);
        assert_int_equal(block_ios_inside(b), 0);
        assert_true(block_context_find(b, owner)->exited);
        if (block_check(b, &e))
            fail_msg("%s", e.text);
        end(bed);
    }
}

/* --- sharing --- */

struct reader {
    uint64_t from, at;
    uint16_t status;
    uint16_t cid;
    uint64_t done;
};

static void go_on(struct bed *bed, unsigned q, struct reader *r) {
    if (r->status == BED_PENDING)
        return;
    assert_int_equal(r->status, 0);
    r->done += r->at != 0;
    struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, r->from + 16 * r->at++, 16);
    sqe.cid = le16_from(r->cid++);
    bed_send(bed, q, &sqe, NULL, &r->status);
}

/* Queues that read 64 KiB after another for so many seconds: blocks each got. Looked at every 20 us. */
static void read_on(struct bed *bed, const unsigned *queues, unsigned count, unsigned seconds, uint64_t *done) {
    struct reader reader[3] = {{.from = 0}, {.from = 600000}, {.from = 1300000}};
    int64_t end = sim_now(bed->sim) + seconds * 1000000000ll;
    for (int64_t at = sim_now(bed->sim); at < end; at += 20000) {
        for (unsigned i = 0; i < count; i++)
            go_on(bed, queues[i], &reader[i]);
        sim_run(bed->sim, at);
    }
    while (reader[0].status == BED_PENDING || reader[1].status == BED_PENDING ||
           (count > 2 && reader[2].status == BED_PENDING))
        sim_run(bed->sim, sim_now(bed->sim) + 1000000);
    for (unsigned i = 0; i < count; i++)
        done[i] = reader[i].done;
}

static double time_of(struct bed *bed, const char *host) {
    return (double)block_group_find(block_of(bed->drive), host)->stat.service_ns;
}

/* Two queues of one host beside one of another: hosts share, by weight, not queues. */
static void test_nvme_hosts_share_by_weight(void **state) {
    static const struct {
        long other_weight;
        double share; /* of the host with two queues */
    } rows[] = {{500, 1. / 2}, {250, 2. / 3}, {1000, 1. / 3}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const unsigned readers[] = {NEAR, NEXT, FAR};
        struct bed *bed = bed_new("none", disk);
        struct block *b = put_queue(bed, "cfq,low_latency=0");
        struct err e = {0};
        uint64_t done[3];
        bed_up(bed, 2);
        connect_other(bed);
        assert_int_equal(block_group_set_weight(b, block_group_find(b, OTHER_HOST), rows[i].other_weight, &e), 0);
        read_on(bed, readers, 3, 12, done);
        double all = (double)(done[0] + done[1] + done[2]), share = (double)(done[0] + done[1]) / all;
        if (share < rows[i].share * .88 || share > rows[i].share * 1.12)
            fail_msg("weight %ld: %f, by service time %f", rows[i].other_weight, share,
                     time_of(bed, BED_HOST) / (time_of(bed, BED_HOST) + time_of(bed, OTHER_HOST)));
        assert_in_range(done[0] * 100 / done[1], 75, 133);
        end(bed);
    }
}

/* A reader beside one that keeps 16 random reads in the queue: CFQ and BFQ keep its share, noop doesn't. */
static void test_nvme_hosts_are_kept_apart(void **state) {
    static const struct {
        const char *scheduler;
        unsigned least, most; /* requests of the reader, of about 12000 it would have alone */
    } rows[] = {{"noop", 0, 400}, {"cfq", 2500, 100000}, {"bfq,low_latency=0", 1000, 100000}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bed *bed = bed_new("none", disk);
        struct reader reader = {.from = 0}, storm[16];
        struct rng rng;
        put_queue(bed, rows[i].scheduler);
        bed_up(bed, 2);
        connect_other(bed);
        rng_init(&rng, 1, 0);
        memset(storm, 0, sizeof storm);
        int64_t begin = sim_now(bed->sim);
        for (int64_t at = begin; at < begin + 5000000000ll; at += 20000) {
            go_on(bed, NEAR, &reader);
            for (unsigned n = 0; n < 16; n++)
                if (storm[n].status != BED_PENDING) {
                    struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, rng_below(&rng, 2000000), 1);
                    sqe.cid = le16_from((uint16_t)(n + 16 * (storm[n].cid++ % 2)));
                    bed_send(bed, FAR, &sqe, NULL, &storm[n].status);
                }
            sim_run(bed->sim, at);
        }
        for (unsigned n = 0; n < 17; n++)
            while ((n < 16 ? &storm[n] : &reader)->status == BED_PENDING)
                sim_run(bed->sim, sim_now(bed->sim) + 1000000);
        if (reader.done < rows[i].least || reader.done > rows[i].most)
            fail_msg("%s: %llu", rows[i].scheduler, (unsigned long long)reader.done);
        end(bed);
    }
}

/* io.max of a host holds all its queues, and nobody else. */
static void test_nvme_hosts_have_limits(void **state) {
    static const unsigned readers[] = {NEAR, NEXT, FAR};
    struct bed *bed = bed_new("none", flash);
    struct block *b = put_queue(bed, "none");
    struct err e = {0};
    uint64_t done[3];
    bed_up(bed, 2);
    connect_other(bed);
    assert_int_equal(block_group_set_limits(b, block_group_find(b, OTHER_HOST), "riops=100", &e), 0);
    struct reader r[3] = {{.from = 0}, {.from = 1000}, {.from = 2000}};
    int64_t begin = sim_now(bed->sim);
    for (int64_t at = begin; at < begin + 2000000000; at += 100000) {
        for (unsigned i = 0; i < 3; i++) {
            r[i].at %= 64; /* the same blocks again: the drive is small */
            go_on(bed, readers[i], &r[i]);
        }
        sim_run(bed->sim, at);
    }
    for (unsigned i = 0; i < 3; i++) {
        while (r[i].status == BED_PENDING)
            sim_run(bed->sim, sim_now(bed->sim) + 1000000);
        done[i] = r[i].done;
    }
    assert_in_range(done[0], 2000, 4000);
    assert_in_range(done[1], 2000, 4000);
    assert_in_range(done[2], 180, 220);
    end(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_hosts_are_cgroups),
        cmocka_unit_test(test_nvme_queues_that_end_are_processes_that_exit),
        cmocka_unit_test(test_nvme_hosts_share_by_weight),
        cmocka_unit_test(test_nvme_hosts_are_kept_apart),
        cmocka_unit_test(test_nvme_hosts_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

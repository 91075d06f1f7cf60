/*
 * Random commands, mostly nearly right, on a controller that is reset, loses
 * queues and its power, and has transports that are slow: each command sent on a live queue
 * completes exactly once, each slot comes back exactly once, and the state
 * machine's self-check holds all along. Replayable by seed.
 */
#include "nvme_bed.h"

#include "base/rng.h"

struct run {
    struct bed *bed;
    struct rng rng;
    uint64_t sent[BED_QUEUES];
    struct bed_cmd *parked[BED_QUEUES][8]; /* started, data not there yet */
    unsigned parked_count[BED_QUEUES];
};

static uint32_t pick(struct run *r, uint32_t n) {
    return (uint32_t)rng_below(&r->rng, n);
}

static uint32_t pick_of(struct run *r, const uint32_t *values, uint32_t n) {
    return values[pick(r, n)];
}

static struct nvme_sqe random_io(struct run *r) {
    static const uint32_t opcodes[] = {0, 1, 2, 2, 1, 4, 5, 8, 9, 0xc, 0x19, 0x0d, 0x7d};
    static const uint32_t nsids[] = {1, 1, 1, 2, 2, 3, 0, NVME_NSID_ALL};
    uint64_t slba = pick(r, 20) ? pick(r, 8200) : rng_next(&r->rng);
    struct nvme_sqe sqe = bed_rw((uint8_t)pick_of(r, opcodes, 13), pick_of(r, nsids, 8), slba, 1 + pick(r, 64));
    if (sqe.opc == NVME_IO_DSM) {
        sqe.cdw10 = le32_from(pick(r, 4));
        sqe.cdw11 = le32_from(NVME_DSM_AD);
    } else if (sqe.opc == NVME_IO_COPY) {
        sqe.cdw12 = le32_from(pick(r, 3));
    }
    return sqe;
}

static struct nvme_sqe random_admin(struct run *r) {
    static const uint32_t opcodes[] = {2, 6, 8, 9, 0xa, 0xc, 0xc, 0x18, 0x80, 0x01};
    static const uint32_t nsids[] = {0, 1, 2, 3, NVME_NSID_ALL};
    static const uint32_t fids[] = {1, 2, 4, 5, 6, 7, 0xb, 0xe, 0xf, 0x16, 0x19, 0x81, 0x33};
    struct nvme_sqe sqe = bed_sqe((uint8_t)pick_of(r, opcodes, 10), pick_of(r, nsids, 5), 0, 0, 0);
    switch (sqe.opc) {
    case NVME_ADMIN_GET_LOG_PAGE:
        sqe.cdw10 = le32_from(pick(r, 20) | pick(r, 2) << 15 | pick(r, 2048) << 16);
        sqe.cdw12 = le32_from(pick(r, 3) ? 0 : pick(r, 2048) * 4);
        break;
    case NVME_ADMIN_IDENTIFY:
        sqe.cdw10 = le32_from(pick(r, 0x20));
        break;
    case NVME_ADMIN_ABORT:
        sqe.cdw10 = le32_from(pick(r, 5) | pick(r, 300) << 16);
        break;
    case NVME_ADMIN_SET_FEATURES:
    case NVME_ADMIN_GET_FEATURES:
        sqe.cdw10 = le32_from(pick_of(r, fids, 13) | pick(r, 5) << 8 | (uint32_t)(pick(r, 8) == 0) << 31);
        sqe.cdw11 = le32_from(pick(r, 2) ? pick(r, 400) : (uint32_t)rng_next(&r->rng));
        break;
    case NVME_ADMIN_FORMAT_NVM:
        sqe.cdw10 = le32_from(pick(r, 3));
        break;
    }
    return sqe;
}

static struct bed_cmd *slot_free(struct bed_queue *q) {
    for (unsigned s = 0; s < BED_SLOTS; s++)
        if (!q->slot[s].used)
            return &q->slot[s];
    return NULL;
}

/* As bed_send(), in two halves. */
static void execute(struct run *r, struct bed_cmd *c) {
    uint32_t bytes = c->cmd.xfer_bytes;
    if (c->cmd.xfer == NVME_XFER_TO_CTRL) {
        c->in = calloc(1, bytes);
        for (uint32_t i = 0; i < bytes && i < 128; i += 16) /* small block numbers in ranges */
            c->in[i + 8 < bytes ? i + 8 : i] = (uint8_t)pick(r, 256);
        c->vec[0] = (struct iovec){c->in, bytes};
        c->cmd.in = c->vec;
        c->cmd.in_count = 1;
    }
    if (pick(r, 30) == 0)
        nvme_cmd_reject(&c->cmd, NVME_SC_DATA_TRANSFER_ERROR, "the test wants it so");
    else
        nvme_cmd_execute(&c->cmd);
}

static void send(struct run *r, unsigned q) {
    struct bed_queue *bq = &r->bed->q[q];
    struct bed_cmd *c = slot_free(bq);
    if (!bq->open || !c)
        return;
    c->used = true;
    c->q = bq;
    c->completions = 0;
    c->status = NULL;
    c->cmd.sqe = q ? random_io(r) : random_admin(r);
    c->cmd.sqe.cid = le16_from((uint16_t)pick(r, 300)); /* now and then one in use */
    r->sent[q]++;
    nvme_cmd_start(&bq->queue, &c->cmd);
    if (r->parked_count[q] < 8 && pick(r, 4) == 0)
        r->parked[q][r->parked_count[q]++] = c;
    else
        execute(r, c);
}

static void unpark(struct run *r, unsigned q) {
    while (r->parked_count[q])
        execute(r, r->parked[q][--r->parked_count[q]]);
}

static void release_held(struct bed_queue *q) {
    q->hold = false;
    for (unsigned s = 0; s < BED_SLOTS; s++)
        if (q->slot[s].used && q->slot[s].completions)
            nvme_cmd_release(&q->slot[s].cmd);
}

static void lose(struct run *r, unsigned q) {
    r->parked_count[q] = 0;
    bed_gone(r->bed, q);
}

static void connect_missing(struct run *r) {
    struct bed *bed = r->bed;
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    for (unsigned q = 0; q < BED_QUEUES; q++)
        if (bed->q[q].open && bed->q[q].told)
            lose(r, q);
    bool up = bed->q[0].open;
    for (unsigned q = 0; q < BED_QUEUES; q++)
        if (!bed->q[q].open && bed->q[q].queue.outstanding)
            return; /* something is still in the drive */
    if (!up) {
        bed_up(bed, 0);
        memset(r->sent, 0, sizeof r->sent);
    }
    for (uint16_t q = 1; q < 4; q++) {
        bed_connect_default(&c, &d, bed, q, bed->cntlid);
        if (!bed->q[q].open && bed_connect(bed, q, &c, &d))
            lose(r, q); /* fewer queues were asked for */
    }
}

static void step(struct run *r) {
    struct bed *bed = r->bed;
    unsigned q = pick(r, 4);
    uint32_t what = pick(r, 1000);
    if (what < 800)
        send(r, q);
    else if (what < 900)
        sim_run(bed->sim, sim_now(bed->sim) + pick(r, 50000));
    else if (what < 950)
        unpark(r, q);
    else if (what < 970)
        bed->q[q].hold = bed->q[q].open;
    else if (what < 985)
        release_held(&bed->q[q]);
    else if (what < 990)
        lose(r, 1 + pick(r, 3));
    else if (what < 992)
        lose(r, 0);
    else if (what == 992 && bed->q[0].open)
        bed_settle(bed);
    else if (what == 993)
        nvme_subsystem_power_cut(bed->subsystem);
    connect_missing(r);
}

static void run_seed(uint64_t seed, const char *const *options) {
    struct run *r = calloc(1, sizeof *r);
    struct err e = {0};
    r->bed = bed_new(NULL, options);
    rng_init(&r->rng, seed, 0);
    bed_up(r->bed, 3);
    for (unsigned i = 0; i < 6000; i++) {
        step(r);
        if (i % 50 == 0 && nvme_check(r->bed->target, &e))
            fail_msg("seed %u, step %u: %s", (unsigned)seed, i, e.text);
    }
    for (unsigned q = 0; q < BED_QUEUES; q++) {
        if (r->bed->q[q].open)
            unpark(r, q);
        release_held(&r->bed->q[q]);
    }
    bed_settle(r->bed);
    for (unsigned q = 1; q < BED_QUEUES; q++)
        if (r->bed->q[q].open)
            assert_int_equal(r->bed->q[q].queue.started, r->bed->q[q].queue.completed);
    bed_free(r->bed);
    free(r);
}

static void test_nvme_random_commands_complete_once(void **state) {
    static const char *const fast[] = {"nvme.namespaces=2", NULL};
    static const char *const slow[] = {"nvme.namespaces=2", "nossd.read_latency=3ms", "nossd.write_latency=1ms", NULL};
    static const char *const ssd[] = {
        "nvme.namespaces=2",     "drive.kind=ssd",    "drive.capacity=16MiB",    "nand.channels=2",
        "nand.luns=2",           "nand.planes=2",     "nand.blocks=16",          "nand.pages=16",
        "nand.page_bytes=16384", "ssd.op_percent=10", "ssd.write_buffer=512KiB", NULL};
    for (uint64_t seed = 1; seed <= 8; seed++) {
        run_seed(seed, fast);
        run_seed(seed + 100, slow);
        run_seed(seed + 200, ssd);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_random_commands_complete_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

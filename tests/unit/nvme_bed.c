/* See nvme_bed.h. */
#include "nvme_bed.h"

#include "base/log.h"

#define RUN_NS (60 * 1000000000ll)

static struct bed_cmd *bed_cmd_of(struct nvme_cmd *cmd) {
    return (struct bed_cmd *)cmd; /* first member */
}

static void bed_complete(struct nvme_cmd *cmd) {
    struct bed_cmd *c = bed_cmd_of(cmd);
    struct bed_queue *q = c->q;
    assert_true(c->used);
    assert_int_equal(c->completions++, 0);
    assert_int_equal(le16_get(cmd->cqe.cid), le16_get(cmd->sqe.cid));
    assert_int_equal(le16_get(cmd->cqe.status) & 1, 0);
    q->completions++;
    q->cqe = cmd->cqe;
    q->due_ns = cmd->due_ns;
    q->out_bytes = cmd->out_bytes;
    assert_true(cmd->out_bytes <= cmd->xfer_bytes);
    assert_true(cmd->out_bytes == 0 || (le16_get(cmd->cqe.status) == 0 && cmd->out && cmd->xfer == NVME_XFER_TO_HOST));
    if (cmd->out_bytes)
        memcpy(q->out, cmd->out, cmd->out_bytes);
    if (c->status)
        *c->status = (uint16_t)(le16_get(cmd->cqe.status) >> 1 & 0x7ff);
    c->status = NULL;
    if (!q->hold)
        nvme_cmd_release(cmd);
}

static void bed_recycle(struct nvme_cmd *cmd) {
    struct bed_cmd *c = bed_cmd_of(cmd);
    assert_true(c->used);
    c->used = false;
    c->status = NULL;
    free(c->in);
    c->in = NULL;
    c->q->recycled++;
}

static void bed_disconnect(struct nvme_queue *queue, const char *why) {
    struct bed_queue *q = (struct bed_queue *)queue; /* first member */
    assert_false(q->told);
    q->told = true;
    snprintf(q->why, sizeof q->why, "%s", why);
}

static const struct nvme_queue_ops bed_ops = {
    .trtype = NVME_TRTYPE_LOOP,
    .complete = bed_complete,
    .recycle = bed_recycle,
    .disconnect = bed_disconnect,
};

struct bed *bed_new(const char *image, const char *const *options) {
    struct bed *bed = calloc(1, sizeof *bed);
    struct opt_set set = {0};
    struct err e = {0};
    const struct sim_config sim = {.mode = SIM_VIRTUAL};
    static const char *const usual[] = {"drive.kind=nossd", "drive.capacity=64MiB", "nossd.read_latency=10us",
                                        "nossd.write_latency=20us", NULL};
    log_set_levels("error", NULL);
    assert_int_equal(drive_config_init(&bed->drive_config, &set, &e), 0);
    assert_int_equal(opt_set_add(&set, nvme_opts, &bed->config), 0);
    for (unsigned i = 0; usual[i]; i++)
        assert_int_equal(opt_assign_arg(&set, usual[i], &e), 0);
    for (unsigned i = 0; options && options[i]; i++)
        if (opt_assign_arg(&set, options[i], &e))
            fail_msg("%s", e.text);
    bed->sim = sim_new(&sim, &e);
    assert_non_null(bed->sim);
    bool none = image && strcmp(image, "none") == 0;
    bed->drive = drive_open(&bed->drive_config,
                            none    ? "none"
                            : image ? "file"
                                    : "memory",
                            none ? NULL : image, bed->sim, &e);
    if (!bed->drive)
        fail_msg("%s", e.text);
    bed->target = nvme_target_new(bed->sim, &e);
    bed->subsystem = nvme_subsystem_new(bed->target, &bed->config, bed->drive, &e);
    if (!bed->subsystem)
        fail_msg("%s", e.text);
    for (unsigned i = 0; i < BED_QUEUES; i++)
        bed->q[i].out = malloc(BED_DATA);
    return bed;
}

void bed_settle(struct bed *bed) {
    sim_run(bed->sim, sim_now(bed->sim) + RUN_NS);
}

void bed_gone(struct bed *bed, unsigned q) {
    if (!bed->q[q].open)
        return;
    bed->q[q].open = false;
    nvme_queue_gone(&bed->q[q].queue);
}

void bed_free(struct bed *bed) {
    struct err e = {0};
    if (nvme_check(bed->target, &e))
        fail_msg("%s", e.text);
    for (unsigned i = BED_QUEUES; i-- > 0;)
        bed_gone(bed, i);
    bed_settle(bed);
    for (unsigned i = 0; i < BED_QUEUES; i++) {
        assert_int_equal(bed->q[i].queue.outstanding, 0);
        for (unsigned s = 0; s < BED_SLOTS; s++)
            assert_false(bed->q[i].slot[s].used);
        free(bed->q[i].out);
    }
    if (nvme_check(bed->target, &e))
        fail_msg("%s", e.text);
    nvme_subsystem_free(bed->subsystem);
    nvme_target_free(bed->target);
    drive_close(bed->drive);
    sim_free(bed->sim);
    free(bed);
}

static void bed_take_data(struct bed_cmd *c, const void *data) {
    uint32_t bytes = c->cmd.xfer_bytes, first = bytes / 3;
    c->in = malloc(bytes);
    if (data)
        memcpy(c->in, data, bytes);
    else
        memset(c->in, 0, bytes);
    c->vec[0] = (struct iovec){c->in, first}; /* two pieces, odd on purpose */
    c->vec[1] = (struct iovec){c->in + first, bytes - first};
    c->cmd.in = c->vec;
    c->cmd.in_count = 2;
}

struct bed_cmd *bed_send(struct bed *bed, unsigned q, const struct nvme_sqe *sqe, const void *data, uint16_t *status) {
    struct bed_queue *bq = &bed->q[q];
    for (unsigned s = 0; s < BED_SLOTS; s++) {
        struct bed_cmd *c = &bq->slot[s];
        if (c->used)
            continue;
        c->used = true;
        c->q = bq;
        c->completions = 0;
        c->status = status;
        if (status)
            *status = BED_PENDING;
        c->cmd.sqe = *sqe;
        nvme_cmd_start(&bq->queue, &c->cmd);
        if (c->cmd.xfer == NVME_XFER_TO_CTRL)
            bed_take_data(c, data);
        nvme_cmd_execute(&c->cmd);
        return c;
    }
    fail_msg("no free slot");
    return NULL;
}

static uint16_t free_cid(const struct bed_queue *q) {
    for (uint16_t cid = 0x4000;; cid++)
        if (!(q->queue.cids[cid / 64] >> cid % 64 & 1))
            return cid;
}

uint16_t bed_do(struct bed *bed, unsigned q, struct nvme_sqe *sqe, const void *data) {
    uint16_t status;
    sqe->cid = le16_from(free_cid(&bed->q[q]));
    bed_send(bed, q, sqe, data, &status);
    int64_t until = sim_now(bed->sim), last = until + RUN_NS;
    while (status == BED_PENDING) {
        assert_true(until < last);
        sim_run(bed->sim, until += 1000);
    }
    return status;
}

uint32_t bed_result(const struct bed *bed, unsigned q) {
    return le32_get(bed->q[q].cqe.cdw0);
}

void *bed_out(struct bed *bed, unsigned q) {
    return bed->q[q].out;
}

/* ---- Building commands ---- */

struct nvme_sqe bed_sqe(uint8_t opc, uint32_t nsid, uint32_t cdw10, uint32_t cdw11, uint32_t cdw12) {
    return (struct nvme_sqe){.opc = opc,
                             .flags = NVME_PSDT_SGL_MPTR_BUFFER << 6,
                             .nsid = le32_from(nsid),
                             .cdw10 = le32_from(cdw10),
                             .cdw11 = le32_from(cdw11),
                             .cdw12 = le32_from(cdw12)};
}

struct nvme_sqe bed_rw(uint8_t opc, uint32_t nsid, uint64_t slba, uint32_t nlb) {
    return bed_sqe(opc, nsid, (uint32_t)slba, (uint32_t)(slba >> 32), nlb - 1);
}

void bed_connect_default(struct nvme_fabrics_connect *command, struct nvme_connect_data *data, struct bed *bed,
                         uint16_t qid, uint16_t cntlid) {
    *command = (struct nvme_fabrics_connect){.opc = NVME_OPC_FABRICS,
                                             .flags = NVME_PSDT_SGL_MPTR_BUFFER << 6,
                                             .fctype = NVME_FCTYPE_CONNECT,
                                             .qid = le16_from(qid),
                                             .sqsize = le16_from(31)};
    memset(data, 0, sizeof *data);
    data->cntlid = le16_from(cntlid);
    data->hostid[0] = 7;
    snprintf(data->subnqn, sizeof data->subnqn, "%s", nvme_subsystem_nqn(bed->subsystem));
    snprintf(data->hostnqn, sizeof data->hostnqn, "%s", BED_HOST);
}

uint16_t bed_connect(struct bed *bed, unsigned q, const struct nvme_fabrics_connect *command,
                     const struct nvme_connect_data *data) {
    struct nvme_sqe sqe;
    char peer[32];
    memcpy(&sqe, command, sizeof sqe);
    if (!bed->q[q].open) {
        snprintf(peer, sizeof peer, "bed queue %u", q);
        nvme_queue_init(&bed->q[q].queue, bed->target, &bed_ops, peer, 8192);
        bed->q[q].open = true;
        bed->q[q].told = bed->q[q].hold = false;
    }
    return bed_do(bed, q, &sqe, data);
}

void bed_up(struct bed *bed, unsigned io_queues) {
    struct nvme_fabrics_connect command;
    struct nvme_connect_data data;
    bed_connect_default(&command, &data, bed, 0, NVME_CNTLID_ANY);
    assert_int_equal(bed_connect(bed, 0, &command, &data), 0);
    bed->cntlid = (uint16_t)bed_result(bed, 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460061), 0); /* CSS: all command sets, as Linux */
    for (uint16_t q = 1; q <= io_queues; q++) {
        bed_connect_default(&command, &data, bed, q, bed->cntlid);
        assert_int_equal(bed_connect(bed, q, &command, &data), 0);
    }
}

static uint16_t property(struct bed *bed, unsigned q, uint8_t type, uint32_t offset, uint64_t value, bool wide) {
    struct nvme_fabrics_property p = {.opc = NVME_OPC_FABRICS,
                                      .flags = NVME_PSDT_SGL_MPTR_BUFFER << 6,
                                      .fctype = type,
                                      .attrib = wide,
                                      .ofst = le32_from(offset),
                                      .value = le64_from(value)};
    struct nvme_sqe sqe;
    memcpy(&sqe, &p, sizeof sqe);
    return bed_do(bed, q, &sqe, NULL);
}

uint16_t bed_property_set(struct bed *bed, unsigned q, uint32_t offset, uint64_t value) {
    return property(bed, q, NVME_FCTYPE_PROPERTY_SET, offset, value, false);
}

uint16_t bed_property_get(struct bed *bed, unsigned q, uint32_t offset, uint64_t *value) {
    uint16_t status = property(bed, q, NVME_FCTYPE_PROPERTY_GET, offset, 0, offset == NVME_PROP_CAP);
    *value = le64_get(bed->q[q].cqe.result);
    return status;
}

uint16_t bed_identify(struct bed *bed, uint8_t cns, uint32_t nsid, uint32_t cdw11) {
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_IDENTIFY, nsid, cns, cdw11, 0);
    return bed_do(bed, 0, &sqe, NULL);
}

uint16_t bed_log(struct bed *bed, uint8_t lid, uint32_t bytes, uint64_t offset, bool rae) {
    uint32_t numd = bytes / 4 - 1;
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_GET_LOG_PAGE, NVME_NSID_ALL, lid | (uint32_t)rae << 15 | numd << 16,
                                  numd >> 16, (uint32_t)offset);
    sqe.cdw13 = le32_from((uint32_t)(offset >> 32));
    return bed_do(bed, 0, &sqe, NULL);
}

uint16_t bed_set_feature(struct bed *bed, uint8_t fid, uint32_t value, bool save) {
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_SET_FEATURES, 0, fid | (save ? NVME_FEATURE_SAVE : 0), value, 0);
    return bed_do(bed, 0, &sqe, NULL);
}

uint16_t bed_get_feature(struct bed *bed, uint8_t fid, uint8_t sel, uint32_t *value) {
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_GET_FEATURES, 0, fid | (uint32_t)sel << 8, 0, 0);
    uint16_t status = bed_do(bed, 0, &sqe, NULL);
    *value = bed_result(bed, 0);
    return status;
}

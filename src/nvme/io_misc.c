/*
 * Dataset Management and Copy: commands of several steps. Each step is one io
 * of bounded size; between steps the namespace is looked at again, as a format
 * or a reset may have begun.
 *
 * cmd->buffer holds the ranges (Copy: and the vector of the step's write),
 * cmd->step the range, cmd->steps_left how many there are, cmd->cursor the
 * blocks done in it (Copy: the destination).
 *
 * Simplified: of Dataset Management's attributes only AD does anything. Copy
 * moves bytes from store to store, so source and destination must not overlap.
 */
#include <inttypes.h>

#include "nvme/nvme_int.h"

static struct nvme_cmd *cmd_of(struct io *io) {
    return NVME_CONTAINER(io, struct nvme_cmd, io);
}

static void step_submit(struct nvme_cmd *cmd, enum io_op op, uint32_t flags, uint64_t slba, uint64_t nlb,
                        void (*done)(struct io *)) {
    struct io *io = &cmd->io;
    io_release(io);
    io->op = (uint8_t)op;
    io->flags = flags;
    io->offset = cmd->ns->base + (slba << cmd->ns->lba_shift);
    io->bytes = nlb << cmd->ns->lba_shift;
    nvme_io_begin(cmd);
    nvme_cmd_submit(cmd, done);
}

/* True: go on with the next step, or finish with what went wrong. */
static bool step_back(struct nvme_cmd *cmd) {
    nvme_io_end(cmd);
    cmd->due_ns = cmd->io.completed_ns;
    return nvme_cmd_returned(cmd);
}

/* Whether a step may begin: the namespace may be formatted, the controller or its subsystem have been reset. */
static struct nvme_status may_go_on(struct nvme_cmd *cmd) {
    if (cmd->queue->told_to_go)
        return nvme_fail(cmd, NVME_SC_SQ_DELETED, NVME_LOC_NONE, "the queue was given up before the command's end");
    if (cmd->ns->busy)
        return nvme_fail(cmd, NVME_SC_FORMAT_IN_PROGRESS, NVME_LOC_NONE, "namespace %u is being formatted",
                         cmd->ns->nsid);
    return NVME_OK;
}

/* ---- Dataset Management ---- */

struct nvme_status nvme_dsm_prepare(struct nvme_cmd *cmd) {
    cmd->xfer_bytes = ((nvme_cdw(cmd, 10) & 0xff) + 1) * (uint32_t)sizeof(struct nvme_dsm_range);
    return NVME_OK;
}

static bool dsm_step(struct nvme_cmd *cmd);

static void dsm_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_status st = NVME_OK;
    if (!io->status && cmd->ns->marks)
        nvme_marks_clear(cmd->ns, (io->offset - cmd->ns->base) >> cmd->ns->lba_shift, io->bytes >> cmd->ns->lba_shift);
    if (!step_back(cmd))
        return;
    if (io->status)
        st = nvme_io_failed(cmd);
    else
        st = may_go_on(cmd);
    if (st.v || !dsm_step(cmd))
        nvme_cmd_finish(cmd, st);
}

/* False: nothing is left to do. */
static bool dsm_step(struct nvme_cmd *cmd) {
    const struct nvme_dsm_range *ranges = cmd->buffer;
    uint64_t most = NVME_STEP_BYTES >> cmd->ns->lba_shift;
    for (; cmd->step < cmd->steps_left; cmd->step++, cmd->cursor = 0) {
        uint64_t left = le32_get(ranges[cmd->step].nlb) - cmd->cursor;
        if (!left)
            continue;
        uint64_t slba = le64_get(ranges[cmd->step].slba) + cmd->cursor;
        uint64_t nlb = left < most ? left : most;
        cmd->slba = slba;
        cmd->cursor += nlb;
        step_submit(cmd, IO_TRIM, 0, slba, nlb, dsm_done);
        return true;
    }
    return false;
}

struct nvme_status nvme_dsm(struct nvme_cmd *cmd) {
    struct nvme_status st = may_go_on(cmd);
    struct nvme_dsm_range *ranges = st.v ? NULL : nvme_cmd_buffer(cmd, cmd->xfer_bytes, &st);
    if (!ranges)
        return st;
    cmd->out = NULL;
    cmd->out_bytes = 0;
    nvme_cmd_gather(cmd, ranges, cmd->xfer_bytes);
    cmd->step = 0;
    cmd->cursor = 0;
    cmd->steps_left = cmd->xfer_bytes / (uint32_t)sizeof *ranges;
    for (uint32_t i = 0; i < cmd->steps_left && !st.v; i++)
        if (le32_get(ranges[i].nlb))
            st = nvme_range_check(cmd, le64_get(ranges[i].slba), le32_get(ranges[i].nlb), NVME_LOC_NONE);
    if (st.v || !(nvme_cdw(cmd, 11) & NVME_DSM_AD))
        return st;
    return dsm_step(cmd) ? NVME_PENDING : NVME_OK;
}

/* ---- Copy ---- */

struct copy {
    struct iovec vec;
    struct nvme_copy_range_0 range[];
};

static uint64_t range_slba(const struct nvme_copy_range_0 *range) {
    return le64_get(range->slba);
}

static uint32_t range_nlb(const struct nvme_copy_range_0 *range) {
    return le16_get(range->nlb) + 1u;
}

uint32_t nvme_copy_range_lbas(const struct nvme_ns *ns) {
    return (1u << 20) >> ns->lba_shift;
}

uint32_t nvme_copy_total_lbas(const struct nvme_ns *ns) {
    return (4u << 20) >> ns->lba_shift;
}

struct nvme_status nvme_copy_prepare(struct nvme_cmd *cmd) {
    uint32_t cdw12 = nvme_cdw(cmd, 12), ranges = (cdw12 & 0xff) + 1, format = cdw12 >> 8 & 15;
    if (format)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw12) + 1, "source descriptor format %u, 0 is supported",
                         format);
    if (ranges > NVME_COPY_RANGES)
        return nvme_fail(cmd, NVME_SC_SIZE_LIMIT_EXCEEDED, NVME_LOC(cdw12), "%u source ranges exceed MSRC (%u)", ranges,
                         NVME_COPY_RANGES);
    cmd->slba = (uint64_t)nvme_cdw(cmd, 11) << 32 | nvme_cdw(cmd, 10);
    cmd->xfer_bytes = ranges * (uint32_t)sizeof(struct nvme_copy_range_0);
    return NVME_OK;
}

/* Sizes first, then where they are: cmd->nlb is the total. */
static struct nvme_status copy_sizes(struct nvme_cmd *cmd, const struct copy *copy) {
    uint32_t most = nvme_copy_range_lbas(cmd->ns), total = nvme_copy_total_lbas(cmd->ns);
    cmd->nlb = 0;
    for (uint32_t i = 0; i < cmd->steps_left; i++) {
        if (range_nlb(&copy->range[i]) > most)
            return nvme_fail(cmd, NVME_SC_SIZE_LIMIT_EXCEEDED, NVME_LOC_NONE,
                             "source range %u has %u blocks, MSSRL is %u", i, range_nlb(&copy->range[i]), most);
        cmd->nlb += range_nlb(&copy->range[i]);
    }
    if (cmd->nlb > total)
        return nvme_fail(cmd, NVME_SC_SIZE_LIMIT_EXCEEDED, NVME_LOC_NONE, "%u blocks in all, MCL is %u", cmd->nlb,
                         total);
    return NVME_OK;
}

static struct nvme_status copy_places(struct nvme_cmd *cmd, const struct copy *copy) {
    uint64_t to = cmd->slba;
    struct nvme_status st = nvme_range_check(cmd, to, cmd->nlb, NVME_LOC(cdw10));
    for (uint32_t i = 0; i < cmd->steps_left && !st.v; i++) {
        uint64_t from = range_slba(&copy->range[i]);
        st = nvme_range_check(cmd, from, range_nlb(&copy->range[i]), NVME_LOC_NONE);
        if (!st.v && from < to + cmd->nlb && to < from + range_nlb(&copy->range[i]))
            st = nvme_fail(cmd, NVME_SC_OVERLAPPING_IO_RANGE, NVME_LOC_NONE,
                           "source range %u at block %" PRIu64 " overlaps the destination at %" PRIu64, i, from, to);
    }
    return !st.v && cmd->ns->zones ? nvme_zone_copy_check(cmd) : st;
}

static void copy_read(struct nvme_cmd *cmd);

static void copy_finish(struct nvme_cmd *cmd, struct nvme_status st) {
    if (st.v)
        nvme_cmd_result(cmd, cmd->step); /* the first range that was not copied */
    nvme_cmd_finish(cmd, st);
}

static void copy_written(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    const struct copy *copy = cmd->buffer;
    uint32_t nlb = range_nlb(&copy->range[cmd->step]);
    if (!io->status && cmd->ns->marks)
        nvme_marks_clear(cmd->ns, cmd->cursor, nlb);
    if (!step_back(cmd))
        return;
    struct nvme_status st = io->status ? nvme_io_failed(cmd) : may_go_on(cmd);
    if (st.v) {
        copy_finish(cmd, st);
        return;
    }
    s->durable->written_bytes += io->bytes;
    cmd->cursor += nlb;
    if (++cmd->step < cmd->steps_left) {
        copy_read(cmd);
        return;
    }
    s->durable->host_writes++;
    copy_finish(cmd, NVME_OK);
}

static void copy_was_read(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct copy *copy = cmd->buffer;
    const struct nvme_copy_range_0 *range;
    struct nvme_status st = NVME_OK;
    if (!step_back(cmd))
        return;
    range = &copy->range[cmd->step];
    if (nvme_read_ok(cmd, range_slba(range), range_nlb(range), &st))
        st = may_go_on(cmd);
    if (st.v) {
        copy_finish(cmd, st);
        return;
    }
    copy->vec = (struct iovec){.iov_base = (void *)io->data, .iov_len = io->bytes};
    io->vec = io->data ? &copy->vec : NULL;
    io->nvec = io->data ? 1 : 0;
    step_submit(cmd, IO_WRITE, nvme_fua(cmd), cmd->cursor, range_nlb(range), copy_written);
}

static void copy_read(struct nvme_cmd *cmd) {
    const struct copy *copy = cmd->buffer;
    const struct nvme_copy_range_0 *range = &copy->range[cmd->step];
    step_submit(cmd, IO_READ, 0, range_slba(range), range_nlb(range), copy_was_read);
}

struct nvme_status nvme_copy(struct nvme_cmd *cmd) {
    struct nvme_status st = may_go_on(cmd);
    struct copy *copy = st.v ? NULL : nvme_cmd_buffer(cmd, sizeof *copy + cmd->xfer_bytes, &st);
    if (!copy)
        return st;
    cmd->out = NULL;
    cmd->out_bytes = 0;
    nvme_cmd_gather(cmd, copy->range, cmd->xfer_bytes);
    cmd->step = 0;
    cmd->steps_left = cmd->xfer_bytes / (uint32_t)sizeof copy->range[0];
    st = copy_sizes(cmd, copy);
    if (!st.v)
        st = copy_places(cmd, copy);
    if (st.v)
        return st;
    cmd->cursor = cmd->slba;
    copy_read(cmd);
    return NVME_PENDING;
}

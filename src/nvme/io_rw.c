/*
 * Read, Write, Flush: the hot path. A command becomes one struct io; a read's
 * payload is sent straight from the store, a write's straight into it.
 *
 * Each block range is checked at the start, before data is collected, and
 * again when executed: Format NVM may have run between.
 */
#include <inttypes.h>

#include "nvme/nvme_int.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static struct nvme_cmd *cmd_of(struct io *io) {
    return NVME_CONTAINER(io, struct nvme_cmd, io);
}

struct nvme_status nvme_range_check(struct nvme_cmd *cmd, uint64_t slba, uint64_t nlb, uint16_t location) {
    const struct nvme_ns *ns = cmd->ns;
    if (LIKELY(slba < ns->nsze && nlb <= ns->nsze - slba))
        return NVME_OK;
    cmd->slba = slba;
    return nvme_fail(cmd, NVME_SC_LBA_OUT_OF_RANGE, location,
                     "blocks %" PRIu64 " to %" PRIu64 " (%" PRIu64 " blocks), namespace %u has %" PRIu64, slba,
                     slba + nlb - 1, nlb, ns->nsid, ns->nsze);
}

static void range_of(struct nvme_cmd *cmd) {
    cmd->slba = (uint64_t)le32_get(cmd->sqe.cdw11) << 32 | le32_get(cmd->sqe.cdw10);
    cmd->nlb = NVME_RW_NLB(le32_get(cmd->sqe.cdw12));
}

struct nvme_status nvme_rw_prepare(struct nvme_cmd *cmd) {
    range_of(cmd);
    uint64_t bytes = (uint64_t)cmd->nlb << cmd->ns->lba_shift;
    uint64_t mdts = nvme_cmd_subsystem(cmd)->config.mdts;
    if (UNLIKELY(bytes > mdts))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw12),
                         "%u blocks (%" PRIu64 " bytes) exceed MDTS (%" PRIu64 " bytes)", cmd->nlb, bytes, mdts);
    cmd->xfer_bytes = (uint32_t)bytes;
    return nvme_range_check(cmd, cmd->slba, cmd->nlb, NVME_LOC(cdw10));
}

uint32_t nvme_limit_lbas(const struct nvme_ns *ns) {
    return 1u << (NVME_RANGE_LIMIT_SHIFT - ns->lba_shift);
}

struct nvme_status nvme_range_prepare(struct nvme_cmd *cmd) {
    range_of(cmd);
    if (cmd->nlb > nvme_limit_lbas(cmd->ns))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw12), "%u blocks exceed VSL, WZSL and WUSL (%u blocks)",
                         cmd->nlb, nvme_limit_lbas(cmd->ns));
    return nvme_range_check(cmd, cmd->slba, cmd->nlb, NVME_LOC(cdw10));
}

/* ---- Accounting: the busy time of SMART, and what a format has to wait for ---- */

void nvme_io_begin(struct nvme_cmd *cmd) {
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    cmd->ns->inflight++;
    if (!s->inflight++)
        s->busy_since_ns = sim_now(s->target->sim);
}

void nvme_io_end(struct nvme_cmd *cmd) {
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct nvme_ns *ns = cmd->ns;
    if (!--s->inflight)
        s->durable->busy_ns += (uint64_t)(sim_now(s->target->sim) - s->busy_since_ns);
    if (!--ns->inflight && UNLIKELY(ns->busy))
        nvme_format_go(ns);
}

/* ---- Between command and io ---- */

/* The namespace as it is now, not as it was when the command came. */
struct nvme_status nvme_data_still_fits(struct nvme_cmd *cmd) {
    const struct nvme_ns *ns = cmd->ns;
    if (UNLIKELY(ns->busy))
        return nvme_fail(cmd, NVME_SC_FORMAT_IN_PROGRESS, NVME_LOC_NONE, "namespace %u is being formatted", ns->nsid);
    if (UNLIKELY(cmd->xfer_bytes && cmd->xfer_bytes != (uint64_t)cmd->nlb << ns->lba_shift))
        return nvme_fail(cmd, NVME_SC_INVALID_NS, NVME_LOC_NONE, "the block size changed to %u while data was coming",
                         nvme_lba_bytes(ns));
    return NVME_OK;
}

struct nvme_status nvme_still_possible(struct nvme_cmd *cmd) {
    struct nvme_status st = nvme_data_still_fits(cmd);
    return UNLIKELY(st.v) ? st : nvme_range_check(cmd, cmd->slba, cmd->nlb, NVME_LOC(cdw10));
}

static void rw_submit(struct nvme_cmd *cmd, enum io_op op, uint32_t flags, void (*done)(struct io *)) {
    struct io *io = &cmd->io;
    io->op = (uint8_t)op;
    io->flags = flags | IO_SYNC; /* as Linux's target: a host waits for it */
    io->offset = cmd->ns->base + (cmd->slba << cmd->ns->lba_shift);
    io->bytes = (uint64_t)cmd->nlb << cmd->ns->lba_shift;
    nvme_io_begin(cmd);
    nvme_cmd_submit(cmd, done);
}

/* False: the command is not to be finished any more. */
static bool rw_back(struct nvme_cmd *cmd) {
    nvme_io_end(cmd);
    cmd->due_ns = cmd->io.completed_ns;
    return nvme_cmd_returned(cmd);
}

bool nvme_read_ok(struct nvme_cmd *cmd, uint64_t slba, uint64_t nlb, struct nvme_status *status) {
    uint64_t first;
    cmd->slba = slba;
    if (UNLIKELY(cmd->io.status)) {
        *status = nvme_io_failed(cmd);
        return false;
    }
    if (UNLIKELY(cmd->ns->marks) && nvme_marks_hit(cmd->ns, slba, nlb, &first)) {
        cmd->slba = first;
        nvme_cmd_subsystem(cmd)->durable->media_errors++;
        *status = nvme_fail(cmd, NVME_SC_UNRECOVERED_READ, NVME_LOC_NONE,
                            "block %" PRIu64 " was marked by Write Uncorrectable", first);
        return false;
    }
    if (UNLIKELY(cmd->io.unmapped) && (cmd->ns->durable->error_recovery & NVME_DULBE)) {
        *status =
            nvme_fail(cmd, NVME_SC_DEALLOCATED, NVME_LOC_NONE,
                      "a block of %" PRIu64 " to %" PRIu64 " is deallocated and DULBE is set", slba, slba + nlb - 1);
        return false;
    }
    return true;
}

static void read_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct nvme_status st = NVME_OK;
    if (!rw_back(cmd))
        return;
    s->durable->host_reads++;
    if (LIKELY(nvme_read_ok(cmd, cmd->slba, cmd->nlb, &st))) {
        s->durable->read_bytes += io->bytes;
        cmd->out = io->data ? io->data : s->zeros;
        cmd->out_bytes = cmd->xfer_bytes;
    }
    nvme_cmd_finish(cmd, st);
}

struct nvme_status nvme_read(struct nvme_cmd *cmd) {
    struct nvme_status st = nvme_still_possible(cmd);
    if (UNLIKELY(st.v))
        return st;
    rw_submit(cmd, IO_READ, 0, read_done);
    return NVME_PENDING;
}

static void write_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct nvme_status st = NVME_OK;
    if (UNLIKELY(cmd->ns->marks) && !io->status)
        nvme_marks_clear(cmd->ns, cmd->slba, cmd->nlb);
    if (!rw_back(cmd))
        return;
    s->durable->host_writes++;
    if (LIKELY(!io->status))
        s->durable->written_bytes += io->bytes;
    else
        st = nvme_io_failed(cmd);
    nvme_cmd_finish(cmd, st);
}

/* Without the volatile write cache every write goes through it. */
uint32_t nvme_fua(const struct nvme_cmd *cmd) {
    const struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    if (UNLIKELY(le32_get(cmd->sqe.cdw12) & NVME_RW_FUA))
        return IO_FUA;
    return ctrl->write_through ? IO_FUA : 0;
}

struct nvme_status nvme_write(struct nvme_cmd *cmd) {
    struct nvme_status st = nvme_still_possible(cmd);
    if (UNLIKELY(st.v))
        return st;
    cmd->io.vec = cmd->in;
    cmd->io.nvec = cmd->in_count;
    rw_submit(cmd, IO_WRITE, nvme_fua(cmd), write_done);
    return NVME_PENDING;
}

/* ---- Ranges without data ---- */

static void verify_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_status st = NVME_OK;
    if (!rw_back(cmd))
        return;
    nvme_read_ok(cmd, cmd->slba, cmd->nlb, &st);
    nvme_cmd_finish(cmd, st);
}

struct nvme_status nvme_verify(struct nvme_cmd *cmd) {
    struct nvme_status st = nvme_still_possible(cmd);
    if (st.v)
        return st;
    rw_submit(cmd, IO_READ, IO_NO_DATA, verify_done);
    return NVME_PENDING;
}

struct nvme_status nvme_write_zeroes(struct nvme_cmd *cmd) {
    struct nvme_status st = nvme_still_possible(cmd);
    if (st.v)
        return st;
    bool deallocate = le32_get(cmd->sqe.cdw12) & NVME_WZ_DEAC;
    rw_submit(cmd, IO_WRITE_ZEROES, nvme_fua(cmd) | (deallocate ? 0 : IO_KEEP_MAPPED), write_done);
    return NVME_PENDING;
}

struct nvme_status nvme_write_uncorrectable(struct nvme_cmd *cmd) {
    struct nvme_status st = nvme_still_possible(cmd);
    if (st.v)
        return st;
    if (cmd->ns->zones)
        return nvme_zone_uncorrectable(cmd);
    if (nvme_marks_add(cmd->ns, cmd->slba, cmd->nlb))
        return nvme_fail(cmd, NVME_SC_INTERNAL_ERROR, NVME_LOC_NONE,
                         "all %u ranges for uncorrectable blocks are in use; write some of them first", NVME_MARKS);
    return NVME_OK;
}

static bool compare_equal(const struct nvme_cmd *cmd, const char *data, uint64_t *at) {
    for (uint32_t i = 0, done = 0; i < cmd->in_count && done < cmd->xfer_bytes; i++) {
        const char *ours = cmd->in[i].iov_base;
        size_t len = cmd->in[i].iov_len;
        if (len > cmd->xfer_bytes - done)
            len = cmd->xfer_bytes - done;
        if (memcmp(ours, data + done, len) != 0) {
            size_t b = 0;
            while (ours[b] == data[done + b])
                b++;
            *at = done + b;
            return false;
        }
        done += (uint32_t)len;
    }
    return true;
}

static void compare_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct nvme_status st = NVME_OK;
    uint64_t at;
    if (!rw_back(cmd))
        return;
    s->durable->host_reads++;
    if (nvme_read_ok(cmd, cmd->slba, cmd->nlb, &st) && !compare_equal(cmd, io->data ? io->data : s->zeros, &at)) {
        cmd->slba += at >> cmd->ns->lba_shift;
        st = nvme_fail(cmd, NVME_SC_COMPARE_FAILURE, NVME_LOC_NONE,
                       "byte %" PRIu64 " of the data, in block %" PRIu64 ", differs", at, cmd->slba);
    }
    nvme_cmd_finish(cmd, st);
}

struct nvme_status nvme_compare(struct nvme_cmd *cmd) {
    struct nvme_status st = nvme_still_possible(cmd);
    if (st.v)
        return st;
    rw_submit(cmd, IO_READ, 0, compare_done);
    return NVME_PENDING;
}

/* ---- Flush ---- */

static void flush_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    cmd->due_ns = io->completed_ns;
    if (nvme_cmd_returned(cmd))
        nvme_cmd_finish(cmd, io->status ? nvme_io_failed(cmd) : NVME_OK);
}

/* One drive is behind all namespaces, so flushing one or all is the same. */
struct nvme_status nvme_flush(struct nvme_cmd *cmd) {
    if (cmd->ns && cmd->ns->busy)
        return nvme_fail(cmd, NVME_SC_FORMAT_IN_PROGRESS, NVME_LOC_NONE, "namespace %u is being formatted",
                         cmd->ns->nsid);
    cmd->io.op = IO_FLUSH;
    nvme_cmd_submit(cmd, flush_done);
    return NVME_PENDING;
}

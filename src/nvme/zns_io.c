/*
 * Zone Append, and what Write Uncorrectable and Copy have to look at on a zoned
 * namespace. ZNS 1.1, sections 3.3 and 3.4.1. Reads, writes and the others need
 * nothing here: the drive holds them to its zones.
 *
 * Simplified: there is no protection information, so PIREMAP and the tags of an
 * append mean nothing (rules of section 3.4.1.1).
 */
#include <inttypes.h>

#include "nvme/nvme_int.h"

static struct nvme_cmd *cmd_of(struct io *io) {
    return NVME_CONTAINER(io, struct nvme_cmd, io);
}

/* ---- Zone Append ---- */

uint64_t nvme_append_limit(const struct nvme_subsystem *s) {
    return s->zones.append_bytes ? s->zones.append_bytes : s->config.mdts;
}

static struct nvme_status append_too_long(struct nvme_cmd *cmd, uint64_t limit) {
    const char *which = nvme_cmd_subsystem(cmd)->zones.append_bytes ? "ZASL" : "ZASL 0, so MDTS";
    uint64_t most = limit >> cmd->ns->lba_shift;
    char slip[80] = "";
    if (cmd->nlb == most + 1)
        snprintf(slip, sizeof slip, "; NLB is zero-based: for %" PRIu64 " blocks it is %" PRIu64, most, most - 1);
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw12),
                     "append of %u blocks (%" PRIu64 " bytes) exceeds %s: %" PRIu64 " blocks (%" PRIu64 " bytes)%s",
                     cmd->nlb, (uint64_t)cmd->nlb << cmd->ns->lba_shift, which, most, limit, slip);
}

static struct nvme_status append_check(struct nvme_cmd *cmd) {
    uint64_t limit = nvme_append_limit(nvme_cmd_subsystem(cmd)), lbas = nvme_zone_lbas(cmd->ns);
    if ((uint64_t)cmd->nlb << cmd->ns->lba_shift > limit)
        return append_too_long(cmd, limit);
    struct nvme_status st = nvme_zone_start_check(cmd);
    if (!st.v && cmd->nlb > lbas)
        st = nvme_fail(cmd, IO_ZONE_BOUNDARY, NVME_LOC(cdw12), "append of %u blocks to a zone of %" PRIu64, cmd->nlb,
                       lbas);
    return st;
}

struct nvme_status nvme_append_prepare(struct nvme_cmd *cmd) {
    cmd->slba = (uint64_t)nvme_cdw(cmd, 11) << 32 | nvme_cdw(cmd, 10);
    cmd->nlb = NVME_RW_NLB(nvme_cdw(cmd, 12));
    struct nvme_status st = append_check(cmd);
    if (!st.v)
        cmd->xfer_bytes = cmd->nlb << cmd->ns->lba_shift;
    return st;
}

static void append_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct nvme_status st = NVME_OK;
    nvme_io_end(cmd);
    cmd->due_ns = io->completed_ns;
    if (!nvme_cmd_returned(cmd))
        return;
    s->durable->host_writes++;
    if (__builtin_expect(!io->status, 1)) {
        s->durable->written_bytes += io->bytes;
        cmd->cqe.result = le64_from((io->result - cmd->ns->base) >> cmd->ns->lba_shift);
    } else {
        st = nvme_io_failed(cmd);
    }
    nvme_cmd_finish(cmd, st);
}

struct nvme_status nvme_append(struct nvme_cmd *cmd) {
    struct nvme_ns *ns = cmd->ns;
    struct nvme_status st = nvme_data_still_fits(cmd);
    if (!st.v)
        st = append_check(cmd);
    if (st.v)
        return st;
    struct io *io = &cmd->io;
    io->op = IO_APPEND;
    io->flags = nvme_fua(cmd);
    io->offset = ns->base + (cmd->slba << ns->lba_shift);
    io->bytes = cmd->xfer_bytes;
    io->vec = cmd->in;
    io->nvec = cmd->in_count;
    nvme_io_begin(cmd);
    nvme_cmd_submit(cmd, append_done);
    return NVME_PENDING;
}

/* ---- Write Uncorrectable ---- */

/* The zone moves on as by a write; then its new blocks are marked. */
static void uncorrectable_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    bool full = !io->status && nvme_marks_add(cmd->ns, cmd->slba, cmd->nlb);
    nvme_io_end(cmd);
    cmd->due_ns = io->completed_ns;
    if (!nvme_cmd_returned(cmd))
        return;
    struct nvme_status st = NVME_OK;
    if (io->status)
        st = nvme_io_failed(cmd);
    else if (full)
        st = nvme_fail(cmd, NVME_SC_INTERNAL_ERROR, NVME_LOC_NONE,
                       "all %u ranges for uncorrectable blocks are in use; blocks 0x%" PRIx64 " on became zeros",
                       NVME_MARKS, cmd->slba);
    nvme_cmd_finish(cmd, st);
}

struct nvme_status nvme_zone_uncorrectable(struct nvme_cmd *cmd) {
    struct nvme_ns *ns = cmd->ns;
    if (ns->marks == NVME_MARKS)
        return nvme_fail(cmd, NVME_SC_INTERNAL_ERROR, NVME_LOC_NONE,
                         "all %u ranges for uncorrectable blocks are in use; reset some of their zones first",
                         NVME_MARKS);
    struct io *io = &cmd->io;
    io->op = IO_WRITE_ZEROES;
    io->flags = IO_KEEP_MAPPED | nvme_fua(cmd);
    io->offset = ns->base + (cmd->slba << ns->lba_shift);
    io->bytes = (uint64_t)cmd->nlb << ns->lba_shift;
    nvme_io_begin(cmd);
    nvme_cmd_submit(cmd, uncorrectable_done);
    return NVME_PENDING;
}

/* ---- Copy ---- */

/*
 * A copy is written range by range. One that fits into its zone only in part
 * fails before anything is moved; every other fault is found by the first write.
 */
struct nvme_status nvme_zone_copy_check(struct nvme_cmd *cmd) {
    const struct nvme_ns *ns = cmd->ns;
    struct drive_zone z;
    uint64_t lbas = nvme_zone_lbas(ns), zone = cmd->slba / lbas;
    nvme_zone_get(ns, (uint32_t)zone, &z);
    uint64_t to = ns->base + (cmd->slba << ns->lba_shift), bytes = (uint64_t)cmd->nlb << ns->lba_shift;
    if (z.write_pointer != to || to + bytes <= z.start + z.capacity)
        return NVME_OK;
    return nvme_fail(cmd, IO_ZONE_BOUNDARY, NVME_LOC(cdw10),
                     "copy of %u blocks to LBA 0x%" PRIx64 ": zone %" PRIu64 " (%s) at LBA 0x%" PRIx64
                     " has a capacity of %" PRIu64 " blocks, of which %" PRIu64 " are left",
                     cmd->nlb, cmd->slba, zone, zone_state_name(z.state), zone * lbas, z.capacity >> ns->lba_shift,
                     (z.start + z.capacity - to) >> ns->lba_shift);
}

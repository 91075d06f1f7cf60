/*
 * Format NVM: a job of the namespace, not of the command, as it outlives the
 * command's connection and even the process.
 *
 *   begin (busy, durable: formatting = new block size)
 *     -> wait until no I/O command of the namespace is in the drive
 *     -> deallocate it step by step (zones: reset them) -> flush
 *     -> new block size, marks gone, durable: formatting = 0 -> tell the hosts
 *
 * Faithful: data is erased whatever SES says (0 or 1); progress in FPI;
 * commands meanwhile fail with Format In Progress; Namespace Attribute Changed.
 * On a zoned namespace every zone that is not Offline becomes Empty, for which
 * the drive takes the time of resetting them.
 * Not modelled: cryptographic erase, metadata, protection information.
 */
#include <inttypes.h>

#include "nvme/nvme_int.h"

static void format_step(struct nvme_ns *ns);

uint32_t nvme_format_shift(uint32_t index) {
    return index ? 12 : 9;
}

struct nvme_status nvme_format_prepare(struct nvme_cmd *cmd) {
    uint32_t cdw10 = nvme_cdw(cmd, 10);
    uint32_t lbaf = (cdw10 & 15) | (cdw10 >> 12 & 3) << 4, ses = cdw10 >> 9 & 7;
    if (lbaf >= NVME_LBA_FORMATS)
        return nvme_fail(cmd, NVME_SC_INVALID_FORMAT, NVME_LOC(cdw10),
                         "LBA format %u; 0 (512 bytes) and 1 (4096 bytes) exist", lbaf);
    if (cdw10 & 0x1f0)
        return nvme_fail(cmd, NVME_SC_INVALID_FORMAT, NVME_LOC(cdw10) | 4 << 8,
                         "metadata and protection information are not supported (CDW10 %08xh)", cdw10);
    if (ses > 1)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, (NVME_LOC(cdw10) + 1) | 1 << 8,
                         "secure erase setting %u; 0 and 1 are supported", ses);
    return NVME_OK;
}

static void format_tell(struct nvme_ns *ns) {
    for (struct nvme_ctrl *ctrl = ns->subsystem->target->ctrls, *next; ctrl; ctrl = next) {
        next = ctrl->next;
        if (ctrl->subsystem != ns->subsystem)
            continue;
        ctrl->changed_ns |= 1ull << (ns->nsid - 1);
        nvme_event_raise(ctrl, NVME_EVENT_NS_ATTRIBUTE);
    }
}

/* The command may wait for several namespaces; the last one answers, with the first failure. */
static void format_answer(struct nvme_cmd *cmd, struct nvme_status st) {
    if (!cmd)
        return;
    if (st.v && !cmd->status)
        cmd->status = st.v;
    if (--cmd->steps_left)
        return;
    st.v = cmd->status;
    if (nvme_cmd_returned(cmd))
        nvme_cmd_finish(cmd, st);
}

static void format_end(struct nvme_ns *ns, bool ok) {
    struct nvme_format *format = &ns->format;
    struct nvme_cmd *cmd = format->cmd;
    struct nvme_status st = NVME_OK;
    if (ok) {
        nvme_ns_set_shift(ns, ns->durable->formatting);
        for (unsigned i = 0; i < NVME_MARKS; i++)
            ns->durable->marks[i].count = 0;
        ns->marks = 0;
        ns->durable->lba_shift = ns->lba_shift;
        log_limited(&ns->subsystem->target->limit, LOG_NVME, LOG_LEVEL_INFO,
                    "%s: namespace %u formatted to %u-byte blocks", ns->subsystem->config.nqn, ns->nsid,
                    nvme_lba_bytes(ns));
    } else if (cmd && cmd->queue->ctrl && cmd->state == NVME_CMD_RUNNING) {
        st = nvme_fail(cmd, format->io.status, NVME_LOC_NONE, "namespace %u: %.140s", ns->nsid,
                       format->io.reason ? format->io.reason : "the drive gave no reason");
    }
    io_release(&format->io);
    ns->durable->formatting = 0;
    ns->busy = false;
    format->cmd = NULL;
    if (ok)
        format_tell(ns);
    format_answer(cmd, st);
}

/* The reset left what cannot be reset: Read Only zones are formatted all the same. */
static void zones_empty(struct nvme_ns *ns) {
    struct nvme_subsystem *s = ns->subsystem;
    s->zoned->format(s->drive, ns->zone_first, ns->zones);
}

static void format_flushed(struct io *io) {
    struct nvme_format *format = NVME_CONTAINER(io, struct nvme_format, io);
    format_end(format->ns, io->status == IO_OK);
}

static void format_erased(struct io *io) {
    struct nvme_format *format = NVME_CONTAINER(io, struct nvme_format, io);
    if (io->status) {
        format_end(format->ns, false);
        return;
    }
    format->cursor += io->bytes;
    if (format->ns->zones)
        zones_empty(format->ns);
    format_step(format->ns);
}

static void fill_trim(struct nvme_ns *ns, struct io *io) {
    uint64_t left = ns->bytes - ns->format.cursor;
    io->op = IO_TRIM;
    io->offset = ns->base + ns->format.cursor;
    io->bytes = left < NVME_STEP_BYTES ? left : NVME_STEP_BYTES;
}

static void fill_zone_reset(struct nvme_ns *ns, struct io *io) {
    io->op = IO_ZONE;
    io->action = ZONE_RESET;
    io->flags = IO_ZONE_ALL;
    io->offset = ns->base;
    io->bytes = ns->bytes;
}

static void format_step(struct nvme_ns *ns) {
    struct io *io = &ns->format.io;
    bool left = ns->bytes > ns->format.cursor;
    io_init(io);
    io->done = left ? format_erased : format_flushed;
    if (!left)
        io->op = IO_FLUSH;
    else if (ns->zones)
        fill_zone_reset(ns, io);
    else
        fill_trim(ns, io);
    drive_submit(ns->subsystem->drive, io);
}

void nvme_format_go(struct nvme_ns *ns) {
    format_step(ns);
}

static void format_begin(struct nvme_ns *ns, uint32_t shift, struct nvme_cmd *cmd) {
    ns->busy = true;
    ns->durable->formatting = shift;
    ns->format.ns = ns;
    ns->format.cmd = cmd;
    ns->format.cursor = 0;
    if (!ns->inflight)
        nvme_format_go(ns);
}

void nvme_format_resume(struct nvme_ns *ns) {
    if (ns->durable->formatting)
        format_begin(ns, ns->durable->formatting, NULL);
}

struct nvme_status nvme_format(struct nvme_cmd *cmd) {
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    uint32_t cdw10 = nvme_cdw(cmd, 10), shift = nvme_format_shift(cdw10 & 15);
    uint32_t first = cmd->ns ? cmd->ns->nsid - 1 : 0, last = cmd->ns ? first : s->ns_count - 1;
    for (uint32_t i = first; i <= last; i++)
        if (s->ns[i].busy)
            return nvme_fail(cmd, NVME_SC_FORMAT_IN_PROGRESS, NVME_LOC_NONE, "namespace %u is being formatted", i + 1);
    cmd->steps_left = last - first + 1;
    cmd->io_busy = true;
    for (uint32_t i = first; i <= last; i++)
        format_begin(&s->ns[i], shift, cmd);
    return NVME_PENDING;
}

/*
 * Zone Management Send and Receive: ZNS 1.1, sections 3.4.2 and 3.4.3, and
 * TP4076 for random write areas.
 *
 * What a zone may do is the drive's to decide, when the request reaches it;
 * here are the rules about the command: actions, Select All, which LBAs, sizes.
 * A report is made at once, from the zones as they are.
 */
#include <inttypes.h>

#include "nvme/nvme_int.h"

#define LOC_ACTION NVME_LOC(cdw13)
#define LOC_ALL    (NVME_LOC(cdw13) + 1)
#define LOC_ZRWAA  ((NVME_LOC(cdw13) + 1) | 1 << 8)
#define LOC_FILTER (NVME_LOC(cdw13) + 1)

static struct nvme_cmd *cmd_of(struct io *io) {
    return NVME_CONTAINER(io, struct nvme_cmd, io);
}

static uint64_t slba_of(const struct nvme_cmd *cmd) {
    return (uint64_t)nvme_cdw(cmd, 11) << 32 | nvme_cdw(cmd, 10);
}

static struct nvme_status slba_check(struct nvme_cmd *cmd) {
    if (cmd->slba < cmd->ns->nsze)
        return NVME_OK;
    return nvme_fail(cmd, NVME_SC_LBA_OUT_OF_RANGE, NVME_LOC(cdw10),
                     "SLBA 0x%" PRIx64 ", namespace %u has 0x%" PRIx64 " blocks", cmd->slba, cmd->ns->nsid,
                     cmd->ns->nsze);
}

struct nvme_status nvme_zone_start_check(struct nvme_cmd *cmd) {
    const struct nvme_ns *ns = cmd->ns;
    struct nvme_status st = slba_check(cmd);
    uint64_t lbas = nvme_zone_lbas(ns), zone = cmd->slba / lbas;
    if (st.v || cmd->slba == zone * lbas)
        return st;
    if (cmd->slba < ns->zones)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10),
                         "SLBA 0x%" PRIx64 " is not the start of a zone; if zone number %" PRIu64
                         " is meant: it starts at LBA 0x%" PRIx64,
                         cmd->slba, cmd->slba, cmd->slba * lbas);
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10),
                     "SLBA 0x%" PRIx64 " is not the start of a zone; zone %" PRIu64 " starts at 0x%" PRIx64
                     ", the next at 0x%" PRIx64,
                     cmd->slba, zone, zone * lbas, (zone + 1) * lbas);
}

static struct nvme_status formatting_check(struct nvme_cmd *cmd) {
    if (cmd->ns->busy)
        return nvme_fail(cmd, NVME_SC_FORMAT_IN_PROGRESS, NVME_LOC_NONE, "namespace %u is being formatted",
                         cmd->ns->nsid);
    return NVME_OK;
}

/* ---- Send ---- */

static const struct send_row {
    uint8_t action; /* enum io_zone_action */
    bool all;       /* Select All is possible */
    bool zrwa;      /* so is ZRWAA */
    const char *name;
} send_rows[] = {
    {ZONE_CLOSE, true, false, "Close Zone"},
    {ZONE_FINISH, true, false, "Finish Zone"},
    {ZONE_OPEN, true, true, "Open Zone"},
    {ZONE_RESET, true, false, "Reset Zone"},
    {ZONE_TO_OFFLINE, true, false, "Offline Zone"},
    {ZONE_SET_EXTENSION, false, true, "Set Zone Descriptor Extension"},
    {ZONE_FLUSH_ZRWA, false, false, "Flush Explicit ZRWA Range"},
};

static const struct send_row *send_row(const struct nvme_cmd *cmd) {
    for (unsigned i = 0; i < sizeof send_rows / sizeof *send_rows; i++)
        if (send_rows[i].action == NVME_ZSEND_ACTION(nvme_cdw(cmd, 13)))
            return &send_rows[i];
    return NULL;
}

static struct nvme_status send_options_check(struct nvme_cmd *cmd, const struct send_row *row) {
    uint32_t cdw13 = nvme_cdw(cmd, 13);
    bool all = cdw13 & NVME_ZSEND_ALL;
    if (all && !row->all)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, LOC_ALL, "Select All with %s, which is for one zone", row->name);
    if (all && row->zrwa && (cdw13 & NVME_ZSEND_ZRWAA))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, LOC_ZRWAA, "ZRWAA with Select All; it is for one zone");
    if (row->action == ZONE_SET_EXTENSION && !cmd->ns->subsystem->zones.extension_bytes)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, LOC_ACTION,
                         "the zones have no descriptor extensions (ZDES is 0; zns.extension_bytes)");
    return NVME_OK;
}

static struct nvme_status send_place_check(struct nvme_cmd *cmd, const struct send_row *row) {
    if (nvme_cdw(cmd, 13) & NVME_ZSEND_ALL)
        return NVME_OK;
    return row->action == ZONE_FLUSH_ZRWA ? slba_check(cmd) : nvme_zone_start_check(cmd);
}

struct nvme_status nvme_zone_send_prepare(struct nvme_cmd *cmd) {
    const struct send_row *row = send_row(cmd);
    struct nvme_status st;
    if (!row)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, LOC_ACTION,
                         "zone send action %02xh; 01h to 05h, 10h and 11h exist", NVME_ZSEND_ACTION(nvme_cdw(cmd, 13)));
    st = send_options_check(cmd, row);
    if (st.v || (nvme_cdw(cmd, 13) & NVME_ZSEND_ALL))
        return st;
    cmd->slba = slba_of(cmd);
    st = send_place_check(cmd, row);
    if (!st.v && row->action == ZONE_SET_EXTENSION)
        cmd->xfer_bytes = cmd->ns->subsystem->zones.extension_bytes;
    return st;
}

static void send_done(struct io *io) {
    struct nvme_cmd *cmd = cmd_of(io);
    struct nvme_ns *ns = cmd->ns;
    bool reset = io->action == ZONE_RESET && !io->status;
    if (reset && ns->marks && (io->flags & IO_ZONE_ALL))
        nvme_zones_forget_marks(ns);
    else if (reset && ns->marks)
        nvme_marks_clear(ns, (io->offset - ns->base) >> ns->lba_shift, nvme_zone_lbas(ns));
    nvme_io_end(cmd);
    cmd->due_ns = io->completed_ns;
    if (!nvme_cmd_returned(cmd))
        return;
    if (reset)
        nvme_cmd_result(cmd, io->result ? NVME_ZRESET_CAPACITY : 0);
    nvme_cmd_finish(cmd, io->status ? nvme_io_failed(cmd) : NVME_OK);
}

static void send_fill(struct nvme_cmd *cmd, const struct send_row *row) {
    const struct nvme_ns *ns = cmd->ns;
    uint32_t cdw13 = nvme_cdw(cmd, 13);
    struct io *io = &cmd->io;
    io->op = IO_ZONE;
    io->action = row->action;
    io->offset = ns->base;
    if (cdw13 & NVME_ZSEND_ALL) {
        io->flags = IO_ZONE_ALL;
        io->bytes = ns->bytes;
        return;
    }
    io->offset += (cmd->slba + (row->action == ZONE_FLUSH_ZRWA)) << ns->lba_shift;
    if (row->zrwa && (cdw13 & NVME_ZSEND_ZRWAA))
        io->flags = IO_ZRWA;
    if (row->action == ZONE_SET_EXTENSION) {
        io->vec = cmd->in;
        io->nvec = cmd->in_count;
    }
}

/* Checked again: while it waited for its data or the end of a pause, a format may have changed the blocks. */
struct nvme_status nvme_zone_send(struct nvme_cmd *cmd) {
    const struct send_row *row = send_row(cmd);
    struct nvme_status st = formatting_check(cmd);
    if (!st.v)
        st = send_place_check(cmd, row);
    if (st.v)
        return st;
    send_fill(cmd, row);
    nvme_io_begin(cmd);
    nvme_cmd_submit(cmd, send_done);
    return NVME_PENDING;
}

/* ---- Receive ---- */

static const uint8_t filter_states[] = {
    [NVME_ZRASF_EMPTY] = ZONE_STATE_EMPTY,
    [NVME_ZRASF_IMPLICIT_OPEN] = ZONE_STATE_IMPLICIT_OPEN,
    [NVME_ZRASF_EXPLICIT_OPEN] = ZONE_STATE_EXPLICIT_OPEN,
    [NVME_ZRASF_CLOSED] = ZONE_STATE_CLOSED,
    [NVME_ZRASF_FULL] = ZONE_STATE_FULL,
    [NVME_ZRASF_READ_ONLY] = ZONE_STATE_READ_ONLY,
    [NVME_ZRASF_OFFLINE] = ZONE_STATE_OFFLINE,
};

static bool filter_exists(uint32_t filter) {
    return filter <= NVME_ZRASF_OFFLINE || filter == NVME_ZRASF_ATTRIBUTES;
}

static bool filter_takes(uint32_t filter, const struct drive_zone *z) {
    if (filter == NVME_ZRASF_ALL)
        return true;
    if (filter == NVME_ZRASF_ATTRIBUTES)
        return z->attributes & (ZONE_RESET_RECOMMENDED | ZONE_FINISH_RECOMMENDED | ZONE_FINISHED_BY_CONTROLLER);
    return z->state == filter_states[filter];
}

struct nvme_status nvme_zone_receive_prepare(struct nvme_cmd *cmd) {
    uint32_t cdw13 = nvme_cdw(cmd, 13), action = NVME_ZRECV_ACTION(cdw13), filter = NVME_ZRECV_FILTER(cdw13);
    uint64_t bytes = ((uint64_t)nvme_cdw(cmd, 12) + 1) * 4, mdts = nvme_cmd_subsystem(cmd)->config.mdts;
    if (action > NVME_ZRA_EXTENDED_REPORT)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, LOC_ACTION, "zone receive action %02xh; 00h and 01h exist",
                         action);
    if (action == NVME_ZRA_EXTENDED_REPORT && !cmd->ns->subsystem->zones.extension_bytes)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, LOC_ACTION,
                         "an extended report, but the zones have no descriptor extensions (ZDES is 0)");
    if (!filter_exists(filter))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, LOC_FILTER, "report filter %02xh; 00h to 07h and 09h exist",
                         filter);
    if (bytes > mdts)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw12),
                         "a report of %" PRIu64 " bytes exceeds MDTS (%" PRIu64 " bytes)", bytes, mdts);
    cmd->slba = slba_of(cmd);
    cmd->xfer_bytes = (uint32_t)bytes;
    return slba_check(cmd);
}

struct report {
    const struct nvme_ns *ns;
    uint8_t *at, *end;
    uint32_t extension; /* bytes behind each descriptor */
    uint64_t entries;   /* that went in */
};

static void report_add(struct report *r, uint32_t index, const struct drive_zone *z) {
    const struct nvme_ns *ns = r->ns;
    bool pointer = z->write_pointer != UINT64_MAX;
    struct nvme_zone_desc *desc = (struct nvme_zone_desc *)r->at; /* in place: a copy would wait for its parts */
    *desc = (struct nvme_zone_desc){
        .zt = NVME_ZT_SEQWRITE_REQ,
        .zs = (uint8_t)(z->state << 4),
        .za = z->attributes,
        .zai = z->info,
        .zcap = le64_from(z->capacity >> ns->lba_shift),
        .zslba = le64_from(index * nvme_zone_lbas(ns)),
        .wp = le64_from(pointer ? (z->write_pointer - ns->base) >> ns->lba_shift : UINT64_MAX),
    };
    if (r->extension) {
        struct nvme_subsystem *s = ns->subsystem;
        memcpy(r->at + sizeof *desc, s->zoned->extension(s->drive, ns->zone_first + index), r->extension);
    }
    r->at += sizeof *desc + r->extension;
    r->entries++;
}

/* Number of zones for the header: those reported, or with `partial` clear all that match. */
static uint64_t report_fill(struct report *r, uint32_t first, uint32_t filter, bool partial) {
    uint64_t matches = 0, entry = sizeof(struct nvme_zone_desc) + r->extension;
    for (uint32_t i = first; i < r->ns->zones; i++) {
        bool room = (uint64_t)(r->end - r->at) >= entry;
        struct drive_zone z;
        if (!room && partial)
            break;
        if (!room && filter == NVME_ZRASF_ALL)
            return matches + (r->ns->zones - i);
        nvme_zone_get(r->ns, i, &z);
        if (!filter_takes(filter, &z))
            continue;
        matches++;
        if (room)
            report_add(r, i, &z);
    }
    return matches;
}

struct nvme_status nvme_zone_receive(struct nvme_cmd *cmd) {
    uint32_t cdw13 = nvme_cdw(cmd, 13);
    struct nvme_status st = formatting_check(cmd);
    if (!st.v)
        st = slba_check(cmd);
    uint8_t *page = st.v ? NULL : nvme_cmd_scratch(cmd, cmd->xfer_bytes, &st);
    if (!page)
        return st;
    struct report report = {.ns = cmd->ns, .at = page, .end = page + cmd->xfer_bytes};
    struct nvme_zone_report header = {0};
    if (NVME_ZRECV_ACTION(cdw13) == NVME_ZRA_EXTENDED_REPORT)
        report.extension = cmd->ns->subsystem->zones.extension_bytes;
    report.at += cmd->xfer_bytes < sizeof header ? cmd->xfer_bytes : sizeof header;
    header.nr_zones = le64_from(report_fill(&report, (uint32_t)(cmd->slba / nvme_zone_lbas(cmd->ns)),
                                            NVME_ZRECV_FILTER(cdw13), cdw13 & NVME_ZRECV_PARTIAL));
    memset(report.at, 0, (size_t)(report.end - report.at));
    memcpy(page, &header, cmd->xfer_bytes < sizeof header ? cmd->xfer_bytes : sizeof header);
    return NVME_OK;
}

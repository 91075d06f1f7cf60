/*
 * The watchdog: names each command that is older than nvme.watchdog, once, with
 * the stage it is in and what the drive is doing with it.
 *
 * A timer of the subsystem, a quarter of the limit apart, that runs only while
 * there is something to watch: the first command to come sets it, and it ends
 * when it finds nothing but event requests. So a command is named when it is
 * between one and one and a quarter limits old. The limit is modelled time.
 *
 * Hosts wait 30 s by default before they abort a command (Linux's io_timeout);
 * a limit at or below that says here what they will only say as a timeout.
 */
#include <inttypes.h>

#include "base/text.h"
#include "nvme/history.h"
#include "nvme/nvme_int.h"

static const char *op_words(const struct io *io) {
    static const char *const words[IO_OPS] = {
        [IO_READ] = "a read",
        [IO_WRITE] = "a write",
        [IO_FLUSH] = "a flush",
        [IO_TRIM] = "a trim",
        [IO_WRITE_ZEROES] = "a write of zeroes",
        [IO_APPEND] = "an append",
        [IO_ZONE] = "a zone action",
    };
    return io->op < IO_OPS && words[io->op] ? words[io->op] : "a request";
}

/* ": a read of 4096 bytes at byte 8192, there for 31 s, 2 parts of it outstanding; the drive has 17 requests" */
static void describe_io(const struct nvme_cmd *cmd, char *text, size_t size) {
    const struct io *io = &cmd->io;
    int64_t now = sim_now(cmd->queue->target->sim);
    char parts[48] = "", due[64] = "";
    if (io->pending)
        snprintf(parts, sizeof parts, ", %u parts of it outstanding", io->pending);
    if (io->completed_ns > now) /* drives that answer in order know it beforehand */
        snprintf(due, sizeof due, ", due in %s", text_time(io->completed_ns - now).s);
    snprintf(text, size,
             ": %s of %" PRIu64 " bytes at byte %" PRIu64 ", there for %s%s%s; the drive has %" PRIu64 " requests",
             op_words(io), io->bytes, io->offset, text_time(now - io->submitted_ns).s, parts, due, io->drive->inflight);
}

struct look {
    struct nvme_subsystem *s;
    int64_t now;
    unsigned watched, found;
};

static void name(struct look *look, struct nvme_cmd *cmd, enum nvme_stage stage) {
    char drive[256] = "";
    const char *command = nvme_opcode_name(nvme_cmd_kind(cmd), nvme_cmd_opcode(cmd));
    if (stage == NVME_STAGE_DRIVE)
        describe_io(cmd, drive, sizeof drive);
    log_warn(LOG_NVME, "watchdog: %s ctrl %u qid %u cid %u: %s (opcode %02xh) is %s old: %s%s", cmd->queue->peer,
             nvme_cmd_ctrl(cmd)->cntlid, cmd->queue->qid, le16_get(cmd->sqe.cid), command ? command : "a command",
             cmd->sqe.opc, text_time(look->now - cmd->started_ns).s, nvme_stage_name(stage), drive);
    cmd->watched = true;
    look->s->overdue++;
    look->found++;
}

static void look_at(struct nvme_cmd *cmd, void *context) {
    struct look *look = context;
    enum nvme_stage stage = nvme_stage_of(cmd);
    if (stage == NVME_STAGE_EVENT)
        return;
    look->watched++;
    if (!cmd->watched && look->now - cmd->started_ns >= look->s->config.watchdog)
        name(look, cmd, stage);
}

void nvme_watchdog_arm(struct nvme_subsystem *s) {
    int64_t period = s->config.watchdog / 4;
    sim_schedule(s->target->sim, &s->watchdog, sim_now(s->target->sim) + (period > 0 ? period : 1));
}

void nvme_watchdog_fire(struct sim_event *ev) {
    struct nvme_subsystem *s = NVME_CONTAINER(ev, struct nvme_subsystem, watchdog);
    struct look look = {.s = s, .now = sim_now(s->target->sim)};
    if (!s->config.watchdog)
        return;
    nvme_each_command(s, look_at, &look);
    if (look.watched)
        nvme_watchdog_arm(s);
    if (look.found)
        nvme_subsystem_fault(s, "commands are overdue");
}

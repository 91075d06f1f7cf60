/*
 * What Linux makes of a failed command: retried or not, which errno, which
 * lines in its log.
 *
 * Source: behaviour of drivers/nvme/host/core.c (nvme_decide_disposition(),
 * nvme_error_status(), nvme_log_error()) and of the block layer's table of
 * errors, Linux 6.12. Those look at the number alone, whatever the command.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "diag/explain_int.h"

const struct explain_blk explain_blks[] = {
    {"OK", "", 0},
    {"NOTSUPP", "operation not supported", EOPNOTSUPP},
    {"TIMEOUT", "timeout", ETIMEDOUT},
    {"NOSPC", "critical space allocation", ENOSPC},
    {"TRANSPORT", "recoverable transport", ENOLINK},
    {"TARGET", "critical target", EREMOTEIO},
    {"RESV_CONFLICT", "reservation conflict", EBADE},
    {"MEDIUM", "critical medium", ENODATA},
    {"PROTECTION", "protection", EILSEQ},
    {"RESOURCE", "kernel resource", ENOMEM},
    {"DEV_RESOURCE", "device resource", EBUSY},
    {"AGAIN", "nonblocking retry", EAGAIN},
    {"OFFLINE", "device offline", ENODEV},
    {"ZONE_OPEN_RESOURCE", "open zones exceeded", ETOOMANYREFS},
    {"ZONE_ACTIVE_RESOURCE", "active zones exceeded", EOVERFLOW},
    {"DURATION_LIMIT", "duration limit exceeded", ETIME},
    {"INVALID", "invalid", EINVAL},
    {"IOERR", "I/O", EIO},
    {.name = NULL},
};

/* Everything else is EIO. */
static const struct {
    uint16_t status;
    int number;
} mapped[] = {
    {0x000, 0},         {0x001, EOPNOTSUPP}, {0x002, EOPNOTSUPP},   {0x00b, EOPNOTSUPP}, {0x180, EOPNOTSUPP},
    {0x021, EREMOTEIO}, {0x080, EREMOTEIO},  {0x082, EREMOTEIO},    {0x081, ENOSPC},     {0x083, EBADE},
    {0x181, EILSEQ},    {0x282, EILSEQ},     {0x283, EILSEQ},       {0x284, EILSEQ},     {0x182, ENODATA},
    {0x280, ENODATA},   {0x281, ENODATA},    {0x285, ENODATA},      {0x286, ENODATA},    {0x287, ENODATA},
    {0x1bd, EOVERFLOW}, {0x370, ENOLINK},    {0x1be, ETOOMANYREFS},
};

const struct explain_blk *explain_blk_of(uint16_t status) {
    int number = EIO;
    for (unsigned i = 0; i < sizeof mapped / sizeof *mapped; i++)
        if (mapped[i].status == (status & 0x7ff))
            number = mapped[i].number;
    const struct explain_blk *blk = explain_blks;
    while (blk->number != number)
        blk++;
    return blk;
}

const char *explain_errno_name(int number) {
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {0, "0"},
#define ROW(e) {e, #e}
        ROW(EPERM),        ROW(ENOENT),      ROW(EINTR),        ROW(EIO),          ROW(ENXIO),        ROW(E2BIG),
        ROW(EAGAIN),       ROW(ENOMEM),      ROW(EACCES),       ROW(EFAULT),       ROW(EBUSY),        ROW(EEXIST),
        ROW(EXDEV),        ROW(ENODEV),      ROW(EINVAL),       ROW(ENOTTY),       ROW(ENOSPC),       ROW(EROFS),
        ROW(EPIPE),        ROW(ERANGE),      ROW(ENOSYS),       ROW(ENODATA),      ROW(ETIME),        ROW(ENOLINK),
        ROW(EBADE),        ROW(EPROTO),      ROW(EOVERFLOW),    ROW(EILSEQ),       ROW(ERESTART),     ROW(EOPNOTSUPP),
        ROW(EADDRINUSE),   ROW(ENETUNREACH), ROW(ECONNABORTED), ROW(ECONNRESET),   ROW(ENOTCONN),     ROW(ESHUTDOWN),
        ROW(ETOOMANYREFS), ROW(ETIMEDOUT),   ROW(ECONNREFUSED), ROW(EHOSTUNREACH), ROW(EALREADY),     ROW(EINPROGRESS),
        ROW(EDQUOT),       ROW(ECANCELED),   ROW(EREMOTEIO),    ROW(ENOKEY),       ROW(EKEYREJECTED),
#undef ROW
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            return names[i].name;
    return "an errno without a name here";
}

enum explain_fate explain_fate(uint16_t status) {
    if (!(status & 0x7ff))
        return EXPLAIN_DONE;
    if (status & NVME_DNR)
        return EXPLAIN_GIVES_UP;
    if ((status & 0x7ff) == NVME_SC_AUTH_REQUIRED)
        return EXPLAIN_AUTHENTICATES;
    return (status & 0x700) == 0x300 ? EXPLAIN_FAILS_OVER : EXPLAIN_RETRIES;
}

const char *explain_fate_name(enum explain_fate fate) {
    static const char *const names[] = {
        [EXPLAIN_DONE] = "completes",        [EXPLAIN_GIVES_UP] = "gives up",           [EXPLAIN_RETRIES] = "retries",
        [EXPLAIN_FAILS_OVER] = "fails over", [EXPLAIN_AUTHENTICATES] = "authenticates",
    };
    return names[fate];
}

/* ---- Its log ---- */

const char *explain_linux_name(const struct explain_reading *r) {
    uint16_t value = r->status & 0x7ff;
    const struct explain_about *std = explain_about_find(value, NVME_SET_STANDARD);
    const struct nvme_status_row *row = nvme_status_find_in(value, NVME_SET_STANDARD);
    return row && std && (std->seen & EXPLAIN_LINUX) ? row->name : "Unknown";
}

static const char *request_op(int opcode) {
    static const struct {
        uint8_t opcode;
        const char *text;
    } ops[] = {{NVME_IO_READ, "0x0:(READ)"},
               {NVME_IO_FLUSH, "0x2:(FLUSH)"},
               {NVME_IO_DSM, "0x3:(DISCARD)"},
               {NVME_IO_WRITE_ZEROES, "0x9:(WRITE_ZEROES)"},
               {0x7d, "0x7:(ZONE_APPEND)"}};
    for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i].opcode == opcode)
            return ops[i].text;
    return "0x1:(WRITE)";
}

/* The command told, or without a word about it the first that can fail so. */
static const struct nvme_opcode_row *command_shown(const struct explanation *x) {
    const struct explain_about *about = x->reading[0].about;
    static const struct nvme_opcode_row write = {NVME_KIND_IO, NVME_IO_WRITE, "Write"},
                                        identify = {NVME_KIND_ADMIN, NVME_ADMIN_IDENTIFY, "Identify"};
    char name[64];
    for (const struct nvme_opcode_row *row = nvme_opcodes; x->opcode >= 0 && row->name; row++)
        if (row->opcode == x->opcode && row->kind == (x->kind < 0 ? NVME_KIND_IO : x->kind))
            return row;
    for (const char *at = about ? about->commands : NULL; at && (at = explain_commands_next(at, name, sizeof name));)
        for (const struct nvme_opcode_row *row = nvme_opcodes; row->name; row++)
            if ((x->kind < 0 || row->kind == x->kind) && strcmp(row->name, name) == 0)
                return row;
    return x->kind == NVME_KIND_ADMIN ? &identify : &write;
}

static void dmesg_driver(const struct explanation *x, bool verbose, char *text, size_t size) {
    const struct explain_reading *r = &x->reading[0];
    const struct nvme_opcode_row *command = command_shown(x);
    bool admin = command->kind == NVME_KIND_ADMIN;
    char what[80];
    if (admin)
        snprintf(what, sizeof what, "nvme0: %s(0x%x)", verbose ? command->name : "Admin Cmd", command->opcode);
    else
        snprintf(what, sizeof what, "nvme0n1: %s(0x%x) @ LBA <slba>, <n> blocks", verbose ? command->name : "I/O Cmd",
                 command->opcode);
    snprintf(text, size, "%s, %s (sct 0x%x / sc 0x%x)%s%s", what, verbose ? explain_linux_name(r) : "I/O Error",
             r->status >> 8 & 7u, r->status & 0xffu, r->status & NVME_MORE ? " MORE" : "",
             r->status & NVME_DNR ? " DNR" : ""); /* and a space at the end */
}

/* Connect and its like fail with lines of their own: explain_messages[]. */
bool explain_dmesg(const struct explanation *x, unsigned which, char *text, size_t size, const char **since) {
    static const char *const kernels[] = {
        "Linux 5.18 and newer with CONFIG_NVME_VERBOSE_ERRORS",
        "Linux 5.18 and newer without it, as Debian 12 and 13 are built",
        "the block layer's line after it; up to about 5.15 alone, and led by \"blk_update_request: \"",
    };
    const struct nvme_opcode_row *command = x->count ? command_shown(x) : NULL;
    if (!command || !(x->reading[0].status & 0x7ff) || which > 2 || command->kind == NVME_KIND_FABRICS)
        return false;
    *since = kernels[which];
    if (which < 2)
        dmesg_driver(x, which == 0, text, size);
    else if (command->kind != NVME_KIND_ADMIN)
        snprintf(text, size, "%s error, dev nvme0n1, sector <n> op %s flags 0x<n> phys_seg <n> prio class <n>",
                 explain_blk_of(x->reading[0].status)->words, request_op(command->opcode));
    else
        return false;
    return true;
}

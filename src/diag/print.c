/* An explanation for people: label, colon, wrapped text. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "diag/explain_int.h"

#define LABEL_WIDTH 14
#define LINE_WIDTH  110

static void wrap(FILE *out, const char *label, const char *text) {
    unsigned column = LABEL_WIDTH;
    fprintf(out, "  %-*s", LABEL_WIDTH - 2, label);
    while (*text) {
        text += strspn(text, " ");
        unsigned len = (unsigned)strcspn(text, " ");
        if (column > LABEL_WIDTH && column + 1 + len > LINE_WIDTH) {
            fprintf(out, "\n%*s", LABEL_WIDTH, "");
            column = LABEL_WIDTH;
        } else if (column > LABEL_WIDTH) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, len, out);
        text += len;
        column += len;
    }
    fputc('\n', out);
}

static void row(FILE *out, const char *label, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void row(FILE *out, const char *label, const char *fmt, ...) {
    char text[1536];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    wrap(out, label, text);
}

/* ---- Parts ---- */

static const char *type_name(unsigned sct) {
    static const char *const names[8] = {"generic",      "command specific", "media and data integrity",
                                         "path related", "reserved",         "reserved",
                                         "reserved",     "vendor specific"};
    return names[sct & 7];
}

static const char *set_name(uint8_t set) {
    return set == NVME_SET_FABRICS  ? " (of fabrics commands)"
           : set == NVME_SET_VENDOR ? " (not the specification's)"
                                    : "";
}

static void print_bits(FILE *out, const struct explain_reading *r) {
    unsigned raw = (unsigned)r->status << 1, crd = r->status >> 11 & 3;
    char phase[96], delay[64];
    if (r->phase < 0)
        snprintf(phase, sizeof phase, "in a completion entry 0x%04x, or 0x%04x with the phase bit", raw, raw | 1);
    else
        snprintf(phase, sizeof phase, "phase %d; without the phase bit 0x%04x", r->phase, r->status);
    if (crd)
        snprintf(delay, sizeof delay, "CRD %u (wait CRDT%u of Identify Controller, in 100 ms)", crd, crd);
    else
        snprintf(delay, sizeof delay, "CRD 0 (no delay asked for)");
    row(out, "status", "SCT %xh (%s), SC %02xh; %s, %s, %s; %s", r->status >> 8 & 7u, type_name(r->status >> 8),
        r->status & 0xffu, r->status & NVME_DNR ? "DNR set (the same command would fail again)" : "DNR clear",
        r->status & NVME_MORE ? "More set (details in the error information log, LID 01h)" : "More clear", delay,
        phase);
}

static void print_fate(FILE *out, const struct explain_reading *r) {
    unsigned crd = r->status >> 11 & 3;
    char when[96] = "at once";
    if (crd)
        snprintf(when, sizeof when, "after CRDT%u * 100 ms if the host has set ACRE, else at once", crd);
    switch (explain_fate(r->status)) {
    case EXPLAIN_DONE:
        row(out, "Linux", "completes the request; nothing is logged.");
        return;
    case EXPLAIN_GIVES_UP:
        row(out, "Linux", "does not retry: DNR is set, so the request fails and is logged at once.");
        return;
    case EXPLAIN_AUTHENTICATES:
        row(out, "Linux", "authenticates the queue and sends the command again.");
        return;
    case EXPLAIN_FAILS_OVER:
        row(out, "Linux",
            "with native multipath takes another path at once, without counting it as a try; without, tries again %s, "
            "up to nvme_core.max_retries (5) times, then fails and logs.",
            when);
        return;
    case EXPLAIN_RETRIES:
        row(out, "Linux",
            "retries silently %s, up to nvme_core.max_retries (5) times, as DNR is clear, then fails and logs. "
            "Passthrough and the driver's own commands are not retried (REQ_FAILFAST_DRIVER).",
            when);
        return;
    }
}

static void print_linux(FILE *out, const struct explanation *x, const struct explain_reading *r) {
    const struct explain_blk *blk = explain_blk_of(r->status);
    const char *libnvme = explain_errno_name(r->about ? r->about->libnvme : EXPLAIN_EIO);
    char text[256];
    const char *since;
    print_fate(out, r);
    if (!(r->status & 0x7ff))
        return;
    row(out, "application",
        "%s from the block device (BLK_STS_%s; a buffered write gets EIO from fsync()); ioctl and io_uring passthrough "
        "get the status itself, nvme-cli and libnvme make %s of it",
        explain_errno_name(blk->number), blk->name, libnvme);
    for (unsigned i = 0; explain_dmesg(x, i, text, sizeof text, &since); i++) {
        fprintf(out, "  %-*s%s\n%*s[%s]\n", LABEL_WIDTH - 2, i ? "" : "dmesg", text, LABEL_WIDTH + 2, "", since);
    }
}

static void print_seen(FILE *out, const struct explain_about *about) {
    char text[128] = "";
    for (unsigned i = 0; i < EXPLAIN_SEERS; i++)
        if (about->seen & 1u << i)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? ", " : "", explain_seers[i]);
    row(out, "named by", "%s", *text ? text : "none of the headers of Linux, libnvme, SPDK, QEMU and FEMU");
}

static bool lists(const struct explain_about *about, const char *command) {
    char name[64];
    for (const char *at = about->commands; (at = explain_commands_next(at, name, sizeof name));)
        if (strcmp(name, command) == 0 || strcmp(name, "any") == 0)
            return true;
    return false;
}

static void print_commands(FILE *out, const struct explanation *x, const struct explain_about *about) {
    const char *command = x->opcode < 0 || x->kind < 0 ? NULL : nvme_opcode_name(x->kind, (uint8_t)x->opcode);
    bool fits = !command || lists(about, command);
    row(out, "answer to", "%s%s%s%s",
        strcmp(about->commands, "none") == 0  ? "no command: the host sets it, or nobody does"
        : strcmp(about->commands, "any") == 0 ? "any command"
                                              : about->commands,
        fits ? "" : "; not usual for ", fits ? "" : command, fits ? "" : ", so check where the number comes from");
}

static void print_about(FILE *out, const struct explanation *x, const struct explain_reading *r) {
    const struct explain_about *about = r->about;
    row(out, "means", "%s", r->row->meaning);
    print_commands(out, x, about);
    row(out, "causes", "%s", about->causes);
    row(out, "in drivelab", "%s", about->here ? about->here : "not used.");
    if (about->beware)
        row(out, "beware", "%s", about->beware);
    print_linux(out, x, r);
    print_seen(out, about);
    row(out, "source", "%s", explain_sources[about->source]);
}

static void print_others(FILE *out, const struct explanation *x) {
    for (unsigned i = 1; i < x->count; i++) {
        const struct explain_reading *r = &x->reading[i];
        if (r->form == x->reading[0].form && r->status == x->reading[0].status)
            row(out, i == 1 ? "or" : "", "%s%s: the command decides, give it with --opcode, --admin or --fabrics",
                r->row->name, set_name(r->set));
        else
            row(out, i == 1 ? "or" : "", "0x%x %s%s, read as %s", r->status, r->row ? r->row->name : "unknown",
                set_name(r->set), explain_form_text(r->form));
    }
}

static void print_reading(FILE *out, const struct explanation *x) {
    const struct explain_reading *r = &x->reading[0];
    fprintf(out, "0x%x: %s%s\n", r->status, r->row ? r->row->name : "unknown", set_name(r->set));
    row(out, "read as", "%s", explain_form_text(r->form));
    print_others(out, x);
    print_bits(out, r);
    if (r->row && r->about) {
        print_about(out, x, r);
        return;
    }
    row(out, "means", "%s", explain_unknown(r->status));
    print_linux(out, x, r);
}

/* ---- Lines ---- */

static void print_blk(FILE *out, const struct explain_blk *blk) {
    fprintf(out, "%s error: the block layer gave up a request\n", blk->words);
    row(out, "application", "%s (BLK_STS_%s)", explain_errno_name(blk->number), blk->name);
    if (blk->number == EXPLAIN_EIO) {
        row(out, "statuses", "any without a class of its own; the driver's line before it has the number");
        return;
    }
    char text[768] = "";
    for (const struct nvme_status_row *s = nvme_statuses; s->name; s++)
        if (s->set == NVME_SET_STANDARD && explain_blk_of(s->status) == blk && strlen(text) < 600)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s0x%03x %s", *text ? ", " : "", s->status,
                     s->name);
    row(out, "statuses", "%s", *text ? text : "none: the host makes it up itself");
}

static void print_message(FILE *out, const struct explain_message *m) {
    fprintf(out, "\"%s%s%s\"\n", m->needle, m->context ? " ... " : "", m->context ? m->context : "");
    row(out, "means", "%s", m->meaning);
    if (m->look)
        row(out, "look at", "%s", m->look);
}

/* What a device's log can be searched for. */
static void print_command(FILE *out, const struct explanation *x) {
    char queue[40] = "", cid[128] = "";
    if (x->qid >= 0)
        snprintf(queue, sizeof queue, "queue %" PRId64 "%s", x->qid, x->cid >= 0 ? ", " : "");
    if (x->cid > 0xfff)
        snprintf(cid, sizeof cid,
                 "identifier %" PRId64 " (%" PRIx64 "h; of Linux tag %" PRId64 ", generation %" PRId64 ")", x->cid,
                 (uint64_t)x->cid, x->cid & 0xfff, x->cid >> 12);
    else if (x->cid >= 0)
        snprintf(cid, sizeof cid, "identifier %" PRId64, x->cid);
    if (*queue || *cid)
        row(out, "command", "%s%s", queue, cid);
}

static void print_place(FILE *out, const struct explanation *x) {
    if (x->place)
        row(out, "printed by", "%s%s%s", x->place->who, x->place->note ? ". " : "",
            x->place->note ? x->place->note : "");
    print_command(out, x);
}

void explain_print(FILE *out, const struct explanation *x) {
    if (x->blk) {
        print_blk(out, x->blk);
        return;
    }
    if (x->message)
        print_message(out, x->message);
    if (x->count)
        print_reading(out, x);
    if (x->error)
        fprintf(out, "errno %d (%s): no status of the device, the host's own\n", x->error,
                explain_errno_name(x->error));
    print_place(out, x);
}

/*
 * The replayer, see replay.h.
 *
 *   trace --next--> record --fit--> slot --drive--> slot_done
 *                     ^                                |
 *                     +---- timer (timed), or a free place (depth) ----+
 *
 * One record is read ahead. Latency counts from the moment the trace wanted the
 * request, so a drive that can't keep up shows it.
 */
#include "load/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SLAB          256
#define ALIGN         4096 /* scaled addresses keep their place in such a piece */
#define STRETCH_LIMIT 1e6
#define TELL_EVERY    4096 /* requests between two looks at progress and interruption */

struct replay;

struct slot {
    struct io io;
    struct replay *replay;
    struct slot *next;
    int64_t wanted_ns;
};

struct slab {
    struct slab *next;
    struct slot slot[SLAB];
};

struct replay {
    const struct replay_config *config;
    const struct load_settings *settings;
    struct drive *drive;
    struct sim *sim;
    struct trace *trace;
    struct replay_result *result;
    struct trace_record record; /* the next one */
    bool have_record, over;
    int error; /* reading failed; `why` says how */
    struct err why;
    int64_t start_ns;
    uint64_t span, taken;
    unsigned inflight;
    struct sim_event timer;
    struct slot *free;
    struct slab *slabs;
};

/* ---- Where a request goes ---- */

static void clip(struct replay *r, uint64_t *bytes) {
    if (*bytes <= r->drive->capacity)
        return;
    *bytes = r->drive->capacity;
    r->result->clipped++;
}

static uint64_t scaled(const struct replay *r, uint64_t offset) {
    uint64_t to = (uint64_t)((unsigned __int128)offset * r->drive->capacity / r->span);
    return to / ALIGN * ALIGN + offset % ALIGN;
}

static int beyond(struct replay *r, const struct trace_record *record) {
    uint64_t line = trace_line_number(r->trace);
    char where[40] = "";
    if (line)
        snprintf(where, sizeof(where), "%" PRIu64 ":", line);
    return err_set(&r->why, ERANGE,
                   "%s:%s request %" PRIu64 ", %" PRIu64 " bytes at byte %" PRIu64
                   ", ends beyond the drive, which has %" PRIu64
                   "; allowed are addresses on the drive, or --trace-fit wrap or scale",
                   trace_path(r->trace), where, r->taken, record->bytes, record->offset, r->drive->capacity);
}

/* Lay the record onto the drive; 0 or -ERANGE. */
static int fit(struct replay *r, struct trace_record *record) {
    uint64_t capacity = r->drive->capacity, end, before = record->offset;
    if (__builtin_add_overflow(record->offset, record->bytes, &end))
        end = UINT64_MAX;
    if (end > r->result->span)
        r->result->span = end;
    if (end > capacity && r->config->fit == REPLAY_REFUSE)
        return beyond(r, record);
    clip(r, &record->bytes);
    record->offset = r->config->fit == REPLAY_SCALE ? scaled(r, before) : before % capacity;
    if (record->offset > capacity - record->bytes)
        record->offset = capacity - record->bytes;
    r->result->moved += record->offset != before;
    return 0;
}

/* ---- Slots ---- */

static struct slot *slot_new(struct replay *r) {
    if (!r->free) {
        struct slab *slab = calloc(1, sizeof(*slab));
        if (!slab)
            return NULL;
        slab->next = r->slabs;
        r->slabs = slab;
        for (unsigned i = 0; i < SLAB; i++) {
            io_init(&slab->slot[i].io);
            slab->slot[i].replay = r;
            slab->slot[i].next = r->free;
            r->free = &slab->slot[i];
        }
    }
    struct slot *slot = r->free;
    r->free = slot->next;
    return slot;
}

/* ---- The trace ---- */

static bool wanted(struct replay *r) {
    const struct trace_record *record = &r->record;
    if ((r->config->device < 0 || record->device == r->config->device) &&
        (record->bytes || record->op == TRACE_FLUSH || record->op >= TRACE_ZONE_RESET))
        return true;
    r->result->skipped++;
    return false;
}

/* Read until the next record for this drive; `over` at the end. */
static void advance(struct replay *r) {
    r->have_record = false;
    while (!r->have_record && !r->over) {
        int got = r->config->limit && r->taken == r->config->limit ? 0 : trace_next(r->trace, &r->record, &r->why);
        r->over = got <= 0;
        if (got < 0)
            r->error = got;
        r->have_record = got > 0 && wanted(r);
    }
    if (!r->have_record)
        return;
    r->taken++;
    if (r->record.op == TRACE_FLUSH)
        return;
    r->error = fit(r, &r->record);
    if (r->error) {
        r->have_record = false;
        r->over = true;
    } else {
        drive_expect(r->drive, r->record.offset);
    }
}

static int64_t moment(const struct replay *r) {
    double at = (double)r->record.at_ns * r->config->stretch;
    if (r->config->stretch == 1)
        return r->start_ns + r->record.at_ns;
    return at < 0x1p62 ? r->start_ns + (int64_t)at : SIM_NEVER - 1;
}

/* ---- Requests ---- */

static void slot_done(struct io *io);

/* What a record asks of the drive. */
static void translate(const struct trace_record *record, struct io *io) {
    static const struct {
        uint8_t op, action;
    } ops[TRACE_OPS] = {
        [TRACE_READ] = {IO_READ, 0},
        [TRACE_WRITE] = {IO_WRITE, 0},
        [TRACE_TRIM] = {IO_TRIM, 0},
        [TRACE_FLUSH] = {IO_FLUSH, 0},
        [TRACE_APPEND] = {IO_APPEND, 0},
        [TRACE_ZONE_RESET] = {IO_ZONE, ZONE_RESET},
        [TRACE_ZONE_FINISH] = {IO_ZONE, ZONE_FINISH},
        [TRACE_ZONE_OPEN] = {IO_ZONE, ZONE_OPEN},
        [TRACE_ZONE_CLOSE] = {IO_ZONE, ZONE_CLOSE},
    };
    io->op = ops[record->op].op;
    io->action = ops[record->op].action;
    io->flags = io->op == IO_READ || io->op == IO_WRITE || io->op == IO_APPEND ? IO_NO_DATA : 0;
    io->offset = record->offset;
    io->bytes = record->bytes;
}

static bool issue(struct replay *r, int64_t wanted_ns) {
    struct slot *slot = slot_new(r);
    if (!slot) {
        r->error = err_set(&r->why, ENOMEM, "no memory for %u requests in flight", r->inflight + 1);
        r->over = true;
        return false;
    }
    struct io *io = &slot->io;
    translate(&r->record, io);
    io->done = slot_done;
    slot->wanted_ns = wanted_ns;
    r->inflight++;
    if (r->inflight > r->result->most_inflight)
        r->result->most_inflight = r->inflight;
    run_stat_submit(r->result->stat, r->inflight);
    drive_submit(r->drive, io);
    advance(r);
    return true;
}

static void count_failure(struct replay *r, const struct io *io, enum run_dir dir) {
    struct run_stat *s = r->result->stat;
    if (io->op != IO_FLUSH && io->op != IO_ZONE)
        s->dir[dir].errors++;
    if (s->first_error)
        return;
    s->first_error = io->status;
    snprintf(s->error_text, sizeof(s->error_text), "%s", io->reason ? io->reason : "no reason given");
}

static void pump(struct replay *r);

static void tell(struct replay *r) {
    const struct load_settings *s = r->settings;
    const struct load_progress p = {
        .ios = r->result->ios, .simulated_ns = sim_now(r->sim) - r->start_ns, .done = trace_done(r->trace)};
    if (s->progress)
        s->progress(s->context, &p);
    if (!s->stop || !*s->stop)
        return;
    r->result->interrupted = true;
    r->have_record = false;
    r->over = true;
    sim_cancel(r->sim, &r->timer);
}

static void slot_done(struct io *io) {
    static const enum run_dir dirs[IO_OPS] = {
        [IO_READ] = RUN_READ, [IO_WRITE] = RUN_WRITE, [IO_TRIM] = RUN_TRIM, [IO_APPEND] = RUN_WRITE};
    struct slot *slot = (struct slot *)io; /* first member */
    struct replay *r = slot->replay;
    if (io->status != IO_OK)
        count_failure(r, io, dirs[io->op]);
    else if (io->op == IO_FLUSH || io->op == IO_ZONE)
        hist_record(&r->result->stat->sync, io->completed_ns - slot->wanted_ns);
    else
        run_stat_complete(r->result->stat, dirs[io->op], io->bytes, slot->wanted_ns, io->submitted_ns,
                          io->completed_ns);
    r->inflight--;
    if (++r->result->ios % TELL_EVERY == 0)
        tell(r);
    io_release(io);
    slot->next = r->free;
    r->free = slot;
    pump(r);
}

/* Issue what may be issued now; see to it that the rest comes. */
static void pump(struct replay *r) {
    unsigned most = r->config->pace == REPLAY_DEPTH ? r->config->depth : REPLAY_DEPTH_MAX;
    while (r->have_record && r->inflight < most) {
        int64_t now = sim_now(r->sim), at = r->config->pace == REPLAY_DEPTH ? now : moment(r);
        if (at > now) {
            if (!sim_event_pending(&r->timer))
                sim_schedule(r->sim, &r->timer, at);
            return;
        }
        r->result->held += at < now && r->config->pace == REPLAY_TIMED;
        if (!issue(r, at))
            break;
    }
    if (!r->have_record && !r->inflight)
        sim_stop(r->sim);
}

static void timer_fired(struct sim_event *event) {
    pump((struct replay *)((char *)event - offsetof(struct replay, timer)));
}

/* ---- A whole run ---- */

/* The end of the highest request, from a pass of its own. */
static int measure_span(struct replay *r, struct err *e) {
    struct trace_record record;
    struct trace *t;
    struct stat st;
    const char *path = r->config->trace.path;
    int got;
    if (!strcmp(path, "-") || (!stat(path, &st) && S_ISFIFO(st.st_mode)))
        return err_set(e, EINVAL, "%s: its addresses can't be scaled: that needs to read it twice; a file is needed",
                       strcmp(path, "-") ? path : "the standard input");
    if (!(t = trace_open(&r->config->trace, e)))
        return e->code ? e->code : -EIO;
    while ((got = trace_next(t, &record, e)) > 0) {
        uint64_t end;
        if (r->config->device >= 0 && record.device != r->config->device)
            continue;
        if (__builtin_add_overflow(record.offset, record.bytes, &end))
            end = UINT64_MAX;
        r->span = end > r->span ? end : r->span;
    }
    trace_close(t);
    if (!got && !r->span)
        r->span = 1;
    return got;
}

static int config_check(const struct replay_config *c, struct err *e) {
    if (c->pace == REPLAY_DEPTH && (!c->depth || c->depth > REPLAY_DEPTH_MAX))
        return err_set(e, EINVAL, "a depth of %u requests: allowed are 1 to %d", c->depth, REPLAY_DEPTH_MAX);
    if (c->pace == REPLAY_TIMED && !(c->stretch >= 1 / STRETCH_LIMIT && c->stretch <= STRETCH_LIMIT))
        return err_set(e, EINVAL, "times stretched by %g: allowed are %g to %g", c->stretch, 1 / STRETCH_LIMIT,
                       STRETCH_LIMIT);
    return 0;
}

static int prepare(struct replay *r, struct err *e) {
    int ret = config_check(r->config, e);
    if (!ret && r->config->fit == REPLAY_SCALE)
        ret = measure_span(r, e);
    if (ret)
        return ret;
    r->trace = trace_open(&r->config->trace, e);
    if (!r->trace)
        return e->code ? e->code : -EIO;
    snprintf(r->result->format, sizeof(r->result->format), "%s", trace_format_name(r->trace));
    r->result->stat = malloc(sizeof(*r->result->stat));
    if (!r->result->stat)
        return err_set(e, ENOMEM, "no memory for the results");
    run_stat_init(r->result->stat, "trace", 0, r->start_ns);
    sim_event_init(&r->timer, timer_fired);
    advance(r);
    if (!r->error && !r->have_record)
        r->error = err_set(&r->why, EINVAL, "%s: no request in it%s", trace_path(r->trace),
                           r->result->skipped ? " for this device" : "");
    return 0;
}

static void finish(struct replay *r) {
    int64_t now = sim_now(r->sim);
    run_stat_finish(r->result->stat, now);
    r->result->simulated_ns = now - r->start_ns;
    r->result->notes = *trace_notes(r->trace);
}

int load_replay(const struct replay_config *config, struct drive *drive, struct sim *sim,
                const struct load_settings *settings, struct replay_result *result, struct err *e) {
    struct replay r = {
        .config = config, .settings = settings, .drive = drive, .sim = sim, .result = result, .start_ns = sim_now(sim)};
    *result = (struct replay_result){0};
    int ret = prepare(&r, e);
    if (!ret && r.have_record) {
        pump(&r);
        if (r.have_record || r.inflight)
            sim_run(sim, SIM_NEVER);
        finish(&r);
    }
    if (!ret && r.error) {
        ret = r.error;
        *e = r.why;
    } else if (!ret && r.inflight) {
        ret = err_set(e, EIO, "%u requests of the trace never completed", r.inflight);
    }
    trace_close(r.trace);
    for (struct slab *slab = r.slabs, *next; slab; slab = next) {
        next = slab->next;
        free(slab);
    }
    if (ret)
        replay_result_release(result);
    return ret;
}

void replay_result_release(struct replay_result *result) {
    free(result->stat);
    result->stat = NULL;
}

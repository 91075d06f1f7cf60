/*
 * Limits of cgroups; see throttle.h.
 *
 * An io is charged to its cgroup before it becomes a request, so before anything
 * is merged or scheduled. Time is in slices of 100 ms: of each direction as many
 * bytes and ios may go as the rate allows of the time since the slice began, the
 * present 100 ms counted in full. What doesn't fit waits in its cgroup until it
 * does; reads don't wait for writes. The process goes on meanwhile. With version 2
 * an io then meets the limits of each cgroup above; with version 1 those of its
 * own only. The processes of a cgroup, and each cgroup in it, have a lane there:
 * first come, first served within one, and lanes by turns, an io each.
 *
 *   held -> free:   the timer of the direction, at the jiffy the first one fits
 *   slice renewed:  something comes after the slice's end and nothing waits;
 *   slice extended: something comes or waits; whole 100 ms that are over are
 *                   taken off with what they allowed.
 *
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst (io.max),
 * Documentation/cgroups/blkio-controller.txt; behaviour of block/blk-throttle.c of 4.4.
 * Faithful: slices, waiting times in jiffies, what is charged and when, turns.
 * Simplified: an io larger than a request may be counts as one.
 * Not modelled: io.low, processes held back by limits of their writeback.
 *
 * Units: jiffies, bytes.
 */
#include "block/throttle.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "block/block_int.h"

#define NO_LIMIT    UINT64_MAX
#define TRIM_BYTES  512 /* a trim's range costs nothing */
#define SLICES      10  /* a second */
#define TEXT_LIMITS 128

struct throttle_dir {
    uint64_t bps, iops;              /* limits */
    int64_t slice, slice_end;        /* its beginning, and the end for now */
    uint64_t slice_bytes, slice_ios; /* charged since */
    TAILQ_HEAD(, block_lane) turns;  /* of lanes that have ios */
    struct block_lane own;           /* of the cgroup's processes */
    uint32_t count;                  /* of all ios in lanes */
    uint64_t held;                   /* ios that had to wait */
    struct sim_event timer;
    struct block_throttle *owner;
};

struct block_throttle {
    struct throttle_dir dir[2]; /* index: 1 write */
    struct block *block;
    struct block_group *group;
};

/* --- arithmetic --- */

/* What the rate allows in so many jiffies. */
static uint64_t allowed(const struct block *b, uint64_t rate, int64_t jiffies) {
    uint64_t product;
    if (rate == NO_LIMIT || __builtin_mul_overflow(rate, (uint64_t)jiffies, &product))
        return NO_LIMIT;
    return product / b->hz;
}

static int64_t jiffies_for(const struct block *b, uint64_t amount, uint64_t rate) {
    uint64_t product;
    return __builtin_mul_overflow(amount, (uint64_t)b->hz, &product) ? INT32_MAX : (int64_t)(product / rate);
}

static int64_t slice_length(const struct block *b) {
    return b->hz / SLICES;
}

static int64_t round_up(int64_t jiffies, int64_t step) {
    return (jiffies + step - 1) / step * step;
}

static int64_t now_jiffies(const struct block *b) {
    return sim_now(b->sim) / b->jiffy_ns;
}

static uint64_t charged_bytes(const struct io *io) {
    return io->op == IO_READ || io->op == IO_WRITE || io->op == IO_APPEND ? io->bytes : TRIM_BYTES;
}

/* --- slices --- */

static void slice_begin(const struct block *b, struct throttle_dir *d) {
    d->slice = now_jiffies(b);
    d->slice_end = d->slice + slice_length(b);
    d->slice_bytes = d->slice_ios = 0;
}

static bool slice_used(const struct throttle_dir *d, int64_t now) {
    return now < d->slice || now > d->slice_end;
}

static void slice_extend(const struct block *b, struct throttle_dir *d, int64_t end) {
    if (d->slice_end < end)
        d->slice_end = round_up(end, slice_length(b));
}

/* Time since the slice began, in whole slices; the present one counts. */
static int64_t elapsed_slices(const struct block *b, const struct throttle_dir *d, int64_t now) {
    int64_t elapsed = now - d->slice;
    return round_up(elapsed ? elapsed : 1, slice_length(b));
}

static int64_t wait_for_bytes(const struct block *b, const struct throttle_dir *d, uint64_t bytes, int64_t now) {
    int64_t rounded = elapsed_slices(b, d, now);
    uint64_t may = allowed(b, d->bps, rounded);
    if (d->bps == NO_LIMIT || d->slice_bytes + bytes <= may)
        return 0;
    int64_t wait = jiffies_for(b, d->slice_bytes + bytes - may, d->bps);
    return (wait ? wait : 1) + rounded - (now - d->slice);
}

static int64_t wait_for_io(const struct block *b, const struct throttle_dir *d, int64_t now) {
    if (d->iops == NO_LIMIT || d->slice_ios + 1 <= allowed(b, d->iops, elapsed_slices(b, d, now)))
        return 0;
    int64_t wait = jiffies_for(b, d->slice_ios + 1, d->iops) + 1 - (now - d->slice);
    return wait > 0 ? wait : 1;
}

/* Jiffies until the io may go; 0: now. */
static int64_t wait_of(const struct block *b, struct throttle_dir *d, const struct io *io) {
    int64_t now = now_jiffies(b);
    if (d->bps == NO_LIMIT && d->iops == NO_LIMIT)
        return 0;
    if (slice_used(d, now) && !d->count)
        slice_begin(b, d);
    else
        slice_extend(b, d, now + slice_length(b));
    int64_t bytes = wait_for_bytes(b, d, charged_bytes(io), now), ios = wait_for_io(b, d, now);
    int64_t wait = bytes > ios ? bytes : ios;
    if (wait)
        slice_extend(b, d, now + wait);
    return wait;
}

static uint64_t less(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

/* Whole slices that are over are taken off, so that what they left unused is lost. */
static void slice_trim(const struct block *b, struct throttle_dir *d) {
    int64_t now = now_jiffies(b), length = slice_length(b);
    if (slice_used(d, now))
        return;
    d->slice_end = round_up(now + length, length);
    int64_t over = (now - d->slice) / length * length;
    uint64_t bytes = allowed(b, d->bps, over), ios = allowed(b, d->iops, over);
    if (!over || (!bytes && !ios))
        return;
    d->slice_bytes = less(d->slice_bytes, bytes);
    d->slice_ios = less(d->slice_ios, ios);
    d->slice += over;
}

static void charge(const struct block *b, struct throttle_dir *d, const struct io *io) {
    d->slice_bytes += charged_bytes(io);
    d->slice_ios++;
    slice_trim(b, d);
}

/* --- ios --- */

/* The timer, so many jiffies from now; as late as time goes if that is beyond it. */
static void come_back(const struct block *b, struct throttle_dir *d, int64_t wait) {
    int64_t at;
    if (__builtin_mul_overflow(now_jiffies(b) + wait, b->jiffy_ns, &at))
        at = SIM_NEVER - 1;
    sim_schedule(b->sim, &d->timer, at);
}

static void hold(const struct block *b, struct throttle_dir *d, struct block_lane *lane, struct io *io, int64_t wait) {
    if (!lane->ios.head)
        TAILQ_INSERT_TAIL(&d->turns, lane, link);
    io_fifo_push(&lane->ios, io);
    d->count++;
    d->held++;
    if (!sim_event_pending(&d->timer))
        come_back(b, d, wait);
}

/* The next io's, whose turn is over then. */
static struct io *take_turn(struct throttle_dir *d) {
    struct block_lane *lane = TAILQ_FIRST(&d->turns);
    struct io *io = io_fifo_pop(&lane->ios);
    TAILQ_REMOVE(&d->turns, lane, link);
    if (lane->ios.head)
        TAILQ_INSERT_TAIL(&d->turns, lane, link);
    d->count--;
    return io;
}

/* From `g` on upwards; `below`: the group in it that the io came through, NULL: none. */
static bool held_from(struct block *b, struct block_group *g, struct block_group *below, struct io *io) {
    bool write = elevator_io_write(io);
    for (; g; below = g, g = b->cgroup_version == 2 ? g->parent : NULL) {
        if (!g->throttle)
            continue;
        struct throttle_dir *d = &g->throttle->dir[write];
        int64_t wait = d->count ? 0 : wait_of(b, d, io);
        if (d->count || wait) {
            hold(b, d, below ? &below->lane[write] : &d->own, io, wait);
            return true;
        }
        charge(b, d, io);
    }
    return false;
}

bool block_throttle_holds(struct block *b, struct block_context *c, struct io *io) {
    return io->op != IO_FLUSH && held_from(b, c->group, NULL, io);
}

static void let_go(struct throttle_dir *d) {
    struct block *b = d->owner->block;
    struct block_group *above = b->cgroup_version == 2 ? d->owner->group->parent : NULL;
    sim_cancel(b->sim, &d->timer); /* set for limits that may be gone */
    while (d->count) {
        int64_t wait = wait_of(b, d, TAILQ_FIRST(&d->turns)->ios.head);
        if (wait) {
            come_back(b, d, wait);
            return;
        }
        struct io *io = take_turn(d);
        charge(b, d, io);
        if (!held_from(b, above, d->owner->group, io))
            block_submit_passed(b, io);
    }
}

static void fits_now(struct sim_event *event) {
    struct throttle_dir *d = (struct throttle_dir *)((char *)event - offsetof(struct throttle_dir, timer));
    struct block *b = d->owner->block;
    block_enter(b);
    let_go(d);
    block_leave(b);
}

/* --- life --- */

static struct block_throttle *throttle_new(struct block *b, struct block_group *g) {
    struct block_throttle *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->block = b;
    t->group = g;
    for (unsigned i = 0; i < 2; i++) {
        t->dir[i].owner = t;
        TAILQ_INIT(&t->dir[i].turns);
        t->dir[i].bps = t->dir[i].iops = NO_LIMIT;
        sim_event_init(&t->dir[i].timer, fits_now);
    }
    return t;
}

bool block_throttled(const struct block_group *g) {
    return g->lane[0].ios.head || g->lane[1].ios.head ||
           (g->throttle && (g->throttle->dir[0].count || g->throttle->dir[1].count));
}

void block_throttle_forget(struct block_group *g) {
    g->lane[0].ios.head = g->lane[1].ios.head = NULL;
    for (unsigned i = 0; g->throttle && i < 2; i++) {
        struct throttle_dir *d = &g->throttle->dir[i];
        sim_cancel(g->throttle->block->sim, &d->timer);
        TAILQ_INIT(&d->turns);
        d->own.ios.head = NULL;
        d->count = 0;
    }
}

void block_throttle_free(struct block_group *g) {
    block_throttle_forget(g);
    free(g->throttle);
    g->throttle = NULL;
}

/* --- the file io.max --- */

#define KEYS 4

static const char *const keys[KEYS] = {"rbps", "wbps", "riops", "wiops"};

static uint64_t *limit_of(struct throttle_dir dir[2], unsigned key) {
    return key < 2 ? &dir[key].bps : &dir[key - 2].iops;
}

static int bad_limit(const char *word, struct err *e) {
    return err_set(
        e, EINVAL,
        "io.max: \"%s\"; allowed are rbps=, wbps=, riops=, wiops= with a number from 1, bytes also as 10M, or "
        "max",
        word);
}

/* One "rbps=10M". */
static int parse_limit(const struct block *b, const char *word, struct throttle_dir dir[2], struct err *e) {
    const char *equals = strchr(word, '=');
    unsigned key = 0;
    uint64_t value;
    int64_t number;
    while (equals && key < KEYS && (strncmp(word, keys[key], (size_t)(equals - word)) || keys[key][equals - word]))
        key++;
    if (!equals || key == KEYS)
        return bad_limit(word, e);
    if (!strcmp(equals + 1, "max")) {
        value = NO_LIMIT;
    } else if (key < 2) {
        if (opt_parse_size(equals + 1, &value))
            return bad_limit(word, e);
    } else {
        if (block_parse_number(equals + 1, &number) == -EINVAL || number < 0)
            return bad_limit(word, e);
        value = number > UINT32_MAX ? UINT32_MAX : (uint64_t)number;
    }
    if (!value && b->cgroup_version == 2)
        return bad_limit(word, e);
    *limit_of(dir, key) = value ? value : NO_LIMIT; /* version 1: 0 takes a limit away */
    return 0;
}

/* What the group's limits will be: those it has, and what `text` says. */
static int parse_limits(const struct block *b, const struct block_group *g, const char *text,
                        struct throttle_dir asked[2], struct err *e) {
    char copy[TEXT_LIMITS];
    for (unsigned i = 0; i < 2; i++)
        asked[i] = g->throttle ? (struct throttle_dir){.bps = g->throttle->dir[i].bps, .iops = g->throttle->dir[i].iops}
                               : (struct throttle_dir){.bps = NO_LIMIT, .iops = NO_LIMIT};
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return bad_limit("...", e);
    for (char *save, *word = strtok_r(copy, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save))
        if (parse_limit(b, word, asked, e))
            return -EINVAL;
    return 0;
}

int block_group_set_limits(struct block *b, struct block_group *g, const char *text, struct err *e) {
    struct throttle_dir asked[2];
    if (parse_limits(b, g, text, asked, e))
        return -EINVAL;
    if (!g->throttle && !(g->throttle = throttle_new(b, g)))
        return err_set(e, ENOMEM, "no memory for limits of a cgroup");
    b->limited = true;
    block_enter(b);
    for (unsigned i = 0; i < 2; i++) {
        struct throttle_dir *d = &g->throttle->dir[i];
        d->bps = asked[i].bps;
        d->iops = asked[i].iops;
        slice_begin(b, d);
        let_go(d);
    }
    block_leave(b);
    return 0;
}

void block_lift_limits(struct block *b) {
    for (struct block_group *g = b->groups; g; g = g->hh.next)
        for (unsigned i = 0; g->throttle && i < 2; i++)
            g->throttle->dir[i].bps = g->throttle->dir[i].iops = NO_LIMIT;
    block_enter(b);
    for (struct block_group *g = b->groups; g; g = g->hh.next)
        for (unsigned i = 0; g->throttle && i < 2; i++)
            let_go(&g->throttle->dir[i]);
    block_leave(b);
}

void block_group_limits_text(const struct block_group *g, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (unsigned key = 0; key < KEYS && used < size; key++) {
        uint64_t limit = g->throttle ? *limit_of(g->throttle->dir, key) : NO_LIMIT;
        const char *blank = key ? " " : "";
        used += limit == NO_LIMIT
                    ? (size_t)snprintf(text + used, size - used, "%s%s=max", blank, keys[key])
                    : (size_t)snprintf(text + used, size - used, "%s%s=%" PRIu64, blank, keys[key], limit);
    }
}

json_t *block_throttle_json(const struct block_group *g) {
    char text[TEXT_LIMITS];
    if (!g->throttle)
        return NULL;
    const struct throttle_dir *d = g->throttle->dir;
    block_group_limits_text(g, text, sizeof text);
    return json_pack("{s:s,s:I,s:I,s:I,s:I}", "io_max", text, "read_held", (json_int_t)d[0].held, "write_held",
                     (json_int_t)d[1].held, "read_waiting", (json_int_t)d[0].count, "write_waiting",
                     (json_int_t)d[1].count);
}

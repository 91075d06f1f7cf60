/* The zoned drive's oracle; see zone_oracle.h. */
#include "zone_oracle.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { E = 1, IO = 2, EO = 3, C = 4, RO = 13, F = 14, O = 15 };
enum { ZRWAV = 8, ZDEV = 128 };
enum { BOUNDARY = 0x1b8, FULL = 0x1b9, READ_ONLY = 0x1ba, OFFLINE = 0x1bb, INVALID_WRITE = 0x1bc };
enum { ACTIVE = 0x1bd, OPEN = 0x1be, TRANSITION = 0x1bf, NO_WINDOW_OP = 0x1b6, NO_WINDOW = 0x1b7, FIELD = 2 };

/* --- the model --- */

void zo_model_init(struct zo_model *m, const struct drive_config *config) {
    memset(m, 0, sizeof *m);
    m->c = config->zns;
    m->volatile_cache = config->zns_media.volatile_cache;
    for (unsigned i = 0; i < ZO_ZONES; i++)
        m->zone[i].state = E;
}

static unsigned count(const struct zo_model *m, const char *what) {
    unsigned n = 0;
    for (unsigned i = 0; i < ZO_ZONES; i++) {
        uint8_t s = m->zone[i].state;
        if (!strcmp(what, "open"))
            n += s == IO || s == EO;
        else if (!strcmp(what, "active"))
            n += s == IO || s == EO || s == C;
        else
            n += (m->zone[i].attributes & ZRWAV) != 0;
    }
    return n;
}

static unsigned most_open(const struct zo_model *m) {
    return m->c.max_open ? m->c.max_open : m->c.max_active;
}

/* An active zone, an open zone: 0, or why there can't be one more. */
static uint16_t one_more(struct zo_model *m, bool active, bool open) {
    if (active && m->c.max_active && count(m, "active") == m->c.max_active)
        return ACTIVE;
    if (!open || !most_open(m) || count(m, "open") < most_open(m))
        return 0;
    struct zo_zone *oldest = NULL;
    for (unsigned i = 0; m->c.auto_close && i < ZO_ZONES; i++)
        if (m->zone[i].state == IO && (!oldest || m->zone[i].opened < oldest->opened))
            oldest = &m->zone[i];
    if (!oldest)
        return OPEN;
    oldest->state = C;
    oldest->version++;
    return 0;
}

static void forget_window(struct zo_zone *z) {
    if (!(z->attributes & ZRWAV))
        return;
    /* what was written in it stays */
    for (unsigned i = z->wp; i < ZO_CAPACITY && i < z->wp + ZO_WINDOW; i++)
        if (z->written[i])
            while (z->wp <= i)
                z->written[z->wp++] = true;
    z->kept_to = z->wp;
    z->attributes &= (uint8_t)~ZRWAV;
}

static void to_full(struct zo_zone *z) {
    forget_window(z);
    z->state = F;
    z->finished = z->wp < ZO_CAPACITY;
}

static void to_empty(struct zo_zone *z) {
    uint32_t version = z->version;
    memset(z, 0, sizeof *z);
    z->version = version;
    z->state = E;
}

static uint16_t may_write(const struct zo_zone *z, uint32_t at, uint32_t blocks) {
    if (z->state == RO)
        return READ_ONLY;
    if (z->state == F)
        return FULL;
    if (z->state == O)
        return OFFLINE;
    if (z->attributes & ZRWAV) {
        if (at < z->wp || at + blocks > z->wp + 2 * ZO_WINDOW)
            return INVALID_WRITE;
    } else if (at != z->wp) {
        return INVALID_WRITE;
    }
    return at + blocks > ZO_CAPACITY ? BOUNDARY : 0;
}

static uint16_t open_for_write(struct zo_model *m, struct zo_zone *z) {
    if (z->state == IO || z->state == EO)
        return 0;
    uint16_t status = one_more(m, z->state == E, true);
    if (status)
        return status;
    z->state = IO;
    z->opened = ++m->serial;
    return 0;
}

static void move_to(struct zo_zone *z, uint32_t wp) {
    for (; z->wp < wp; z->wp++)
        z->written[z->wp] = true;
    if (z->attributes & ZRWAV)
        z->kept_to = wp;
    if (z->wp == ZO_CAPACITY)
        to_full(z);
}

static uint16_t do_write(struct zo_model *m, struct zo_zone *z, uint32_t at, const struct zo_op *op) {
    uint16_t status = may_write(z, at, op->blocks);
    if (!status)
        status = open_for_write(m, z);
    if (status)
        return status;
    for (unsigned i = 0; i < op->blocks; i++) {
        z->stamp[at + i] = op->op == IO_WRITE_ZEROES ? 0 : op->stamp + i;
        z->written[at + i] = true;
    }
    uint32_t wp = z->wp;
    if (!(z->attributes & ZRWAV))
        wp = at + op->blocks;
    else
        while (at + op->blocks > wp + ZO_WINDOW)
            wp += ZO_STEP;
    move_to(z, wp < ZO_CAPACITY ? wp : ZO_CAPACITY);
    z->version++;
    return 0;
}

static struct zo_answer do_append(struct zo_model *m, struct zo_zone *z, const struct zo_op *op) {
    struct zo_answer a = {0};
    uint32_t at = z->wp, limit = (uint32_t)(m->c.append_limit / ZO_BLOCK);
    if (op->at % ZO_SIZE || (limit && op->blocks > limit))
        a.status = FIELD;
    else if (z->attributes & ZRWAV)
        a.status = NO_WINDOW_OP;
    else
        a.status = do_write(m, z, at, op);
    a.result = op->at / ZO_SIZE * ZO_SIZE + at;
    return a;
}

static uint16_t do_read(const struct zo_model *m, const struct zo_op *op) {
    uint32_t first = op->at / ZO_SIZE, last = (op->at + op->blocks - 1) / ZO_SIZE;
    if (first != last && !m->c.read_across && op->op == IO_READ)
        return BOUNDARY;
    for (uint32_t i = first; i <= last; i++)
        if (m->zone[i].state == O)
            return OFFLINE;
    return 0;
}

static uint16_t window_may(const struct zo_model *m, const struct zo_zone *z) {
    if (z->attributes & ZRWAV)
        return 0;
    if (!m->c.zrwa_zones)
        return NO_WINDOW_OP;
    return z->wp % ZO_STEP || count(m, "windows") == m->c.zrwa_zones ? NO_WINDOW : 0;
}

static void window_give(struct zo_zone *z) {
    if (z->attributes & ZRWAV)
        return;
    z->attributes |= ZRWAV;
    z->window_at = z->kept_to = z->wp;
}

static uint16_t do_open(struct zo_model *m, struct zo_zone *z, bool window) {
    if (z->state == F || z->state == RO || z->state == O)
        return TRANSITION;
    uint16_t status = window ? window_may(m, z) : 0;
    if (!status && z->state != EO)
        status = one_more(m, z->state == E, z->state == E || z->state == C);
    if (status)
        return status;
    z->state = EO;
    if (window)
        window_give(z);
    return 0;
}

static uint16_t do_extension(struct zo_model *m, struct zo_zone *z, const struct zo_op *op) {
    bool window = op->flags & IO_ZRWA;
    if (!m->c.extension_bytes)
        return FIELD;
    if (z->state != E)
        return TRANSITION;
    uint16_t status = window ? window_may(m, z) : 0;
    if (!status)
        status = one_more(m, true, false);
    if (status)
        return status;
    z->state = C;
    z->attributes |= ZDEV;
    z->extension = op->stamp;
    if (window)
        window_give(z);
    return 0;
}

static uint16_t do_flush_window(struct zo_model *m, uint32_t end) {
    struct zo_zone *z = &m->zone[end ? (end - 1) / ZO_SIZE : 0];
    uint32_t to = end - (uint32_t)(z - m->zone) * ZO_SIZE;
    if (!m->c.zrwa_zones || !m->c.zrwa_explicit_flush)
        return NO_WINDOW_OP;
    if (!(z->attributes & ZRWAV))
        return FIELD;
    if (to <= z->wp || to > z->wp + ZO_WINDOW || to > ZO_CAPACITY)
        return BOUNDARY;
    if ((to - z->wp) % ZO_STEP)
        return FIELD;
    uint16_t status = open_for_write(m, z);
    if (!status)
        move_to(z, to);
    z->version++;
    return status;
}

static uint16_t do_one(struct zo_model *m, const struct zo_op *op) {
    struct zo_zone *z = &m->zone[op->at / ZO_SIZE];
    bool active = z->state == IO || z->state == EO || z->state == C;
    if (op->at % ZO_SIZE)
        return FIELD;
    z->version++;
    switch (op->action) {
    case ZONE_CLOSE:
        if (!active)
            return TRANSITION;
        z->state = C;
        return 0;
    case ZONE_FINISH:
        if (z->state == RO || z->state == O)
            return TRANSITION;
        if (z->state != F)
            to_full(z);
        return 0;
    case ZONE_OPEN:
        return do_open(m, z, op->flags & IO_ZRWA);
    case ZONE_RESET:
        if (z->state == RO || z->state == O)
            return TRANSITION;
        to_empty(z);
        return 0;
    case ZONE_TO_OFFLINE:
        if (z->state != RO && z->state != O)
            return TRANSITION;
        z->state = O;
        z->attributes = 0;
        return 0;
    case ZONE_SET_EXTENSION:
        return do_extension(m, z, op);
    default:
        return FIELD;
    }
}

/* Each applicable zone as if it were asked for alone, once all of them can be. */
static uint16_t do_all(struct zo_model *m, const struct zo_op *op) {
    if (op->action == ZONE_SET_EXTENSION || op->action == ZONE_FLUSH_ZRWA || (op->flags & IO_ZRWA))
        return FIELD;
    unsigned closed = 0;
    for (unsigned i = 0; i < ZO_ZONES; i++)
        closed += m->zone[i].state == C;
    if (op->action == ZONE_OPEN && closed && most_open(m) && count(m, "open") + closed > most_open(m))
        return OPEN;
    for (unsigned i = 0; i < ZO_ZONES; i++) {
        uint8_t s = m->zone[i].state;
        bool open = s == IO || s == EO;
        bool meant = op->action == ZONE_CLOSE        ? open
                     : op->action == ZONE_FINISH     ? open || s == C
                     : op->action == ZONE_OPEN       ? s == C
                     : op->action == ZONE_RESET      ? open || s == C || s == F
                     : op->action == ZONE_TO_OFFLINE ? s == RO
                                                     : false;
        struct zo_op one = {.op = IO_ZONE, .action = op->action, .at = i * ZO_SIZE};
        if (meant)
            assert_int_equal(do_one(m, &one), 0);
    }
    return 0;
}

struct zo_answer zo_model_do(struct zo_model *m, const struct zo_op *op) {
    struct zo_zone *z = &m->zone[op->at / ZO_SIZE % ZO_ZONES];
    switch (op->op) {
    case IO_WRITE:
    case IO_WRITE_ZEROES:
        return (struct zo_answer){.status = do_write(m, z, op->at % ZO_SIZE, op)};
    case IO_APPEND:
        return do_append(m, z, op);
    case IO_READ:
    case IO_TRIM:
        return (struct zo_answer){.status = do_read(m, op)};
    case IO_ZONE:
        if (op->flags & IO_ZONE_ALL)
            return (struct zo_answer){.status = do_all(m, op)};
        if (op->action == ZONE_FLUSH_ZRWA)
            return (struct zo_answer){.status = do_flush_window(m, op->at)};
        return (struct zo_answer){.status = do_one(m, op)};
    default:
        return (struct zo_answer){0};
    }
}

void zo_model_shutdown(struct zo_model *m) {
    for (unsigned i = 0; i < ZO_ZONES; i++) {
        struct zo_zone *z = &m->zone[i];
        bool used = z->wp || (z->attributes & ZDEV);
        for (unsigned b = 0; b < ZO_CAPACITY; b++)
            used |= z->written[b];
        if (z->state != IO && z->state != EO && z->state != C)
            continue;
        if (used)
            z->state = C;
        else
            to_empty(z);
    }
}

void zo_model_format(struct zo_model *m) {
    for (unsigned i = 0; i < ZO_ZONES; i++)
        if (m->zone[i].state != O)
            to_empty(&m->zone[i]);
}

void zo_model_fail(struct zo_model *m, uint32_t zone, uint8_t state) {
    struct zo_zone *z = &m->zone[zone];
    if (z->state == O)
        return;
    forget_window(z);
    z->version++;
    z->state = state;
    z->attributes &= state == O ? 0 : ZDEV;
}

/* --- the drive --- */

__attribute__((format(printf, 2, 3))) static void assign(struct opt_set *set, const char *fmt, ...) {
    char arg[80];
    va_list args;
    struct err e = {0};
    va_start(args, fmt);
    vsnprintf(arg, sizeof arg, fmt, args);
    va_end(args);
    if (opt_assign_arg(set, arg, &e))
        fail_msg("%s: %s", arg, e.text);
}

/* One block of 24 KiB on each of two dies makes a zone of 48 KiB. */
static const char *const tiny[] = {
    "drive.kind=zns",       "drive.capacity=1MiB",
    "zns.zone_size=64KiB",  "zns.zone_capacity=48KiB",
    "zns.dies_per_zone=2",  "nand.channels=2",
    "nand.luns=1",          "nand.planes=1",
    "nand.pages=6",         "nand.blocks=24",
    "nand.page_bytes=4096", "nand.factory_bad_percent=0",
    "zns.zrwa_bytes=16KiB", "zns.zrwa_granularity=4KiB",
    "nand.endurance=0",     NULL,
};

void zo_config(struct drive_config *config, uint64_t seed, const char *const *args) {
    struct opt_set set = {0};
    struct err e = {0};
    struct rng rng;
    rng_init(&rng, seed, 4);
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    for (unsigned i = 0; tiny[i]; i++)
        assign(&set, "%s", tiny[i]);
    unsigned active = (unsigned)rng_below(&rng, 8);
    assign(&set, "zns.max_active=%u", active);
    assign(&set, "zns.max_open=%u", active ? (unsigned)rng_below(&rng, active + 1) : (unsigned)rng_below(&rng, 4));
    assign(&set, "zns.auto_close=%s", rng_below(&rng, 4) ? "yes" : "no");
    assign(&set, "zns.read_across=%s", rng_below(&rng, 2) ? "yes" : "no");
    assign(&set, "zns.append_limit=%u", rng_below(&rng, 2) ? 8192 : 0);
    assign(&set, "zns.extension_bytes=%u", rng_below(&rng, 2) ? 64 * (1 + (unsigned)rng_below(&rng, 3)) : 0);
    if (rng_below(&rng, 2))
        assign(&set, "zns.zrwa_zones=%u", active ? 1 + (unsigned)rng_below(&rng, active) : 2);
    assign(&set, "zns.zrwa_explicit_flush=%s", rng_below(&rng, 8) ? "yes" : "no");
    assign(&set, "drive.seed=%" PRIu64, seed);
    for (; args && *args; args++)
        assign(&set, "%s", *args);
}

static void drive_start(struct zone_oracle *o) {
    struct err e = {0};
    o->drive = drive_open(&o->config, o->store, o->path, o->sim, &e);
    if (!o->drive)
        fail_msg("%s", e.text);
    o->zoned = o->drive->ops->zoned;
}

void zo_open(struct zone_oracle *o, const struct drive_config *config, const char *store, const char *path,
             uint64_t seed) {
    struct err e = {0};
    memset(o, 0, sizeof *o);
    o->config = *config;
    o->seed = seed;
    o->store = store;
    o->path = path;
    o->m = &o->own;
    zo_model_init(o->m, config);
    rng_init(&o->rng, seed, 5);
    o->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_non_null(o->sim);
    drive_start(o);
}

void zo_close(struct zone_oracle *o) {
    drive_close(o->drive);
    sim_free(o->sim);
}

/* --- requests --- */

static const uint8_t actions[] = {ZONE_CLOSE, ZONE_FINISH,     ZONE_OPEN,          ZONE_RESET,
                                  ZONE_RESET, ZONE_TO_OFFLINE, ZONE_SET_EXTENSION, ZONE_FLUSH_ZRWA};

static struct zo_op random_action(struct zone_oracle *o, uint32_t zone) {
    struct zo_op op = {.op = IO_ZONE, .at = zone * ZO_SIZE};
    const struct zo_zone *z = &o->m->zone[zone];
    op.action = actions[rng_below(&o->rng, sizeof actions)];
    if (op.action == ZONE_TO_OFFLINE && rng_below(&o->rng, 8))
        op.action = ZONE_OPEN;
    op.flags = rng_below(&o->rng, 3) ? 0 : IO_ZRWA;
    if (op.action == ZONE_FLUSH_ZRWA)
        op.at += z->wp + (uint32_t)rng_below(&o->rng, ZO_WINDOW + 3) / (rng_below(&o->rng, 4) ? ZO_STEP : 1) * ZO_STEP;
    else if (!rng_below(&o->rng, 50))
        op.at += (uint32_t)rng_below(&o->rng, ZO_SIZE);
    if (!rng_below(&o->rng, 40)) {
        op.flags |= IO_ZONE_ALL;
        op.at = 0;
        op.blocks = ZO_ZONES * ZO_SIZE;
    }
    if (op.at >= ZO_ZONES * ZO_SIZE)
        op.at = 0;
    return op;
}

static uint32_t near_pointer(struct zone_oracle *o, uint32_t zone) {
    const struct zo_zone *z = &o->m->zone[zone];
    uint32_t at = z->state == F || z->state == RO ? (uint32_t)rng_below(&o->rng, ZO_SIZE) : z->wp;
    if (z->attributes & ZRWAV)
        at += (uint32_t)rng_below(&o->rng, 2 * ZO_WINDOW + 2);
    switch (rng_below(&o->rng, 24)) {
    case 0:
        at += 1;
        break;
    case 1:
        at -= at > 0;
        break;
    case 2:
        at = 0;
        break;
    case 3:
        at = (uint32_t)rng_below(&o->rng, ZO_SIZE);
        break;
    }
    return at < ZO_SIZE ? at : ZO_SIZE - 1;
}

struct zo_op zo_random_op(struct zone_oracle *o) {
    uint64_t draw = rng_below(&o->rng, 100);
    uint32_t zone = (uint32_t)rng_below(&o->rng, rng_below(&o->rng, 4) ? ZO_ZONES / 2 : ZO_ZONES);
    struct zo_op op = {.at = zone * ZO_SIZE};
    if (draw < 22)
        return random_action(o, zone);
    op.blocks = 1 + (uint32_t)rng_below(&o->rng, rng_below(&o->rng, 6) ? 12 : ZO_SIZE);
    if (draw < 24) {
        op = (struct zo_op){.op = IO_FLUSH};
    } else if (draw < 44) {
        op.op = draw < 42 ? IO_READ : IO_TRIM;
        bool near = rng_below(&o->rng, 2);
        op.at += near ? near_pointer(o, zone) : (uint32_t)rng_below(&o->rng, ZO_SIZE);
        op.blocks = near ? 1 + (uint32_t)rng_below(&o->rng, 3) : op.blocks;
    } else if (draw < 60) {
        op.op = IO_APPEND;
        op.at += rng_below(&o->rng, 40) ? 0 : 1;
    } else {
        op.op = draw < 64 ? IO_WRITE_ZEROES : IO_WRITE;
        op.at += near_pointer(o, zone);
        op.flags = rng_below(&o->rng, 20) ? 0 : IO_FUA;
    }
    if (op.at + op.blocks > ZO_ZONES * ZO_SIZE)
        op.blocks = ZO_ZONES * ZO_SIZE - op.at;
    return op;
}

static void fill(struct zo_io *r) {
    for (uint32_t b = 0; b < r->op.blocks && r->op.op != IO_ZONE; b++)
        for (unsigned i = 0; i < ZO_BLOCK; i += 8)
            memcpy(r->data + (size_t)b * ZO_BLOCK + i, &(uint64_t){r->op.stamp + b}, 8);
    uint64_t bytes = (uint64_t)r->op.blocks * ZO_BLOCK;
    if (r->op.op == IO_ZONE) {
        memcpy(r->data, &r->op.stamp, 8);
        bytes = 8;
    }
    r->vec[0] = (struct iovec){r->data, bytes / 3};
    r->vec[1] = (struct iovec){r->data + bytes / 3, bytes - bytes / 3};
    r->io.vec = r->vec;
    r->io.nvec = 2;
}

static uint32_t versions(const struct zone_oracle *o, const struct zo_op *op) {
    uint32_t sum = 0;
    for (uint32_t i = op->at / ZO_SIZE; i <= (op->at + op->blocks - 1) / ZO_SIZE; i++)
        sum += o->m->zone[i].version;
    return sum;
}

/* What a read must find if nothing changes meanwhile. */
static void expect_data(struct zone_oracle *o, struct zo_io *r) {
    r->versions = versions(o, &r->op);
    for (uint32_t i = 0; i < r->op.blocks; i++) {
        const struct zo_zone *z = &o->m->zone[(r->op.at + i) / ZO_SIZE];
        uint32_t at = (r->op.at + i) % ZO_SIZE;
        r->written[i] = at < ZO_CAPACITY && z->written[at];
        r->stamps[i] = r->written[i] ? z->stamp[at] : 0;
    }
}

static void check_data(struct zone_oracle *o, const struct zo_io *r) {
    bool unmapped = false;
    if (versions(o, &r->op) != r->versions)
        return;
    for (uint32_t i = 0; i < r->op.blocks; i++) {
        unmapped |= !r->written[i];
        for (unsigned k = 0; k < ZO_BLOCK; k += 8) {
            uint64_t have;
            memcpy(&have, (const char *)r->io.data + (size_t)i * ZO_BLOCK + k, 8);
            if (have != r->stamps[i])
                fail_msg("seed %" PRIu64 ", after %" PRIu64 " requests: block %u of zone %u holds %" PRIx64
                         ", not %" PRIx64,
                         o->seed, o->done, (r->op.at + i) % ZO_SIZE, (r->op.at + i) / ZO_SIZE, have, r->stamps[i]);
        }
    }
    assert_int_equal(r->io.unmapped, unmapped);
}

/* What an answer promises about a loss of power. */
static void promise(struct zone_oracle *o, const struct zo_io *r) {
    uint32_t zone = (uint32_t)(r->op.at / ZO_SIZE), end = r->op.at % ZO_SIZE + r->op.blocks;
    for (unsigned i = 0; i < ZO_ZONES; i++)
        if (r->finishes >> i & 1 && r->epochs[i] == o->epoch[i])
            o->m->zone[i].sure = o->m->zone[i].wp;
    if (r->op.op == IO_FLUSH) {
        for (unsigned i = 0; i < ZO_ZONES; i++)
            if (r->epochs[i] == o->epoch[i] && o->m->zone[i].sure < r->sure[i])
                o->m->zone[i].sure = r->sure[i];
        return;
    }
    if (r->op.op == IO_APPEND)
        end = (uint32_t)(r->want.result % ZO_SIZE) + r->op.blocks;
    else if (r->op.op != IO_WRITE && r->op.op != IO_WRITE_ZEROES)
        return;
    struct zo_zone *z = &o->m->zone[zone];
    if (r->epochs[zone] != o->epoch[zone] || end > z->wp)
        return;
    if (z->answered < end)
        z->answered = end;
    if ((!o->m->volatile_cache || (r->op.flags & IO_FUA)) && z->sure < end)
        z->sure = end;
}

static void done(struct io *io) {
    struct zo_io *r = (struct zo_io *)io;
    struct zone_oracle *o = r->oracle;
    assert_true(r->busy);
    r->busy = false;
    o->inflight--;
    o->done++;
    if (io->status != r->want.status)
        fail_msg("seed %" PRIu64 ", after %" PRIu64
                 " requests: operation %u action %02x flags %x of %u blocks at %u of zone %u: %03x, not "
                 "%03x: %s",
                 o->seed, o->done, r->op.op, r->op.action, r->op.flags, r->op.blocks, r->op.at % ZO_SIZE,
                 r->op.at / ZO_SIZE, io->status, r->want.status, io->reason ? io->reason : "");
    assert_int_equal(io->reason != NULL, io->status != 0);
    o->refused += io->status != 0;
    if (!io->status && io->op == IO_APPEND)
        assert_int_equal(io->result, r->want.result * ZO_BLOCK);
    if (!io->status && io->op == IO_READ)
        check_data(o, r);
    if (!io->status)
        promise(o, r);
    io_release(io);
}

static struct zo_io *free_io(struct zone_oracle *o) {
    for (unsigned i = 0; i < ZO_DEPTH; i++)
        if (!o->io[i].busy)
            return &o->io[i];
    return NULL;
}

static void note_resets(struct zone_oracle *o, const uint8_t was[ZO_ZONES]) {
    for (unsigned i = 0; i < ZO_ZONES; i++)
        o->epoch[i] += was[i] != E && o->m->zone[i].state == E;
}

bool zo_submit(struct zone_oracle *o, const struct zo_op *op) {
    struct zo_io *r = free_io(o);
    uint8_t was[ZO_ZONES];
    if (!r)
        return false;
    io_init(&r->io);
    r->oracle = o;
    r->op = *op;
    r->op.stamp = o->stamp += 2 * ZO_SIZE;
    r->busy = true;
    r->finishes = 0;
    r->io.op = op->op;
    r->io.action = op->action;
    r->io.flags = op->flags;
    r->io.offset = (uint64_t)op->at * ZO_BLOCK;
    r->io.bytes = (uint64_t)op->blocks * ZO_BLOCK;
    r->io.done = done;
    if (op->op == IO_WRITE || op->op == IO_APPEND || op->op == IO_ZONE)
        fill(r);
    for (unsigned i = 0; i < ZO_ZONES; i++) {
        was[i] = o->m->zone[i].state;
        r->sure[i] = o->m->zone[i].answered;
    }
    r->want = zo_model_do(o->m, &r->op);
    note_resets(o, was);
    for (unsigned i = 0; i < ZO_ZONES; i++)
        r->finishes |= (op->action == ZONE_FINISH && was[i] != F && o->m->zone[i].state == F) << i;
    memcpy(r->epochs, o->epoch, sizeof r->epochs);
    if (op->op == IO_READ && !r->want.status)
        expect_data(o, r);
    o->inflight++;
    drive_submit(o->drive, &r->io);
    return true;
}

void zo_step(struct zone_oracle *o) {
    sim_run(o->sim, sim_now(o->sim) + 500 + (int64_t)rng_below(&o->rng, 20000));
}

static void never(const struct zone_oracle *o) {
    for (unsigned i = 0; i < ZO_DEPTH; i++)
        if (o->io[i].busy)
            fail_msg("seed %" PRIu64 ", after %" PRIu64
                     " requests: operation %u action %02x flags %x of %u blocks at %u of zone %u never "
                     "finishes, and %u others",
                     o->seed, o->done, o->io[i].op.op, o->io[i].op.action, o->io[i].op.flags, o->io[i].op.blocks,
                     o->io[i].op.at % ZO_SIZE, o->io[i].op.at / ZO_SIZE, o->inflight - 1);
}

void zo_drain(struct zone_oracle *o) {
    for (unsigned i = 0; o->inflight; i++) {
        if (i > 1000000)
            never(o);
        if (i % 1000 == 999)
            usleep(1000); /* virtual time does not wait for the file to be flushed */
        sim_run(o->sim, sim_now(o->sim) + 20000);
    }
}

/* What no request can ask for. */
static void something_else(struct zone_oracle *o) {
    uint32_t zone = (uint32_t)rng_below(&o->rng, ZO_ZONES);
    switch (rng_below(&o->rng, 8)) {
    case 0:
        zo_drain(o);
        o->zoned->format(o->drive, 0, ZO_ZONES);
        zo_model_format(o->m);
        for (unsigned i = 0; i < ZO_ZONES; i++)
            o->epoch[i]++;
        break;
    case 1:
        zo_drain(o);
        (o->zoned->fail)(o->drive, zone, rng_below(&o->rng, 3) ? RO : O, NULL);
        zo_model_fail(o->m, zone, o->m->zone[zone].state == O ? O : RO);
        {
            struct drive_zone z; /* which of the two it was */
            o->zoned->zone(o->drive, zone, &z);
            zo_model_fail(o->m, zone, z.state);
        }
        break;
    default:
        zo_drain(o);
        o->zoned->shutdown(o->drive, 0, ZO_ZONES);
        zo_model_shutdown(o->m);
    }
}

void zo_run(struct zone_oracle *o, uint64_t ops, unsigned depth, bool leave) {
    for (uint64_t i = 0; i < ops; i++) {
        struct zo_op op = zo_random_op(o);
        while (o->inflight >= depth)
            zo_step(o);
        zo_submit(o, &op);
        if (depth == 1)
            zo_drain(o);
        if (!rng_below(&o->rng, 250))
            something_else(o);
        if (i % 64 == 0)
            zo_compare(o);
    }
    if (leave)
        return;
    zo_drain(o);
    zo_compare(o);
}

/* --- comparing --- */

const char *zo_differs(struct zone_oracle *o, const struct zo_model *m, uint32_t zone) {
    static char text[200];
    const struct zo_zone *z = &m->zone[zone];
    struct drive_zone have;
    uint64_t extension = 0, wp = (zone * (uint64_t)ZO_SIZE + z->wp) * ZO_BLOCK, held = 0;
    o->zoned->zone(o->drive, zone, &have);
    if (m->c.extension_bytes)
        memcpy(&held, o->zoned->extension(o->drive, zone), 8);
    if (z->attributes & ZDEV)
        extension = z->extension;
    if (z->state >= RO)
        wp = UINT64_MAX;
    if (have.state == z->state && have.attributes == z->attributes && have.write_pointer == wp && held == extension &&
        have.capacity == ZO_CAPACITY * ZO_BLOCK && have.start == zone * (uint64_t)ZO_SIZE * ZO_BLOCK)
        return NULL;
    snprintf(text, sizeof text,
             "zone %u: state %x not %x, attributes %x not %x, at %" PRIu64 " not %" PRIu64 ", extension %" PRIx64
             " not %" PRIx64,
             zone, have.state, z->state, have.attributes, z->attributes, have.write_pointer / ZO_BLOCK, wp / ZO_BLOCK,
             held, extension);
    return text;
}

void zo_compare(struct zone_oracle *o) {
    struct err e = {0};
    for (uint32_t i = 0; i < ZO_ZONES; i++) {
        const char *why = zo_differs(o, o->m, i);
        if (why)
            fail_msg("seed %" PRIu64 ", after %" PRIu64 " requests: %s", o->seed, o->done, why);
    }
    if (drive_check_state(o->drive, &e))
        fail_msg("seed %" PRIu64 ", after %" PRIu64 " requests: %s", o->seed, o->done, e.text);
}

void zo_verify(struct zone_oracle *o) {
    zo_drain(o);
    zo_compare(o);
    for (uint32_t i = 0; i < ZO_ZONES; i++) {
        struct zo_op op = {.op = IO_READ, .at = i * ZO_SIZE, .blocks = ZO_SIZE};
        zo_submit(o, &op);
        zo_drain(o);
    }
}

/* --- losses --- */

static void drop_from(struct zo_zone *z, uint32_t from) {
    for (uint32_t i = from; i < ZO_CAPACITY; i++) {
        z->written[i] = false;
        z->stamp[i] = 0;
    }
}

/* The drive may have lost what nobody promised; the model follows it, once that is found to be so. */
static void settle_zone(struct zone_oracle *o, uint32_t zone) {
    struct zo_zone *z = &o->m->zone[zone];
    struct drive_zone have;
    o->zoned->zone(o->drive, zone, &have);
    uint32_t wp = have.write_pointer == UINT64_MAX ? z->wp : (uint32_t)(have.write_pointer / ZO_BLOCK % ZO_SIZE);
    bool active = z->state == IO || z->state == EO || z->state == C, window = z->attributes & ZRWAV;
    z->version++;
    o->epoch[zone]++;
    if (z->state == O || z->state == E)
        return;
    if (z->sure >= z->window_at && z->sure < z->kept_to)
        z->sure = z->kept_to;                  /* random write areas are protected */
    if (have.state == F || have.state == RO) { /* its data tells what is left */
        for (wp = z->sure; wp < z->wp && drive_mapped(o->drive, (zone * (uint64_t)ZO_SIZE + wp) * ZO_BLOCK, ZO_BLOCK);)
            wp++;
    }
    if (wp < z->sure || wp > z->wp)
        fail_msg("seed %" PRIu64 ", after %" PRIu64
                 " requests: zone %u came back from the power cut with %u blocks; %u were promised and "
                 "%u written",
                 o->seed, o->done, zone, wp, z->sure, z->wp);
    if (wp < z->wp) {
        if (window) {
            assert_true(wp < z->window_at);
            z->attributes &= (uint8_t)~ZRWAV;
        }
        z->kept_to = 0;
        drop_from(z, wp);
        z->wp = wp;
        if (z->state == F && !z->finished && have.state != F)
            z->state = C;
    }
    if (active)
        z->state = C;
    z->sure = z->answered = z->wp;
}

void zo_power_cut(struct zone_oracle *o) {
    drive_power_cut(o->drive);
    for (unsigned i = 0; i < ZO_DEPTH; i++) {
        o->io[i].busy = false;
        io_release(&o->io[i].io);
    }
    o->inflight = 0;
    for (uint32_t i = 0; i < ZO_ZONES; i++)
        settle_zone(o, i);
    zo_model_shutdown(o->m);
    zo_compare(o);
}

void zo_reopen(struct zone_oracle *o) {
    zo_drain(o);
    drive_close(o->drive);
    drive_start(o);
    zo_model_shutdown(o->m);
    zo_compare(o);
}

/* The drive's oracle; see drive_oracle.h. */
#include "drive_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const tiny[] = {
    "drive.kind=ssd",
    "drive.capacity=16MiB",
    "nand.channels=2",
    "nand.luns=2",
    "nand.planes=2",
    "nand.blocks=16",
    "nand.pages=16",
    "nand.page_bytes=16384",
    "nand.factory_bad_percent=0",
    "ssd.write_buffer=512KiB",
    "ssd.op_percent=10",
    NULL,
};

static void apply(struct opt_set *set, const char *const *args) {
    struct err e = {0};
    for (; args && *args; args++)
        if (opt_assign_arg(set, *args, &e))
            fail_msg("%s: %s", *args, e.text);
}

void oracle_config(struct drive_config *config, const char *const *args) {
    struct opt_set set = {0};
    struct err e = {0};
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    apply(&set, tiny);
    apply(&set, args);
}

static struct version *version_push(struct oracle *o, uint64_t unit) {
    struct version *v = calloc(1, sizeof *v);
    if (o->version[unit])
        *v = *o->version[unit];
    v->older = o->version[unit];
    v->bounded = false;
    o->version[unit] = v;
    return v;
}

static void version_bound(struct version *v) {
    if (!v || v->bounded)
        return;
    v->bounded = true;
    while (v->older) {
        struct version *old = v->older;
        v->older = old->older;
        free(old);
    }
}

static void drive_start(struct oracle *o) {
    struct err e = {0};
    o->drive = drive_open(&o->config, o->store, o->path, o->sim, &e);
    if (!o->drive)
        fail_msg("%s", e.text);
}

void oracle_open(struct oracle *o, const struct drive_config *config, const char *store, const char *path,
                 uint64_t seed) {
    struct err e = {0};
    memset(o, 0, sizeof *o);
    o->config = *config;
    o->store = store;
    o->path = path;
    o->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_non_null(o->sim);
    drive_start(o);
    o->maps = !strcmp(o->drive->ops->name, "ssd") && config->ssd.map_unit == UNIT;
    rng_init(&o->rng, seed, 99);
    o->units = o->hot = config->drive.capacity / UNIT;
    o->version = calloc(o->units, sizeof *o->version);
    o->written = calloc(o->units, sizeof *o->written);
    o->touched = calloc(o->units, 1);
    o->unknown = calloc(o->units, sizeof *o->unknown);
    for (uint64_t i = 0; i < o->units; i++)
        version_bound(version_push(o, i));
    o->weight[IO_READ] = 30;
    o->weight[IO_WRITE] = 55;
    o->weight[IO_FLUSH] = 3;
    o->weight[IO_TRIM] = 8;
    o->weight[IO_WRITE_ZEROES] = 4;
    o->fua_percent = 5;
}

void oracle_close(struct oracle *o) {
    drive_close(o->drive);
    sim_free(o->sim);
    for (uint64_t i = 0; i < o->units; i++) {
        version_bound(o->version[i]);
        if (o->version[i] && o->version[i]->older)
            free(o->version[i]->older);
        free(o->version[i]);
    }
    free(o->version);
    free(o->written);
    free(o->touched);
    free(o->unknown);
}

void oracle_reopen(struct oracle *o) {
    drive_close(o->drive);
    drive_start(o);
}

void oracle_check(struct oracle *o) {
    struct err e = {0};
    if (drive_check_state(o->drive, &e))
        fail_msg("after %llu requests: %s", (unsigned long long)o->done, e.text);
}

/* --- what the drive must hold --- */

static bool sector_is(const char *data, uint64_t stamp) {
    uint64_t have[SECTOR / 8];
    memcpy(have, data, SECTOR);
    for (unsigned i = 0; i < SECTOR / 8; i++)
        if (have[i] != stamp)
            return false;
    return true;
}

static void verify_read(struct oracle *o, const struct io *io) {
    bool unmapped = false;
    for (uint64_t at = io->offset; at < io->offset + io->bytes; at += SECTOR) {
        const struct version *v = o->version[at / UNIT];
        if (o->unknown[at / UNIT])
            return;
        unmapped |= !v->mapped;
        if (!sector_is((const char *)io->data + (at - io->offset), v->stamp[at % UNIT / SECTOR]))
            fail_msg("after %llu requests: sector at %llu holds %llx, not %llx", (unsigned long long)o->done,
                     (unsigned long long)at,
                     (unsigned long long)*(const uint64_t *)((const char *)io->data + (at - io->offset)),
                     (unsigned long long)v->stamp[at % UNIT / SECTOR]);
    }
    if (o->config.ssd.map_unit == UNIT)
        assert_int_equal(io->unmapped, unmapped && o->maps);
}

/* A finished flush makes durable what was complete when it came. */
static void flushed(struct oracle *o, uint64_t serial) {
    for (uint64_t i = 0; i < o->units; i++)
        if (o->written[i] <= serial && !(o->touched[i] & 2))
            version_bound(o->version[i]);
}

static void finished(struct io *io) {
    struct oracle_io *r = (struct oracle_io *)io;
    struct oracle *o = r->oracle;
    assert_true(r->busy);
    if (io->status != IO_OK) {
        if (!o->expect_failures)
            fail_msg("operation %u at %llu failed: %s", io->op, (unsigned long long)io->offset, io->reason);
        assert_non_null(io->reason);
        o->failed++;
    }
    r->busy = false;
    o->inflight--;
    o->done++;
    o->serial++;
    if (io->op == IO_READ && io->status == IO_OK)
        verify_read(o, io);
    if (io->op == IO_FLUSH && io->status == IO_OK)
        flushed(o, r->serial);
    for (uint64_t u = r->first; io->op != IO_FLUSH && u < r->end; u++) {
        o->touched[u] = 0;
        if (io->op == IO_READ)
            continue;
        o->written[u] = o->serial;
        o->unknown[u] |= io->status != IO_OK;
        if (io->op == IO_WRITE && (io->flags & IO_FUA) && io->status == IO_OK)
            version_bound(o->version[u]);
    }
    if (io->op == IO_FLUSH)
        o->flushing = false;
    io_release(io);
}

/* --- making requests --- */

static void model_write(struct oracle *o, struct oracle_io *r, uint64_t stamp) {
    for (uint64_t at = r->io.offset, end = at + r->io.bytes; at < end;) {
        struct version *v = version_push(o, at / UNIT);
        v->mapped = true;
        uint64_t unit_end = (at / UNIT + 1) * UNIT;
        for (; at < end && at < unit_end; at += SECTOR)
            v->stamp[at % UNIT / SECTOR] = stamp;
    }
}

/* Whole units are deallocated, parts of mapped ones cleared. */
static void model_trim(struct oracle *o, struct oracle_io *r) {
    for (uint64_t at = r->io.offset, end = at + r->io.bytes; at < end;) {
        uint64_t unit_end = (at / UNIT + 1) * UNIT;
        struct version *v = version_push(o, at / UNIT);
        if (at % UNIT == 0 && end >= unit_end)
            v->mapped = false;
        for (; at < end && at < unit_end; at += SECTOR)
            v->stamp[at % UNIT / SECTOR] = 0;
    }
}

static void payload(struct oracle_io *r, uint64_t stamp) {
    for (uint64_t i = 0; i < r->io.bytes; i += 8)
        memcpy(r->data + i, &stamp, 8);
    uint64_t cut = r->io.bytes / 3, rest = r->io.bytes - 2 * cut;
    r->vec[0] = (struct iovec){r->data, cut};
    r->vec[1] = (struct iovec){r->data + cut, cut};
    r->vec[2] = (struct iovec){r->data + 2 * cut, rest};
    r->io.vec = r->vec;
    r->io.nvec = 3;
}

static struct oracle_io *free_io(struct oracle *o) {
    for (unsigned i = 0; i < ORACLE_DEPTH; i++)
        if (!o->io[i].busy)
            return &o->io[i];
    return NULL;
}

/* False if another request is in flight there. */
static bool range_free(struct oracle *o, uint64_t first, uint64_t end) {
    for (uint64_t u = first; u < end; u++)
        if (o->touched[u])
            return false;
    return true;
}

static bool submit(struct oracle *o, enum io_op op, uint64_t offset, uint64_t bytes, uint32_t flags) {
    uint64_t first = offset / UNIT, end = (offset + bytes + UNIT - 1) / UNIT;
    struct oracle_io *r = free_io(o);
    if (!r || (op != IO_FLUSH && !range_free(o, first, end)))
        return false;
    io_init(&r->io);
    r->oracle = o;
    r->busy = true;
    r->first = first;
    r->end = end;
    r->serial = o->serial;
    r->io.op = (uint8_t)op;
    r->io.flags = flags;
    r->io.offset = op == IO_FLUSH ? 0 : offset;
    r->io.bytes = op == IO_FLUSH ? 0 : bytes;
    r->io.done = finished;
    for (uint64_t u = first; op != IO_FLUSH && u < end; u++)
        o->touched[u] = op == IO_READ ? 1 : 2;
    if (op == IO_WRITE) {
        uint64_t stamp = ++o->stamp;
        payload(r, stamp);
        model_write(o, r, stamp);
    } else if (op == IO_WRITE_ZEROES && (flags & IO_KEEP_MAPPED)) {
        model_write(o, r, 0);
    } else if (op == IO_TRIM || op == IO_WRITE_ZEROES) {
        model_trim(o, r);
    }
    o->inflight++;
    drive_submit(o->drive, &r->io);
    return true;
}

static enum io_op random_op(struct oracle *o) {
    unsigned total = 0, op = 0;
    for (unsigned i = 0; i < IO_OPS; i++)
        total += o->weight[i];
    for (uint64_t draw = rng_below(&o->rng, total); draw >= o->weight[op]; op++)
        draw -= o->weight[op];
    return (enum io_op)op;
}

static bool submit_random(struct oracle *o) {
    enum io_op op = random_op(o);
    if (op == IO_FLUSH) {
        if (o->flushing)
            return false;
        o->flushing = submit(o, op, 0, 0, 0);
        return o->flushing;
    }
    uint64_t space = o->hot * SECTORS, sectors = 1 + rng_below(&o->rng, ORACLE_SPAN * SECTORS);
    uint64_t at = rng_below(&o->rng, space);
    uint32_t flags = rng_below(&o->rng, 100) < o->fua_percent && op == IO_WRITE ? IO_FUA : 0;
    if (rng_below(&o->rng, 4)) { /* mostly whole units, often one */
        sectors = rng_below(&o->rng, 2) ? SECTORS : (sectors + SECTORS - 1) / SECTORS * SECTORS;
        at -= at % SECTORS;
    }
    if (op == IO_WRITE_ZEROES && rng_below(&o->rng, 2))
        flags |= IO_KEEP_MAPPED;
    if (at + sectors > space)
        sectors = space - at;
    return submit(o, op, at * SECTOR, sectors * SECTOR, flags);
}

static void step(struct oracle *o) {
    int64_t now = sim_now(o->sim);
    sim_run(o->sim, now + 1000 + (int64_t)rng_below(&o->rng, 100000));
}

void oracle_run(struct oracle *o, uint64_t ios, bool leave) {
    uint64_t until = o->done + ios;
    while (o->done < until) {
        for (unsigned i = 0; i < 4; i++)
            submit_random(o);
        step(o);
    }
    if (!leave)
        oracle_drain(o);
}

void oracle_drain(struct oracle *o) {
    for (unsigned i = 0; o->inflight; i++) {
        if (i > 20000000)
            fail_msg("%u requests never finish", o->inflight);
        if (i % 1000 == 999)
            usleep(1000); /* virtual time does not wait for the file to be flushed */
        step(o);
    }
}

uint16_t oracle_one(struct oracle *o, enum io_op op, uint64_t unit, uint64_t units, uint32_t flags) {
    struct io io;
    io_init(&io);
    uint64_t failed = o->failed;
    if (!submit(o, op, unit * UNIT, units * UNIT, flags))
        fail_msg("a request is in flight there");
    oracle_drain(o);
    return o->failed == failed ? IO_OK : IO_INTERNAL_ERROR;
}

void oracle_verify(struct oracle *o) {
    for (uint64_t u = 0; u < o->units; u += ORACLE_SPAN) {
        uint64_t n = o->units - u < ORACLE_SPAN ? o->units - u : ORACLE_SPAN;
        while (!submit(o, IO_READ, u * UNIT, n * UNIT, 0))
            step(o);
    }
    oracle_drain(o);
}

/* --- power --- */

static bool matches(const struct oracle *o, const struct version *v, const char *data, bool mapped) {
    for (unsigned i = 0; i < SECTORS; i++)
        if (!sector_is(data + (size_t)i * SECTOR, v->stamp[i]))
            return false;
    return v->mapped == mapped || !o->maps;
}

/* What a unit reads as after the cut must be one of its versions; that one it is from now on. */
static void settle(struct oracle *o, uint64_t unit, const char *data, bool mapped) {
    struct version *v = o->version[unit];
    while (v && !matches(o, v, data, mapped))
        v = v->older;
    if (!v)
        fail_msg("unit %llu came back from the power cut as nothing it ever was (mapped %d, first %llx)",
                 (unsigned long long)unit, mapped, (unsigned long long)*(const uint64_t *)data);
    while (o->version[unit] != v) {
        struct version *younger = o->version[unit];
        o->version[unit] = younger->older;
        free(younger);
    }
    version_bound(v);
}

struct settled {
    struct io io;
    bool done;
};

static void settled_done(struct io *io) {
    ((struct settled *)io)->done = true;
}

void oracle_power_cut(struct oracle *o) {
    drive_power_cut(o->drive);
    oracle_check(o);
    for (unsigned i = 0; i < ORACLE_DEPTH; i++) {
        o->io[i].busy = false;
        io_release(&o->io[i].io);
    }
    o->inflight = 0;
    o->flushing = false;
    memset(o->touched, 0, o->units);
    for (uint64_t u = 0; u < o->units; u++) {
        struct settled s;
        memset(&s, 0, sizeof s);
        s.io.op = IO_READ;
        s.io.offset = u * UNIT;
        s.io.bytes = UNIT;
        s.io.done = settled_done;
        drive_submit(o->drive, &s.io);
        while (!s.done)
            step(o);
        assert_int_equal(s.io.status, IO_OK);
        settle(o, u, s.io.data, !s.io.unmapped);
        io_release(&s.io);
    }
}

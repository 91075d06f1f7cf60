/*
 * A zoned drive and a slow, obvious model of it: each zone's state, write
 * pointer and attributes, and for each block the stamp it holds. The model
 * knows nothing of the drive's tables, counters or lists: it counts by looking
 * at all zones, and follows the text of ZNS 1.1.
 *
 * The model is plain data, so that a process that will be killed can keep it in
 * memory it shares with its parent.
 */
#ifndef DRIVELAB_TESTS_ZONE_ORACLE_H
#define DRIVELAB_TESTS_ZONE_ORACLE_H

#include "base/rng.h"
#include "drive/drive.h"

enum { ZO_BLOCK = 1024, ZO_SIZE = 64, ZO_CAPACITY = 48, ZO_ZONES = 16, ZO_WINDOW = 16, ZO_STEP = 4, ZO_DEPTH = 12 };

struct zo_zone {
    uint8_t state, attributes;
    uint32_t wp;        /* blocks */
    uint32_t sure;      /* blocks that may not be lost with power */
    uint32_t answered;  /* end of the last answered write */
    uint32_t window_at; /* where the write pointer was when it got a random write area */
    uint32_t kept_to;   /* what went through that is safe up to here, if all below window_at is */
    uint32_t version;   /* changes */
    uint32_t opened;    /* serial of its implicit opening */
    bool finished;
    bool written[ZO_CAPACITY];
    uint64_t stamp[ZO_CAPACITY]; /* 0: zeros */
    uint64_t extension;
};

struct zo_model {
    struct zns_config c;
    bool volatile_cache;
    uint32_t serial;
    struct zo_zone zone[ZO_ZONES];
};

/* What is asked; places in blocks of the drive. */
struct zo_op {
    uint8_t op, action;
    uint32_t flags, at, blocks;
    uint64_t stamp;
};

struct zo_answer {
    uint16_t status;
    uint64_t result; /* of an append: block */
};

void zo_model_init(struct zo_model *m, const struct drive_config *config);

/* What must happen, and its effect on the model. */
struct zo_answer zo_model_do(struct zo_model *m, const struct zo_op *op);
void zo_model_shutdown(struct zo_model *m);
void zo_model_format(struct zo_model *m);
void zo_model_fail(struct zo_model *m, uint32_t zone, uint8_t state);

struct zo_io {
    struct io io; /* first */
    struct zone_oracle *oracle;
    struct zo_op op;
    struct zo_answer want;
    struct iovec vec[2];
    uint32_t versions; /* of the zones read, added up */
    uint64_t stamps[ZO_SIZE * 2];
    bool written[ZO_SIZE * 2];
    uint32_t sure[ZO_ZONES]; /* flush: what it makes sure */
    uint32_t epochs[ZO_ZONES];
    uint32_t finishes; /* a bit for each zone it makes Full */
    bool busy;
    char data[ZO_SIZE * 2 * ZO_BLOCK];
};

struct zone_oracle {
    struct drive_config config;
    struct sim *sim;
    struct drive *drive;
    const struct drive_zoned_ops *zoned;
    const char *store, *path;
    struct rng rng;
    struct zo_model *m, own;
    uint32_t epoch[ZO_ZONES]; /* resets of a zone */
    uint64_t seed, stamp, done, refused;
    unsigned inflight;
    struct zo_io io[ZO_DEPTH];
};

/* A tiny drive with limits, random write areas and so on drawn from the seed; then `args`. */
void zo_config(struct drive_config *config, uint64_t seed, const char *const *args);

void zo_open(struct zone_oracle *o, const struct drive_config *config, const char *store, const char *path,
             uint64_t seed);
void zo_close(struct zone_oracle *o);

/* Something random: a request, rarely what no request can ask for. */
struct zo_op zo_random_op(struct zone_oracle *o);
bool zo_submit(struct zone_oracle *o, const struct zo_op *op);
void zo_step(struct zone_oracle *o);
void zo_drain(struct zone_oracle *o);

/* `ops` random requests with up to `depth` in flight; `leave` them so at the end. */
void zo_run(struct zone_oracle *o, uint64_t ops, unsigned depth, bool leave);

/* Every zone is as the model says, and every block holds what it should. */
void zo_compare(struct zone_oracle *o);
void zo_verify(struct zone_oracle *o);

void zo_power_cut(struct zone_oracle *o);
void zo_reopen(struct zone_oracle *o);

/* NULL, or how the drive's zone differs from the model's, in words. */
const char *zo_differs(struct zone_oracle *o, const struct zo_model *m, uint32_t zone);

#endif

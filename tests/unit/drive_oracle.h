/*
 * A drive and a slow, obvious model of it: for each 512-byte sector the stamp
 * it must hold, for each 4 KiB unit whether it is mapped, and the versions it
 * went through since it was last known to be durable.
 */
#ifndef DRIVELAB_TESTS_DRIVE_ORACLE_H
#define DRIVELAB_TESTS_DRIVE_ORACLE_H

#include "base/rng.h"
#include "drive/drive.h"

enum { UNIT = 4096, SECTOR = 512, SECTORS = UNIT / SECTOR, ORACLE_DEPTH = 24, ORACLE_SPAN = 16 };

struct version {
    struct version *older;
    uint64_t stamp[SECTORS]; /* 0: zeros */
    bool mapped;
    bool bounded; /* durable: nothing older may come back */
};

struct oracle_io {
    struct io io;
    struct oracle *oracle;
    struct iovec vec[3];
    uint64_t first, end; /* units */
    bool busy;
    uint64_t serial;
    char data[(ORACLE_SPAN + 1) * UNIT];
};

struct oracle {
    struct drive_config config;
    struct sim *sim;
    struct drive *drive;
    const char *store, *path;
    struct rng rng;
    uint64_t units, stamp, serial, done, failed, hot;
    struct version **version;
    uint64_t *written; /* serial of the last completed change of a unit */
    uint8_t *touched;  /* operation in flight on the unit */
    bool *unknown;     /* a change of the unit failed: it may hold anything */
    struct oracle_io io[ORACLE_DEPTH];
    unsigned inflight;
    bool flushing, expect_failures;
    bool maps; /* the drive knows of each unit whether it was ever written */
    unsigned weight[IO_OPS];
    unsigned fua_percent;
};

/* Defaults of all options for a tiny drive; then each "section.key=value" of `args` (NULL-terminated). */
void oracle_config(struct drive_config *config, const char *const *args);

void oracle_open(struct oracle *o, const struct drive_config *config, const char *store, const char *path,
                 uint64_t seed);
void oracle_close(struct oracle *o);

/* Close the drive and open it again on the same image. */
void oracle_reopen(struct oracle *o);

/* Keep random operations in flight until `ios` more have finished; all have when it returns, unless `leave`. */
void oracle_run(struct oracle *o, uint64_t ios, bool leave);

/* Wait for what is in flight. */
void oracle_drain(struct oracle *o);
void oracle_power_cut(struct oracle *o);

/* Read everything back and compare. */
void oracle_verify(struct oracle *o);
void oracle_check(struct oracle *o);

/* One request, waited for; returns its status. */
uint16_t oracle_one(struct oracle *o, enum io_op op, uint64_t unit, uint64_t units, uint32_t flags);

#endif

/*
 * NAND flash in time: channels x LUNs (dies) x planes x blocks x pages.
 *
 * The array, the bus and their queues; no payload, no mapping. A caller embeds
 * a struct nand_op, submits it, and is called back when the operation's last
 * phase ends. Each die is one array that does one thing at a time (a
 * multi-plane operation counts as one thing); each channel is one bus.
 *
 * Scheduling per die, out of order across dies: reads before programs before
 * erases, host before garbage collection unless the caller marked the
 * operation urgent, with a bound on how often a waiting operation is passed
 * over. Operations of the same kind, page and class on different planes of a
 * die that wait together run as one multi-plane operation.
 *
 * Units: int64_t nanoseconds, bytes. One thread.
 */
#ifndef DRIVELAB_MEDIA_NAND_NAND_H
#define DRIVELAB_MEDIA_NAND_NAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "sim/sim.h"

struct json_t;

enum nand_cell { NAND_SLC, NAND_MLC, NAND_TLC, NAND_QLC }; /* bits per cell - 1 */

struct nand_config {
    uint32_t channels, luns, planes, blocks, pages; /* luns per channel; blocks per plane; pages per block */
    uint32_t page_bytes;
    int cell;                                 /* enum nand_cell; type of page p: p % (cell + 1), 0 = lower */
    struct opt_times read_time, program_time; /* per page type; one value serves all */
    int64_t erase_time;
    int64_t command_time;      /* command and address cycles on the bus, per operation */
    uint32_t bus_mts;          /* ONFI bus, mega-transfers (bytes) a second; 0: transfers take no time */
    bool multi_plane;          /* merge waiting operations on several planes */
    uint32_t multi_plane_dies; /* that a LUN stands for: only planes equal modulo this merge; 0: as 1 */
    bool cache_read, cache_program;
    bool program_suspend, erase_suspend;
    uint32_t suspend_limit; /* suspensions of one operation; then it runs to its end */
    int64_t suspend_time, resume_time;
    int64_t suspend_min_remaining; /* don't suspend what is nearly done */
    uint32_t starvation_limit;     /* operations that may overtake a waiting one */
    uint32_t endurance;            /* program/erase cycles until blocks start to fail; 0 = unlimited */
    double factory_bad_percent;
    double read_fail_ppm, program_fail_ppm, erase_fail_ppm; /* injected, per operation, seeded */
    uint32_t supply_mv;                                     /* the currents flow at: millivolts */
    uint32_t read_ua, program_ua, erase_ua;                 /* microamperes of an array at work; 0: not given */
    uint32_t bus_ua, standby_ua; /* of a die whose bus moves data; of each die all the time */
};

enum { NAND_BLOCKS_MIN = 4, NAND_BLOCKS_MAX = 1 << 20 }; /* per plane */

extern const struct opt_row nand_opts[]; /* section "nand" */

enum nand_kind { NAND_READ, NAND_PROGRAM, NAND_ERASE, NAND_KINDS };

/* Why the operation happens; also its scheduling class. */
enum nand_cause { NAND_HOST, NAND_MAPPING, NAND_GC, NAND_WEAR, NAND_CAUSES };

enum nand_result {
    NAND_DONE,
    NAND_FAILED
}; /* FAILED: uncorrectable read; program or erase status fail (block is now grown bad) */

/* One page read, page program or block erase. Fill the first part; zero-initialise the rest once. */
struct nand_op {
    uint8_t kind, cause; /* enum nand_kind, nand_cause */
    bool urgent;         /* runs with host priority whatever its cause */
    uint8_t plane;
    uint16_t die; /* channel * luns + lun */
    uint32_t block, page;
    uint32_t bytes;                 /* moved over the bus; 0 < bytes <= page_bytes; ignored for erase */
    uint32_t extra_bus_ns;          /* read: time on the bus besides those of command and data */
    void (*done)(struct nand_op *); /* sim_now() is the modelled end; may submit again, also this op */

    uint8_t result; /* enum nand_result, valid in done() */
    /* where the time went; valid in done() */
    int64_t submitted_ns, started_ns; /* started: first bus or array activity */
    int64_t array_ns, bus_ns;         /* time in the array and on the bus; the rest was waiting */

    /* valid in done(), for oracles */
    uint32_t passed_over; /* array operations that were submitted later and ran earlier */
    uint8_t suspensions;  /* of its array time */

    /* the NAND's own */
    uint8_t state, queue;
    uint32_t seq;
    struct nand_op *next;
};

/* Durable per-block state, owned by the caller (normally a store's state area), one per block: index
 * nand_block_index(). */
struct nand_block {
    uint32_t erases;
    uint16_t next_page; /* pages are programmed in order; pages >= next_page are erased */
    uint8_t bad;        /* 0, 1 factory, 2 grown */
    uint8_t reserved;
};

struct nand;

/*
 * `blocks` has nand_block_count() entries and outlives the device; if `fresh`,
 * factory bad blocks are drawn from `seed`. NULL with `e` filled on a bad
 * configuration or no memory.
 */
struct nand *nand_new(const struct nand_config *config, struct sim *sim, struct nand_block *blocks, bool fresh,
                      uint64_t seed, struct err *e);
void nand_free(struct nand *nand);

/* Check a configuration alone: 0 or -EINVAL naming the option. */
int nand_config_check(const struct nand_config *config, struct err *e);

static inline uint32_t nand_die_count(const struct nand_config *c) {
    return c->channels * c->luns;
}
static inline uint64_t nand_block_count(const struct nand_config *c) {
    return (uint64_t)c->channels * c->luns * c->planes * c->blocks;
}
static inline uint64_t nand_block_index(const struct nand_config *c, uint32_t die, uint32_t plane, uint32_t block) {
    return ((uint64_t)die * c->planes + plane) * c->blocks + block;
}

/*
 * Queue an operation. done() is never called from inside. Programming a page
 * other than the block's next, reading an erased one, or addressing what does
 * not exist is a caller's bug: the operation fails, and nand_check() says so.
 *
 * Operations of one die overtake each other, so a caller waits for done()
 * where order matters: of a program before it reads the page, of an erase
 * before it programs the block, of all reads of a block before it erases it.
 * Programs of one class (host and mapping, or garbage collection and wear;
 * urgent counts as host) on one plane stay in the order they were submitted, and
 * an erase never overtakes a host's read of its block.
 *
 * done() may submit, and may cut the power, but not free the device.
 */
void nand_submit(struct nand *nand, struct nand_op *op);

/* Operations queued or running on a die; for allocation and background decisions. */
uint32_t nand_die_load(const struct nand *nand, uint32_t die);

/* Drop everything queued or running without calling done(); blocks keep what was finished (a power cut). */
void nand_power_cut(struct nand *nand);

/* Totals since nand_new(). */
struct nand_counters {
    uint64_t ops[NAND_KINDS][NAND_CAUSES]; /* page reads, page programs, block erases */
    uint64_t bytes[NAND_KINDS][NAND_CAUSES];
    uint64_t array_ns[NAND_KINDS][NAND_CAUSES], bus_ns[NAND_KINDS][NAND_CAUSES]; /* of finished operations */
    uint64_t failed[NAND_KINDS];
    uint64_t suspends[NAND_KINDS];    /* suspensions, of one array operation each */
    uint64_t multi_plane[NAND_KINDS]; /* operations that shared their array time with others */
    uint64_t cached[NAND_KINDS];      /* reads begun before the last one's data left, data in while programming */
};
const struct nand_counters *nand_counters(const struct nand *nand);

/*
 * Energy in picojoules that operations since `then` (a copy of the counters)
 * took in `elapsed_ns`: {"read", "program", "erase", "bus", "standby", "total"
 * and "by_cause": {"host"...}}, the last without standby. Caller owns it; NULL
 * if no current is given.
 */
struct json_t *nand_energy_json(const struct nand *nand, const struct nand_counters *then, int64_t elapsed_ns);

/* Sums over all blocks, kept while they change. */
struct nand_wear {
    uint64_t erases, bad;
};
const struct nand_wear *nand_wear(const struct nand *nand);

/* A good block was erased with time standing still: by a recovery, before anything runs. */
void nand_erased(struct nand *nand, uint64_t block_index);

/* New JSON object: counters, utilisation per channel and die, erase distribution. Caller owns it. */
struct json_t *nand_stats_json(const struct nand *nand);

/*
 * Watch every use of a resource, for oracles and timelines: called once per use
 * with its extent. `resource` is a channel or a die. Uses of the bus and
 * resumptions are reported when they are granted (both times may lie in the
 * future; a power cut makes them void), uses of the array when they end. A
 * multi-plane operation is one use, reported for each of its members. Uses of
 * no length are left out.
 */
enum nand_resource { NAND_CHANNEL, NAND_DIE };
enum nand_phase { NAND_PHASE_COMMAND, NAND_PHASE_TRANSFER, NAND_PHASE_ARRAY, NAND_PHASE_SUSPEND, NAND_PHASE_RESUME };
struct nand_observer {
    void (*use)(struct nand_observer *, enum nand_resource, uint32_t index, enum nand_phase, const struct nand_op *op,
                int64_t from_ns, int64_t to_ns);
};
void nand_observe(struct nand *nand, struct nand_observer *observer);

/*
 * Faults from outside, for tests of what stands above. They cost nothing while
 * there are none.
 *
 * A fault fails the next `count` operations of its kind at its place that would
 * have succeeded: a read is uncorrectable, a program or erase fails its status
 * and its block goes bad. It is forgotten once it has failed that many. Power
 * cuts leave faults as they are.
 */
#define NAND_ANY    UINT32_MAX
#define NAND_FAULTS 64 /* at once */

struct nand_fault {
    uint32_t id;                /* the caller's name for it */
    uint8_t kind;               /* enum nand_kind */
    uint32_t die, plane, block; /* NAND_ANY: any; block is one of its plane */
    uint64_t count;             /* operations still to fail */
};

/* 0; -EINVAL with `e` naming what does not exist, -ENOSPC if there are NAND_FAULTS already. */
int nand_fault_add(struct nand *nand, const struct nand_fault *fault, struct err *e);

/* Copy the faults, oldest first; returns how many. `faults` has room for NAND_FAULTS. */
unsigned nand_faults(const struct nand *nand, struct nand_fault *faults);

/* Forget the fault `id`; false if there is none. */
bool nand_fault_clear(struct nand *nand, uint32_t id);

/*
 * Have a die start nothing for `for_ns`; what its array does already goes on to
 * its end. A later end of an earlier call stays. A power cut ends it. 0, or
 * -EINVAL, -ENOMEM with `e`.
 */
int nand_hold(struct nand *nand, uint32_t die, int64_t for_ns, struct err *e);

/* When the die goes on; 0: it is not held. */
int64_t nand_held_until(const struct nand *nand, uint32_t die);

/* Let the die go on now; false if it was not held. */
bool nand_release(struct nand *nand, uint32_t die);

/* Options of rows with `runtime` have changed: follow. The rest of `config` must be as it was. */
void nand_reconfigure(struct nand *nand, const struct nand_config *config);

/* Verify all invariants; 0, or -EFAULT with `e` saying which is broken. Not from inside done(). */
int nand_check(const struct nand *nand, struct err *e);

#endif

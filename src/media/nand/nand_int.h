/*
 * Inside the NAND: channels (bus.c), dies (die.c), queues (queue.c).
 *
 *               nand_submit()
 *                    |            waiting: six queues a die, class x kind
 *                    v
 *      select -> group of 1..planes operations (one array operation)
 *        read, erase |              | program
 *                    v              v
 *              DIE_COMMAND        loading  --- data in, one plane at a time, while
 *               (bus busy)          |          the array may still do something else
 *                    |              |          (cache program)
 *                    v              v
 *   DIE_IDLE ->   DIE_RUN  <--------+   resume
 *      ^             |  \--- DIE_SUSPEND ---> suspended (at most one group) --> DIE_IDLE
 *      |             |
 *      +-------------+--- read: data out, one plane at a time
 *                    \--- DIE_HOLD while the cache register of a plane is still full
 *
 * Invariants (nand_check() verifies them):
 *  1. A die's event is pending exactly in DIE_RUN and DIE_SUSPEND.
 *  2. A channel with anything queued has its event pending.
 *  3. A suspended group is a program or an erase; while it exists only reads
 *     of the host class run.
 *  4. out_mask has a bit for each plane whose register holds read data that
 *     has not crossed the bus yet. Without cache read the array rests until
 *     it is empty.
 *  5. Queues are in order of submission; `waiting` has a bit for each that is
 *     not empty.
 *  6. A die with work is idle only while it is held.
 *
 * Event economy: a phase whose end nobody waits for has no event. The bus is
 * only "busy until"; a command followed by array time is one event at the end
 * of the array time, and commands of several dies chain without events. A data
 * transfer into a die has an event only if somebody waits for the bus.
 *
 * Throughout, `now` is sim_now(), handed down.
 */
#ifndef DRIVELAB_MEDIA_NAND_NAND_INT_H
#define DRIVELAB_MEDIA_NAND_NAND_INT_H

#include "base/rng.h"
#include "media/nand/nand.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum { NAND_QUEUES = 2 * NAND_KINDS, NAND_PLANES_MAX = 16, NAND_MERGE_SCAN = 32 };

/* Queue 0: reads of the host class, the only ones worth a suspension. */
#define NAND_QUEUE_URGENT_READ 0

enum nand_op_state { OP_FREE, OP_WAITING, OP_LOADING, OP_COMMAND, OP_ARRAY, OP_SUSPENDED, OP_OUT };

enum die_state { DIE_IDLE, DIE_COMMAND, DIE_RUN, DIE_SUSPEND, DIE_HOLD };

/* One array and its registers. Field order: what the read path touches comes first. */
struct die {
    struct sim_event ev;
    struct nand *nand;
    struct channel *channel;
    struct nand_op *cur; /* group in the array, linked by next */
    int64_t run_from;    /* DIE_RUN: array time starts here (maybe in the future); DIE_SUSPEND: suspension began */
    uint8_t state;       /* enum die_state */
    uint8_t waiting;     /* bit per queue that is not empty */
    bool held;           /* a fault: starts nothing */
    uint16_t cur_mask;   /* planes of cur */
    uint16_t out_mask;
    uint16_t index;
    uint32_t load; /* operations submitted and not done */
    uint32_t seq;
    struct nand_op *tail[NAND_QUEUES]; /* circular: tail->next is the head */
    uint32_t passes[NAND_QUEUES];      /* how often the queue's older operations were passed over */
    int64_t busy_ns;
    struct nand_block *blocks; /* of plane 0 */
    struct die *command_next;  /* waiting for the bus with a command */

    struct nand_op *loading; /* program group whose data is in or on its way */
    struct nand_op *load_in; /* its next member to cross the bus; NULL: all granted */
    int64_t ready_ns;        /* its last transfer ends; SIM_NEVER while load_in */
    struct die *in_next;     /* waiting for the bus with data in */
    uint16_t loading_mask;
    uint16_t suspended_mask;
    struct nand_op *suspended;
    int64_t remaining_ns; /* array time the suspended group still needs */
} __attribute__((aligned(64)));

/* One bus. Queues: commands (dies), data out (operations), data in (dies). */
struct channel {
    struct sim_event ev; /* end of a transfer somebody waits for */
    struct nand *nand;
    int64_t busy_until;
    int64_t data_until;  /* end of a data-in transfer without event */
    struct nand_op *cur; /* data out under way */
    struct nand_op *out_head, *out_tail;
    struct die *command_head, *command_tail;
    struct die *in_head, *in_tail;
    uint32_t in_passed; /* transfers out granted while data in waited */
    uint16_t index;
    bool corked; /* requests only queue: somebody will pump */
    int64_t busy_ns;
} __attribute__((aligned(64)));

struct nand {
    struct sim *sim;
    int64_t command_ns;
    uint64_t byte_ns_q32;            /* transfer time of a byte, 32 fraction bits */
    int64_t array_ns[NAND_KINDS][4]; /* by page type */
    uint32_t bits;
    uint64_t type_recip; /* page % bits without a division */
    uint32_t starvation_limit;
    uint32_t die_count;
    bool multi_plane, cache_read, cache_program;
    uint16_t joins[NAND_PLANES_MAX]; /* planes that work as one with this one */
    struct die *dies;
    struct channel *channels;
    struct nand_observer *observer;
    uint32_t epoch;            /* counts power cuts */
    bool may_fail[NAND_KINDS]; /* by chance or by a fault */
    uint64_t fail_below[NAND_KINDS];
    struct rng rng;
    struct nand_counters counters;
    struct nand_config config;
    struct nand_block *blocks;
    struct nand_wear wear;
    uint64_t wear_slope; /* chance of an erase failure per cycle beyond endurance, of 2^64 */
    int64_t created_ns;
    struct sim_event reject_ev; /* fails operations that address nothing */
    struct nand_op *reject_head, *reject_tail;
    uint64_t misuses;
    char first_misuse[160];
    struct nand_fault faults[NAND_FAULTS];
    unsigned fault_count;
    int64_t *held_until; /* of each die; NULL until the first is held */
    struct sim_event held_ev;
};

static inline uint32_t nand_page_type(const struct nand *n, uint32_t page) {
    return page - n->bits * (uint32_t)((page * n->type_recip) >> 32);
}

static inline int64_t nand_transfer_ns(const struct nand *n, uint32_t bytes) {
    return (int64_t)((bytes * n->byte_ns_q32 + (1ull << 31)) >> 32);
}

static inline int64_t nand_op_array_ns(const struct nand *n, const struct nand_op *op) {
    return n->array_ns[op->kind][op->kind == NAND_ERASE ? 0 : nand_page_type(n, op->page)];
}

static inline struct nand_block *die_block(const struct die *d, const struct nand_op *op) {
    return d->blocks + (uint64_t)op->plane * d->nand->config.blocks + op->block;
}

static inline void nand_use(struct nand *n, enum nand_resource r, uint32_t index, enum nand_phase phase,
                            const struct nand_op *op, int64_t from, int64_t to) {
    if (unlikely(n->observer != NULL) && to > from)
        n->observer->use(n->observer, r, index, phase, op, from, to);
}

static inline uint32_t nand_members(uint16_t mask) {
    return likely(!(mask & (mask - 1))) ? 1 : (uint32_t)__builtin_popcount(mask);
}

/* --- queue.c: what waits for a die, and what is next --- */

void die_enqueue(struct die *d, struct nand_op *op);

/* The queue to serve next; some queue is not empty. */
unsigned die_select_of_several(const struct die *d);
static inline unsigned die_select(const struct die *d) {
    uint32_t w = d->waiting;
    return likely(!(w & (w - 1))) ? (unsigned)__builtin_ctz(w) : die_select_of_several(d);
}

/* Take the head of queue q and what may run with it; *mask gets their planes. Counts whom it passes over. */
struct nand_op *die_take(struct die *d, unsigned q, uint16_t *mask);

/* True if `op` may run in one array operation with the group `head` of planes `mask` of the die. */
bool nand_op_joins(const struct die *d, const struct nand_op *head, uint16_t mask, const struct nand_op *op);

/* --- die.c --- */

void die_init(struct die *d, struct nand *n, uint32_t index);
void die_submitted(struct die *d, struct nand_op *op, int64_t now);

/* Start whatever can start now. */
void die_start(struct die *d, int64_t now);
static inline void die_kick(struct die *d, int64_t now) {
    if (d->waiting || d->loading || d->suspended)
        die_start(d, now);
}

/* The bus granted the command phase of `cur` from `start` on. */
void die_commanded(struct die *d, int64_t start);

/* A plane's register has crossed the bus. */
void die_drained(struct die *d, const struct nand_op *op, int64_t now);
void die_power_cut(struct die *d);

/* --- bus.c --- */

void channel_init(struct channel *ch, struct nand *n, uint32_t index);
void channel_power_cut(struct channel *ch);

/* Ask for the command phases of d->cur; die_commanded() is called now or later. */
void bus_command(struct channel *ch, struct die *d, int64_t now);

/* One more command phase for a group whose commands are just being given: its end, or -1 if the bus is taken. */
int64_t bus_extend_command(struct channel *ch, struct nand_op *op, int64_t now);

/* Ask for the transfer of a finished read; it ends the operation. */
void bus_out(struct channel *ch, struct nand_op *op, int64_t now);

/* Ask for the transfer of d->load_in. */
void bus_in(struct channel *ch, struct die *d, int64_t now);

/* Give the bus to who waits, and have an event if somebody still does. */
void bus_pump(struct channel *ch, int64_t now);

/* Between these requests only queue, so that arbitration sees all of them. */
static inline void bus_cork(struct channel *ch) {
    ch->corked = true;
}
static inline void bus_uncork(struct channel *ch, int64_t now) {
    ch->corked = false;
    if ((ch->out_head || ch->in_head || ch->command_head) && !sim_event_pending(&ch->ev))
        bus_pump(ch, now);
}

/* --- fault.c --- */

void nand_faults_init(struct nand *n);
void nand_faults_release(struct nand *n);
void nand_holds_clear(struct nand *n); /* a power cut */
void nand_may_fail(struct nand *n);    /* chances or faults have changed */

/* An operation that may fail, by chance or by a fault: does it? */
bool nand_fails(struct nand *n, const struct nand_op *op);

/* --- nand.c --- */

/* Every block's state is possible: 0, or -EINVAL with `e` naming the first that is not. */
/* The sums, the slow way. */
struct nand_wear nand_wear_sum(const struct nand *n);

int nand_check_blocks(const struct nand *n, struct err *e);

/* Count and hand back a finished operation. */
static inline void nand_finish(struct nand *n, struct die *d, struct nand_op *op) {
    struct nand_counters *c = &n->counters;
    d->load--;
    op->state = OP_FREE;
    c->ops[op->kind][op->cause]++;
    c->array_ns[op->kind][op->cause] += (uint64_t)op->array_ns;
    c->bus_ns[op->kind][op->cause] += (uint64_t)op->bus_ns;
    if (op->kind != NAND_ERASE)
        c->bytes[op->kind][op->cause] += op->bytes;
    op->done(op);
}

/* Decide the result of an operation whose array time ended and change its block. */
void nand_decide(struct nand *n, struct nand_op *op, struct nand_block *b);
static inline void nand_apply(struct nand *n, struct die *d, struct nand_op *op) {
    struct nand_block *b = die_block(d, op);
    if (likely(op->kind == NAND_READ && op->page < b->next_page && !n->may_fail[NAND_READ]))
        op->result = NAND_DONE;
    else
        nand_decide(n, op, b);
}

#endif

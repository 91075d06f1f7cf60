/*
 * A die: one array, its registers, and suspension.
 *
 * Faithful: one array operation at a time; multi-plane operations of equal
 * kind and page; the array waits for the bus where a register is missing
 * (no cache read, no cache program).
 *
 * Simplified: program data has latches of its own when cache_program is set,
 * so a read may use the array before a loaded program starts; suspension costs
 * a fixed time and needs no bus cycles; only host reads suspend.
 */
#include "base/probe.h"
#include "media/nand/nand_int.h"

static void die_event(struct sim_event *ev);
static void make_way(struct die *d, int64_t now);

void die_init(struct die *d, struct nand *n, uint32_t index) {
    *d = (struct die){.nand = n, .index = (uint16_t)index, .ready_ns = SIM_NEVER};
    d->channel = &n->channels[index / n->config.luns];
    d->blocks = n->blocks + nand_block_index(&n->config, index, 0, 0);
    sim_event_init(&d->ev, die_event);
}

void die_power_cut(struct die *d) {
    int64_t busy = d->busy_ns, now = sim_now(d->nand->sim);
    if (d->state == DIE_RUN && now > d->run_from)
        busy += now - d->run_from;
    sim_cancel(d->nand->sim, &d->ev);
    die_init(d, d->nand, d->index);
    d->busy_ns = busy;
}

/* --- the array --- */

static void array_used(struct die *d, enum nand_phase phase, int64_t from, int64_t to) {
    d->busy_ns += to - from;
    d->cur->array_ns += to - from; /* the head counts for its group */
    for (const struct nand_op *op = d->cur; op; op = op->next)
        nand_use(d->nand, NAND_DIE, d->index, phase, op, from, to);
}

static void array_run(struct die *d, int64_t from, int64_t duration) {
    d->state = DIE_RUN;
    d->run_from = from;
    sim_schedule(d->nand->sim, &d->ev, from + duration);
}

void die_commanded(struct die *d, int64_t start) {
    struct nand *n = d->nand;
    int64_t command = n->command_ns;
    for (struct nand_op *op = d->cur; op; op = op->next, start += command) {
        op->state = OP_ARRAY;
        op->started_ns = start;
        PROBE4(media_start, op->kind, op->cause, op->die, op->block);
        op->bus_ns = command;
        nand_use(n, NAND_CHANNEL, d->channel->index, NAND_PHASE_COMMAND, op, start, start + command);
    }
    array_run(d, start, nand_op_array_ns(n, d->cur));
    if (unlikely(d->cur->kind == NAND_ERASE))
        make_way(d, start);
}

/* Take a group of reads or erases, with its planes in d->cur_mask, to the array by way of the bus. */
static void start_command(struct die *d, struct nand_op *group, int64_t now) {
    d->cur = group;
    d->state = DIE_COMMAND;
    if (d->out_mask && d->cur->kind == NAND_READ)
        d->nand->counters.cached[NAND_READ] += nand_members(d->cur_mask);
    bus_command(d->channel, d, now);
}

/* Take a queue of programs to the registers. */
static void start_loading(struct die *d, unsigned q, int64_t now) {
    d->loading = die_take(d, q, &d->loading_mask);
    for (struct nand_op *op = d->loading; op; op = op->next)
        op->state = OP_LOADING;
    if (d->state != DIE_IDLE)
        d->nand->counters.cached[NAND_PROGRAM] += nand_members(d->loading_mask);
    d->load_in = d->loading;
    d->ready_ns = SIM_NEVER;
    bus_in(d->channel, d, now);
}

static void run_loaded(struct die *d, int64_t now) {
    d->cur = d->loading;
    d->cur_mask = d->loading_mask;
    d->loading = NULL;
    for (struct nand_op *op = d->cur; op; op = op->next)
        op->state = OP_ARRAY;
    array_run(d, d->ready_ns > now ? d->ready_ns : now, nand_op_array_ns(d->nand, d->cur));
    make_way(d, now);
}

/* --- suspension --- */

static bool passable(const struct die *d, const struct nand_op *held) {
    return !held || held->passed_over < d->nand->starvation_limit;
}

/* True if a host read is next and may still go before `held` and what is loaded, groups that were chosen earlier. */
static bool may_pass(const struct die *d, const struct nand_op *held) {
    return (d->waiting & (1u << NAND_QUEUE_URGENT_READ)) && passable(d, held) && passable(d, d->loading) &&
           die_select(d) == NAND_QUEUE_URGENT_READ;
}

static void count_pass(struct nand_op *held, const struct nand_op *read) {
    if (held && (int32_t)(held->seq - read->seq) < 0)
        for (struct nand_op *op = held; op; op = op->next)
            op->passed_over++;
}

/* Start a host read before the groups that are suspended or loaded. */
static void pass(struct die *d, int64_t now) {
    const struct nand_op *read = d->tail[NAND_QUEUE_URGENT_READ]->next;
    count_pass(d->suspended, read);
    count_pass(d->loading, read);
    start_command(d, die_take(d, NAND_QUEUE_URGENT_READ, &d->cur_mask), now);
}

static bool may_suspend(const struct die *d, int64_t at) {
    const struct nand_config *c = &d->nand->config;
    const struct nand_op *op = d->cur;
    if (!(op->kind == NAND_PROGRAM ? c->program_suspend : op->kind == NAND_ERASE && c->erase_suspend))
        return false;
    return op->suspensions < c->suspend_limit && d->ev.at_ns - at > c->suspend_min_remaining;
}

static void suspend(struct die *d, int64_t at) {
    struct nand *n = d->nand;
    array_used(d, NAND_PHASE_ARRAY, d->run_from, at);
    d->remaining_ns = d->ev.at_ns - at;
    sim_cancel(n->sim, &d->ev);
    for (struct nand_op *op = d->cur; op; op = op->next) {
        op->suspensions++;
        op->state = OP_SUSPENDED;
    }
    n->counters.suspends[d->cur->kind]++;
    d->state = DIE_SUSPEND;
    d->run_from = at;
    sim_schedule(n->sim, &d->ev, at + n->config.suspend_time);
}

static void suspended(struct die *d, int64_t now) {
    array_used(d, NAND_PHASE_SUSPEND, d->run_from, now);
    d->suspended = d->cur;
    d->suspended_mask = d->cur_mask;
    d->cur = NULL;
    d->state = DIE_IDLE;
    die_kick(d, now);
}

static void resume(struct die *d, int64_t now) {
    int64_t from = now + d->nand->config.resume_time;
    d->cur = d->suspended;
    d->cur_mask = d->suspended_mask;
    d->suspended = NULL;
    for (struct nand_op *op = d->cur; op; op = op->next)
        op->state = OP_ARRAY;
    array_used(d, NAND_PHASE_RESUME, now, from);
    array_run(d, from, d->remaining_ns);
}

/* The group in the array still waits for its data to cross the bus: take it back to the registers, if they are free. */
static bool back_to_loading(struct die *d, int64_t now) {
    if (d->state != DIE_RUN || now >= d->run_from || d->cur->suspensions || d->loading)
        return false;
    sim_cancel(d->nand->sim, &d->ev);
    for (struct nand_op *op = d->cur; op; op = op->next)
        op->state = OP_LOADING;
    d->loading = d->cur;
    d->loading_mask = d->cur_mask;
    d->cur = NULL;
    d->state = DIE_IDLE;
    return true;
}

/*
 * A host read waits while `cur`, a program or erase, is in the array. A program
 * whose data is still on the bus steps back if there is a latch for it; else
 * it is suspended as soon as it runs.
 */
static void make_way(struct die *d, int64_t now) {
    int64_t at = d->run_from > now ? d->run_from : now;
    if (!(d->waiting & (1u << NAND_QUEUE_URGENT_READ)) || d->held || !may_pass(d, d->cur))
        return;
    if (d->cur->kind == NAND_PROGRAM && d->nand->cache_program && back_to_loading(d, now))
        die_kick(d, now);
    else if (may_suspend(d, at))
        suspend(d, at);
}

/* --- what next --- */

static void start_idle(struct die *d, int64_t now) {
    const struct nand *n = d->nand;
    if (unlikely(d->held) || (d->out_mask && !n->cache_read))
        return;
    if (d->suspended) {
        if (may_pass(d, d->suspended))
            pass(d, now);
        else
            resume(d, now);
    } else if (d->loading) {
        if (n->cache_program && may_pass(d, d->loading))
            pass(d, now);
        else if (d->ready_ns != SIM_NEVER)
            run_loaded(d, now);
    } else if (d->waiting) {
        unsigned q = die_select(d);
        if (q % NAND_KINDS == NAND_PROGRAM)
            start_loading(d, q, now);
        else
            start_command(d, die_take(d, q, &d->cur_mask), now);
    }
}

void die_start(struct die *d, int64_t now) {
    if (d->state == DIE_IDLE)
        start_idle(d, now);
    if (d->nand->cache_program && d->state == DIE_RUN && d->cur->kind == NAND_PROGRAM && !d->loading && d->waiting) {
        unsigned q = die_select(d);
        if (q % NAND_KINDS == NAND_PROGRAM)
            start_loading(d, q, now);
    }
}

/* --- joining a group whose commands or data are just being given --- */

static struct nand_op *last_of(struct nand_op *group) {
    while (group->next)
        group = group->next;
    return group;
}

static bool join_command(struct die *d, struct nand_op *op, int64_t now) {
    if (d->state == DIE_RUN) {
        if (now >= d->run_from || d->cur->suspensions)
            return false;
        int64_t end = bus_extend_command(d->channel, op, now);
        if (end < 0)
            return false;
        sim_cancel(d->nand->sim, &d->ev);
        array_run(d, end, nand_op_array_ns(d->nand, op));
    } else if (d->state != DIE_COMMAND) {
        return false;
    }
    op->next = NULL;
    op->state = d->cur->state;
    last_of(d->cur)->next = op;
    d->cur_mask |= (uint16_t)(1u << op->plane);
    return true;
}

static bool join_loading(struct die *d, struct nand_op *op, int64_t now) {
    bool all_granted = !d->load_in;
    op->next = NULL;
    op->state = OP_LOADING;
    last_of(d->loading)->next = op;
    d->loading_mask |= (uint16_t)(1u << op->plane);
    if (all_granted) {
        d->load_in = op;
        d->ready_ns = SIM_NEVER;
        bus_in(d->channel, d, now);
    }
    return true;
}

/* An operation that comes while its companions are still on the bus runs with them. */
static bool join(struct die *d, struct nand_op *op, int64_t now) {
    if (d->loading && op->kind == NAND_PROGRAM) {
        if ((d->load_in || now < d->ready_ns) && nand_op_joins(d, d->loading, d->loading_mask, op))
            return join_loading(d, op, now);
        return false;
    }
    if (!d->cur || !nand_op_joins(d, d->cur, d->cur_mask, op))
        return false;
    if (op->kind != NAND_PROGRAM)
        return join_command(d, op, now);
    return back_to_loading(d, now) && join_loading(d, op, now);
}

/* The die has nothing to do, nor anything to wait for. */
static bool at_rest(const struct die *d) {
    return d->state == DIE_IDLE && !d->waiting && !d->loading && !d->suspended && !d->held &&
           (!d->out_mask || d->nand->cache_read);
}

/* As if it had waited in its queue for no time. */
static void start_alone(struct die *d, struct nand_op *op, int64_t now) {
    op->passed_over = 0;
    op->next = NULL;
    d->cur_mask = (uint16_t)(1u << op->plane);
    start_command(d, op, now);
}

void die_submitted(struct die *d, struct nand_op *op, int64_t now) {
    if (op->kind == NAND_READ && at_rest(d)) {
        start_alone(d, op, now);
        return;
    }
    if (d->nand->multi_plane && (d->cur || d->loading) && !(d->waiting & (1u << op->queue)) && join(d, op, now)) {
        op->passed_over = 0;
        return;
    }
    die_enqueue(d, op);
    if (d->state == DIE_RUN && d->cur->kind != NAND_READ && op->queue == NAND_QUEUE_URGENT_READ)
        make_way(d, now);
    else if (d->state == DIE_IDLE || op->kind == NAND_PROGRAM)
        die_kick(d, now);
}

/* --- ends --- */

/* Move the results in the page registers on towards the bus. The die is idle afterwards. */
static void release_reads(struct die *d, int64_t now) {
    struct nand_op *op = d->cur;
    d->out_mask |= d->cur_mask;
    d->cur = NULL;
    d->state = DIE_IDLE;
    bus_cork(d->channel);
    die_kick(d, now);
    while (op) {
        struct nand_op *next = op->next;
        bus_out(d->channel, op, now);
        op = next;
    }
    bus_uncork(d->channel, now);
}

void die_drained(struct die *d, const struct nand_op *op, int64_t now) {
    d->out_mask &= (uint16_t) ~(1u << op->plane);
    if (d->state == DIE_IDLE)
        die_kick(d, now);
    else if (d->state == DIE_HOLD && !(d->out_mask & d->cur_mask)) {
        release_reads(d, now);
    }
}

/* Give all members the times and suspensions of the head and decide their results. */
static void settle(struct die *d) {
    struct nand_op *head = d->cur;
    bool group = head->next != NULL;
    for (struct nand_op *op = head; op; op = op->next) {
        op->array_ns = head->array_ns;
        d->nand->counters.multi_plane[op->kind] += group;
        nand_apply(d->nand, d, op);
    }
}

static void finish_group(struct die *d, struct nand_op *op) {
    struct nand *n = d->nand;
    uint32_t epoch = n->epoch;
    while (op && epoch == n->epoch) { /* done() may cut the power */
        struct nand_op *next = op->next;
        nand_finish(n, d, op);
        op = next;
    }
}

static void array_done(struct die *d, int64_t now) {
    array_used(d, NAND_PHASE_ARRAY, d->run_from, now);
    settle(d);
    struct nand_op *group = d->cur;
    if (group->kind != NAND_READ) {
        d->cur = NULL;
        d->state = DIE_IDLE;
        die_kick(d, now);
        finish_group(d, group);
    } else if (d->out_mask & d->cur_mask) {
        d->state = DIE_HOLD;
    } else {
        release_reads(d, now);
    }
}

static void die_event(struct sim_event *ev) {
    struct die *d = (struct die *)ev;
    int64_t now = sim_now(d->nand->sim);
    if (d->state == DIE_SUSPEND)
        suspended(d, now);
    else
        array_done(d, now);
}

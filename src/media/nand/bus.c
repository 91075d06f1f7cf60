/*
 * A channel: one bus shared by the dies on it.
 *
 * Arbitration, when the bus becomes free: all waiting command phases (they are
 * short and put idle dies to work), then one data transfer: out of dies before
 * into dies, first come first served within each, with a bound on how often
 * data in is passed over. Transfers are never interrupted.
 *
 * A request that finds only command phases ahead of it is granted at once for
 * the time they end; see "Event economy" in nand_int.h.
 */
#include "base/probe.h"
#include "media/nand/nand_int.h"

static void channel_event(struct sim_event *ev);

void channel_init(struct channel *ch, struct nand *n, uint32_t index) {
    *ch = (struct channel){.nand = n, .index = (uint16_t)index};
    sim_event_init(&ch->ev, channel_event);
}

void channel_power_cut(struct channel *ch) {
    int64_t now = sim_now(ch->nand->sim), busy = ch->busy_ns;
    if (ch->busy_until > now)
        busy -= ch->busy_until - now;
    sim_cancel(ch->nand->sim, &ch->ev);
    channel_init(ch, ch->nand, ch->index);
    ch->busy_ns = busy;
}

/* Nobody waits, and what keeps the bus busy is at most commands. */
static bool open_now(const struct channel *ch, int64_t now) {
    return !sim_event_pending(&ch->ev) && ch->data_until <= now;
}

static int64_t free_from(const struct channel *ch, int64_t now) {
    return ch->busy_until > now ? ch->busy_until : now;
}

static void occupy(struct channel *ch, int64_t from, int64_t to) {
    ch->busy_until = to;
    ch->busy_ns += to - from;
}

static void arm(struct channel *ch) {
    if (!ch->corked && !sim_event_pending(&ch->ev))
        sim_schedule(ch->nand->sim, &ch->ev, ch->busy_until);
}

/* --- commands --- */

static void grant_command(struct channel *ch, struct die *d, int64_t now) {
    int64_t from = free_from(ch, now);
    occupy(ch, from, from + nand_members(d->cur_mask) * ch->nand->command_ns);
    die_commanded(d, from);
}

void bus_command(struct channel *ch, struct die *d, int64_t now) {
    if (likely(open_now(ch, now))) {
        grant_command(ch, d, now);
        return;
    }
    d->command_next = NULL;
    if (ch->command_head)
        ch->command_tail->command_next = d;
    else
        ch->command_head = d;
    ch->command_tail = d;
    arm(ch);
}

int64_t bus_extend_command(struct channel *ch, struct nand_op *op, int64_t now) {
    int64_t from, to;
    if (!open_now(ch, now))
        return -1;
    from = free_from(ch, now);
    to = from + ch->nand->command_ns;
    occupy(ch, from, to);
    op->started_ns = from;
    PROBE4(media_start, op->kind, op->cause, op->die, op->block);
    op->bus_ns = to - from;
    nand_use(ch->nand, NAND_CHANNEL, ch->index, NAND_PHASE_COMMAND, op, from, to);
    return to;
}

static void grant_waiting_commands(struct channel *ch, int64_t now) {
    while (ch->command_head) {
        struct die *d = ch->command_head;
        ch->command_head = d->command_next;
        grant_command(ch, d, now);
    }
}

/* --- data out --- */

static void grant_out(struct channel *ch, struct nand_op *op, int64_t now) {
    int64_t from = free_from(ch, now), to = from + nand_transfer_ns(ch->nand, op->bytes) + op->extra_bus_ns;
    occupy(ch, from, to);
    op->bus_ns += to - from;
    ch->cur = op;
    ch->in_passed += ch->in_head != NULL;
    nand_use(ch->nand, NAND_CHANNEL, ch->index, NAND_PHASE_TRANSFER, op, from, to);
    sim_schedule(ch->nand->sim, &ch->ev, to);
}

/* Data in was passed over as often as it may be. */
static bool in_is_due(const struct channel *ch) {
    return ch->in_head && ch->in_passed >= ch->nand->starvation_limit;
}

/* Nothing that could still be queued under a cork would go before this, so it need not queue. */
void bus_out(struct channel *ch, struct nand_op *op, int64_t now) {
    op->state = OP_OUT;
    if (open_now(ch, now) && !ch->out_head && !in_is_due(ch)) {
        grant_out(ch, op, now);
        return;
    }
    op->next = NULL;
    if (ch->out_head)
        ch->out_tail->next = op;
    else
        ch->out_head = op;
    ch->out_tail = op;
    arm(ch);
}

/* --- data in --- */

static void enqueue_in(struct channel *ch, struct die *d) {
    d->in_next = NULL;
    if (ch->in_head)
        ch->in_tail->in_next = d;
    else
        ch->in_head = d;
    ch->in_tail = d;
}

static void grant_in(struct channel *ch, struct die *d, int64_t now) {
    struct nand *n = ch->nand;
    struct nand_op *op = d->load_in;
    int64_t from = free_from(ch, now), data = from + n->command_ns, to = data + nand_transfer_ns(n, op->bytes);
    occupy(ch, from, to);
    ch->data_until = to;
    ch->in_passed = 0;
    op->started_ns = from;
    PROBE4(media_start, op->kind, op->cause, op->die, op->block);
    op->bus_ns = to - from;
    nand_use(n, NAND_CHANNEL, ch->index, NAND_PHASE_COMMAND, op, from, data);
    nand_use(n, NAND_CHANNEL, ch->index, NAND_PHASE_TRANSFER, op, data, to);
    d->load_in = op->next;
    if (d->load_in) {
        enqueue_in(ch, d);
        arm(ch);
        return;
    }
    d->ready_ns = to;
    die_kick(d, now);
}

void bus_in(struct channel *ch, struct die *d, int64_t now) {
    if (!ch->corked && open_now(ch, now)) {
        grant_in(ch, d, now);
        return;
    }
    enqueue_in(ch, d);
    arm(ch);
}

/* --- arbitration --- */

static void grant_data(struct channel *ch, int64_t now) {
    if (ch->out_head && !in_is_due(ch)) {
        struct nand_op *op = ch->out_head;
        ch->out_head = op->next;
        grant_out(ch, op, now);
    } else if (ch->in_head) {
        struct die *d = ch->in_head;
        ch->in_head = d->in_next;
        grant_in(ch, d, now);
    }
}

void bus_pump(struct channel *ch, int64_t now) {
    ch->corked = true;
    if (open_now(ch, now)) {
        grant_waiting_commands(ch, now);
        grant_data(ch, now);
    }
    ch->corked = false;
    if (ch->out_head || ch->in_head || ch->command_head)
        arm(ch);
}

static void channel_event(struct sim_event *ev) {
    struct channel *ch = (struct channel *)ev;
    struct nand *n = ch->nand;
    struct nand_op *op = ch->cur;
    int64_t now = sim_now(n->sim);
    if (!op) {
        bus_pump(ch, now);
        return;
    }
    struct die *d = &n->dies[op->die];
    ch->cur = NULL;
    ch->corked = true;
    grant_waiting_commands(ch, now);
    die_drained(d, op, now);
    bus_uncork(ch, now);
    nand_finish(n, d, op);
}

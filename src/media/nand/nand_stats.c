/*
 * What the NAND knows about itself: statistics as JSON, and the self-check.
 */
#include <errno.h>
#include <jansson.h>

#include "media/nand/nand_int.h"

enum { WEAR_BUCKETS = 16 };

static const char *const kind_names[] = {"read", "program", "erase"};
static const char *const cause_names[] = {"host", "mapping", "gc", "wear"};

/* --- statistics --- */

static json_t *counters_json(const struct nand *n, unsigned kind) {
    const struct nand_counters *c = &n->counters;
    json_t *ops = json_object(), *bytes = json_object();
    for (unsigned cause = 0; cause < NAND_CAUSES; cause++) {
        json_object_set_new(ops, cause_names[cause], json_integer((json_int_t)c->ops[kind][cause]));
        json_object_set_new(bytes, cause_names[cause], json_integer((json_int_t)c->bytes[kind][cause]));
    }
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I}", "ops", ops, "bytes", bytes, "failed",
                     (json_int_t)c->failed[kind], "suspends", (json_int_t)c->suspends[kind], "multi_plane",
                     (json_int_t)c->multi_plane[kind], "cached", (json_int_t)c->cached[kind]);
}

struct wear {
    uint64_t good, factory_bad, grown_bad, sum;
    uint32_t min, max;
};

static struct wear measure_wear(const struct nand *n) {
    struct wear w = {.min = UINT32_MAX};
    uint64_t count = nand_block_count(&n->config);
    if (!n->wear.erases && !n->wear.bad)
        return (struct wear){.good = count};
    for (uint64_t i = 0; i < count; i++) {
        const struct nand_block *b = &n->blocks[i];
        w.good += b->bad == 0;
        w.factory_bad += b->bad == 1;
        w.grown_bad += b->bad == 2;
        if (b->bad == 1)
            continue;
        w.sum += b->erases;
        w.min = b->erases < w.min ? b->erases : w.min;
        w.max = b->erases > w.max ? b->erases : w.max;
    }
    if (w.min > w.max)
        w.min = 0;
    return w;
}

/* Blocks by erase count, in buckets of equal width from min to max. */
static json_t *wear_histogram(const struct nand *n, const struct wear *w) {
    uint64_t bucket[WEAR_BUCKETS] = {0}, count = nand_block_count(&n->config);
    uint32_t width = (w->max - w->min) / WEAR_BUCKETS + 1;
    json_t *list = json_array();
    if (w->min == w->max)
        bucket[0] = w->good + w->grown_bad;
    for (uint64_t i = 0; i < count && w->min < w->max; i++)
        if (n->blocks[i].bad != 1)
            bucket[width == 1 ? n->blocks[i].erases - w->min : (n->blocks[i].erases - w->min) / width]++;
    for (uint64_t i = 0; i < WEAR_BUCKETS && w->min + i * width <= w->max; i++)
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:I}", "from", (json_int_t)(w->min + i * width), "to",
                                        (json_int_t)(w->min + (i + 1) * width - 1), "blocks", (json_int_t)bucket[i]));
    return list;
}

static json_t *wear_json(const struct nand *n) {
    struct wear w = measure_wear(n);
    uint64_t counted = w.good + w.grown_bad;
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:I, s:o}", "good_blocks", (json_int_t)w.good, "factory_bad_blocks",
                     (json_int_t)w.factory_bad, "grown_bad_blocks", (json_int_t)w.grown_bad, "erases_min",
                     (json_int_t)w.min, "erases_mean", counted ? (double)w.sum / (double)counted : 0.0, "erases_max",
                     (json_int_t)w.max, "erases_histogram", wear_histogram(n, &w));
}

/* Shares of [0, elapsed] as a list, with the largest and its index. */
struct shares {
    json_t *list;
    double max, sum;
    uint32_t busiest, count;
};

static void share_add(struct shares *s, int64_t busy, int64_t elapsed) {
    double v = elapsed > 0 ? (double)busy / (double)elapsed : 0;
    json_array_append_new(s->list, json_real(v));
    if (s->count == 0 || v > s->max) {
        s->max = v;
        s->busiest = s->count;
    }
    s->sum += v;
    s->count++;
}

static json_t *shares_json(struct shares *s) {
    return json_pack("{s:i, s:f, s:f, s:o}", "busiest", (int)s->busiest, "max", s->max, "mean",
                     s->count ? s->sum / s->count : 0.0, "each", s->list);
}

/* Time a die's array has been in use until now. */
static int64_t die_busy(const struct die *d, int64_t now) {
    bool running = d->state == DIE_RUN || d->state == DIE_SUSPEND;
    return d->busy_ns + (running && now > d->run_from ? now - d->run_from : 0);
}

/* --- energy: nanoseconds x microamperes x millivolts are attojoules --- */

static json_int_t picojoules(const struct nand *n, unsigned __int128 charge) {
    return (json_int_t)(charge * n->config.supply_mv / 1000000);
}

static bool gives_current(const struct nand_config *c) {
    return c->read_ua || c->program_ua || c->erase_ua || c->bus_ua || c->standby_ua;
}

json_t *nand_energy_json(const struct nand *n, const struct nand_counters *then, int64_t elapsed_ns) {
    const struct nand_config *c = &n->config;
    const struct nand_counters *now = &n->counters;
    const uint32_t ua[NAND_KINDS] = {c->read_ua, c->program_ua, c->erase_ua};
    unsigned __int128 bus = 0, array[NAND_KINDS] = {0}, by_cause[NAND_CAUSES] = {0};
    if (!gives_current(c))
        return NULL;
    for (unsigned kind = 0; kind < NAND_KINDS; kind++)
        for (unsigned cause = 0; cause < NAND_CAUSES; cause++) {
            uint64_t in_array = now->array_ns[kind][cause] - then->array_ns[kind][cause];
            uint64_t on_bus = now->bus_ns[kind][cause] - then->bus_ns[kind][cause];
            array[kind] += (unsigned __int128)in_array * ua[kind];
            bus += (unsigned __int128)on_bus * c->bus_ua;
            by_cause[cause] += (unsigned __int128)in_array * ua[kind] + (unsigned __int128)on_bus * c->bus_ua;
        }
    unsigned __int128 standby = (unsigned __int128)elapsed_ns * nand_die_count(c) * c->standby_ua;
    json_int_t parts[] = {picojoules(n, array[NAND_READ]), picojoules(n, array[NAND_PROGRAM]),
                          picojoules(n, array[NAND_ERASE]), picojoules(n, bus), picojoules(n, standby)};
    json_t *causes = json_object();
    for (unsigned cause = 0; cause < NAND_CAUSES; cause++)
        json_object_set_new(causes, cause_names[cause], json_integer(picojoules(n, by_cause[cause])));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "read", parts[0], "program", parts[1], "erase", parts[2],
                     "bus", parts[3], "standby", parts[4], "total",
                     parts[0] + parts[1] + parts[2] + parts[3] + parts[4], "by_cause", causes);
}

json_t *nand_stats_json(const struct nand *n) {
    int64_t now = sim_now(n->sim), elapsed = now - n->created_ns;
    struct shares channels = {.list = json_array()}, dies = {.list = json_array()};
    json_t *out = json_object();
    for (unsigned kind = 0; kind < NAND_KINDS; kind++)
        json_object_set_new(out, kind_names[kind], counters_json(n, kind));
    for (uint32_t i = 0; i < n->config.channels; i++) {
        const struct channel *ch = &n->channels[i];
        share_add(&channels, ch->busy_ns - (ch->busy_until > now ? ch->busy_until - now : 0), elapsed);
    }
    for (uint32_t i = 0; i < nand_die_count(&n->config); i++)
        share_add(&dies, die_busy(&n->dies[i], now), elapsed);
    json_object_set_new(out, "elapsed_ns", json_integer(elapsed));
    json_object_set_new(out, "channel_utilisation", shares_json(&channels));
    json_object_set_new(out, "die_utilisation", shares_json(&dies));
    json_object_set_new(out, "wear", wear_json(n));
    json_t *energy = nand_energy_json(n, &(struct nand_counters){0}, elapsed);
    if (energy)
        json_object_set_new(out, "energy_pj", energy);
    return out;
}

/* --- self-check --- */

static uint32_t group_size(const struct nand_op *op, uint32_t *mask, bool *legal) {
    uint32_t size = 0;
    const struct nand_op *head = op;
    for (*mask = 0; op; op = op->next, size++) {
        *legal = *legal && !(*mask & (1u << op->plane)) && op->queue == head->queue &&
                 (op->kind == NAND_ERASE || op->page == head->page);
        *mask |= 1u << op->plane;
    }
    return size;
}

static int check_queues(const struct die *d, uint32_t *waiting, struct err *e) {
    for (unsigned q = 0; q < NAND_QUEUES; q++) {
        const struct nand_op *tail = d->tail[q];
        if ((tail != NULL) != ((d->waiting >> q) & 1))
            return err_set(e, EFAULT, "die %u: queue %u and its waiting bit disagree", d->index, q);
        for (const struct nand_op *op = tail ? tail->next : NULL; op; op = op == tail ? NULL : op->next) {
            if (op->queue != q || op->state != OP_WAITING)
                return err_set(e, EFAULT, "die %u: a foreign operation in queue %u", d->index, q);
            if (op != tail && (int32_t)(op->next->seq - op->seq) <= 0)
                return err_set(e, EFAULT, "die %u: queue %u out of order", d->index, q);
            ++*waiting;
        }
    }
    return 0;
}

static int check_groups(const struct die *d, uint32_t *held, struct err *e) {
    uint32_t cur, loading, suspended;
    bool legal = true;
    *held = group_size(d->cur, &cur, &legal);
    *held += group_size(d->loading, &loading, &legal);
    *held += group_size(d->suspended, &suspended, &legal);
    if (!legal || (d->cur && cur != d->cur_mask) || (d->loading && loading != d->loading_mask) ||
        (d->suspended && suspended != d->suspended_mask))
        return err_set(e, EFAULT, "die %u: a group's members or planes are wrong", d->index);
    if (d->suspended && (d->suspended->kind == NAND_READ || (d->cur && d->cur->queue != NAND_QUEUE_URGENT_READ)))
        return err_set(e, EFAULT, "die %u: wrong company for a suspended operation", d->index);
    return 0;
}

static int check_die(const struct nand *n, const struct die *d, struct err *e) {
    uint32_t waiting = 0, held = 0;
    bool timed = d->state == DIE_RUN || d->state == DIE_SUSPEND;
    if (check_queues(d, &waiting, e) || check_groups(d, &held, e))
        return -EFAULT;
    if (timed != sim_event_pending(&d->ev) || (d->state == DIE_IDLE) != (d->cur == NULL))
        return err_set(e, EFAULT, "die %u: state %u, event and group disagree", d->index, d->state);
    if (d->load != waiting + held + (uint32_t)__builtin_popcount(d->out_mask))
        return err_set(e, EFAULT, "die %u: load %u but %u waiting, %u held, %u leaving", d->index, d->load, waiting,
                       held, (unsigned)__builtin_popcount(d->out_mask));
    if (d->state == DIE_IDLE && d->waiting && !d->out_mask && !d->loading && !d->held)
        return err_set(e, EFAULT, "die %u: idle with work waiting", d->index);
    return 0;
}

static int check_channel(const struct channel *ch, struct err *e) {
    bool queued = ch->command_head || ch->in_head || ch->out_head || ch->cur;
    if (ch->corked || (queued && !sim_event_pending(&ch->ev)))
        return err_set(e, EFAULT, "channel %u: something is queued and no event pending", ch->index);
    return 0;
}

int nand_check(const struct nand *n, struct err *e) {
    if (n->misuses)
        return err_set(e, EFAULT, "%llu operations were a caller's bug; the first: %s", (unsigned long long)n->misuses,
                       n->first_misuse);
    for (uint32_t i = 0; i < n->config.channels; i++)
        if (check_channel(&n->channels[i], e))
            return -EFAULT;
    for (uint32_t i = 0; i < nand_die_count(&n->config); i++)
        if (check_die(n, &n->dies[i], e))
            return -EFAULT;
    struct nand_wear sum = nand_wear_sum(n);
    if (sum.erases != n->wear.erases || sum.bad != n->wear.bad)
        return err_set(e, EFAULT, "blocks: %llu erases and %llu bad, counted %llu and %llu",
                       (unsigned long long)sum.erases, (unsigned long long)sum.bad, (unsigned long long)n->wear.erases,
                       (unsigned long long)n->wear.bad);
    return nand_check_blocks(n, e) ? -EFAULT : 0;
}

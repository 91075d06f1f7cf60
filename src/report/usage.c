/*
 * What the flash was used for; see usage.h.
 *
 * Waiting: an operation's time from its submission to its first use of a
 * resource, counted when its first array time ends; divided by the time observed it
 * is the mean length of the die's queue (Little's law).
 */
#include "report/usage.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const char *const kind_names[NAND_KINDS] = {"read", "program", "erase"};
static const char *const cause_names[NAND_CAUSES] = {"host", "mapping", "gc", "wear"};

struct die_usage {
    double array_ns[NAND_KINDS][NAND_CAUSES], suspend_ns, waiting_ns;
    uint64_t ops[NAND_KINDS], suspends;
    uint32_t load_most;
    int64_t last_from_ns, last_to_ns; /* a multi-plane operation is told once for each plane */
    uint32_t group;                   /* the first operation of the last use */
    bool first;                       /* that use was its first */
};

struct channel_usage {
    double command_ns, in_ns, out_ns, by_cause[NAND_CAUSES];
};

/* A stretch of time in which garbage was collected. */
struct episode {
    int64_t from_ns, to_ns;
    uint64_t ops[NAND_KINDS];
};

struct usage {
    uint32_t dies, channels, planes;
    struct die_usage *die;
    struct channel_usage *channel;
    double *plane_ns; /* die x plane */
    bool repeated, first;
    struct episode now; /* to_ns 0: none yet */
    struct episode list[USAGE_EPISODES];
    uint64_t episodes;
    int64_t collecting_ns, longest_ns;
};

struct usage *usage_new(const struct nand_config *config) {
    struct usage *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->dies = nand_die_count(config);
    u->channels = config->channels;
    u->planes = config->planes;
    u->die = calloc(u->dies, sizeof(*u->die));
    u->channel = calloc(u->channels, sizeof(*u->channel));
    u->plane_ns = calloc((size_t)u->dies * u->planes, sizeof(*u->plane_ns));
    if (u->die && u->channel && u->plane_ns)
        return u;
    usage_free(u);
    return NULL;
}

void usage_free(struct usage *u) {
    if (!u)
        return;
    free(u->die);
    free(u->channel);
    free(u->plane_ns);
    free(u);
}

/* --- episodes --- */

static void close_episode(struct usage *u) {
    struct episode *e = &u->now;
    if (!e->to_ns)
        return;
    if (u->episodes < USAGE_EPISODES)
        u->list[u->episodes] = *e;
    u->episodes++;
    u->collecting_ns += e->to_ns - e->from_ns;
    u->longest_ns = e->to_ns - e->from_ns > u->longest_ns ? e->to_ns - e->from_ns : u->longest_ns;
    *e = (struct episode){0};
}

static void collected(struct usage *u, const struct nand_op *op, int64_t from_ns, int64_t to_ns) {
    struct episode *e = &u->now;
    if (e->to_ns && from_ns > e->to_ns + USAGE_GAP_NS)
        close_episode(u);
    if (!e->to_ns || from_ns < e->from_ns)
        e->from_ns = from_ns;
    e->to_ns = to_ns > e->to_ns ? to_ns : e->to_ns;
    e->ops[op->kind] += u->first;
}

/* --- uses --- */

static void use_channel(struct channel_usage *c, enum nand_phase phase, const struct nand_op *op, int64_t ns) {
    c->by_cause[op->cause] += (double)ns;
    if (phase == NAND_PHASE_COMMAND)
        c->command_ns += (double)ns;
    else if (op->kind == NAND_READ)
        c->out_ns += (double)ns;
    else
        c->in_ns += (double)ns;
}

/* An operation's first time in the array. */
static void begun(struct die_usage *d, const struct nand_op *op, uint32_t load) {
    d->ops[op->kind]++;
    d->waiting_ns += (double)(op->started_ns - op->submitted_ns);
    d->load_most = load > d->load_most ? load : d->load_most;
}

/*
 * Whether the operations of this use are seen for the first time. A program or
 * erase that is suspended before it has begun shows itself only by that.
 */
static bool first_use(struct die_usage *d, enum nand_phase phase, const struct nand_op *op) {
    bool other = d->group != op->seq || (!d->ops[NAND_READ] && !d->ops[NAND_PROGRAM] && !d->ops[NAND_ERASE]);
    d->group = op->seq;
    if (phase == NAND_PHASE_ARRAY)
        return !op->suspensions;
    return phase == NAND_PHASE_SUSPEND && op->suspensions == 1 && other;
}

static void use_die(struct usage *u, uint32_t index, enum nand_phase phase, const struct nand_op *op, uint32_t load,
                    int64_t from_ns, int64_t to_ns) {
    struct die_usage *d = &u->die[index];
    u->repeated = d->last_from_ns == from_ns && d->last_to_ns == to_ns;
    if (!u->repeated)
        d->first = first_use(d, phase, op);
    u->first = d->first;
    d->last_from_ns = from_ns;
    d->last_to_ns = to_ns;
    u->plane_ns[(size_t)index * u->planes + op->plane] += (double)(to_ns - from_ns);
    if (u->first)
        begun(d, op, load);
    if (op->cause == NAND_GC)
        collected(u, op, from_ns, to_ns);
    if (phase != NAND_PHASE_ARRAY) {
        d->suspend_ns += u->repeated ? 0 : (double)(to_ns - from_ns);
        d->suspends += phase == NAND_PHASE_SUSPEND && !u->repeated;
        return;
    }
    if (!u->repeated)
        d->array_ns[op->kind][op->cause] += (double)(to_ns - from_ns);
}

void usage_add(struct usage *u, enum nand_resource resource, uint32_t index, enum nand_phase phase,
               const struct nand_op *op, uint32_t load, int64_t from_ns, int64_t to_ns) {
    u->repeated = u->first = false;
    if (resource == NAND_CHANNEL)
        use_channel(&u->channel[index], phase, op, to_ns - from_ns);
    else
        use_die(u, index, phase, op, load, from_ns, to_ns);
}

bool usage_repeated(const struct usage *u) {
    return u->repeated;
}

bool usage_first(const struct usage *u) {
    return u->first;
}

/* --- results --- */

/* As a share of the time, to six places. */
static json_t *share(double ns, int64_t of_ns) {
    return json_real(of_ns > 0 ? round(ns / (double)of_ns * 1e6) / 1e6 : 0);
}

static json_t *die_json(const struct usage *u, uint32_t index, int64_t elapsed_ns) {
    const struct die_usage *d = &u->die[index];
    json_t *o = json_object(), *ops = json_object(), *planes = json_array();
    double all = d->suspend_ns;
    for (unsigned cause = 0; cause < NAND_CAUSES; cause++) {
        double sum = 0;
        for (unsigned kind = 0; kind < NAND_KINDS; kind++)
            sum += d->array_ns[kind][cause];
        all += sum;
        if (sum > 0)
            json_object_set_new(o, cause_names[cause], share(sum, elapsed_ns));
    }
    for (unsigned kind = 0; kind < NAND_KINDS; kind++) {
        double sum = 0;
        for (unsigned cause = 0; cause < NAND_CAUSES; cause++)
            sum += d->array_ns[kind][cause];
        json_object_set_new(o, kind_names[kind], share(sum, elapsed_ns));
        json_object_set_new(ops, kind_names[kind], json_integer((json_int_t)d->ops[kind]));
    }
    for (uint32_t p = 0; p < u->planes; p++)
        json_array_append_new(planes, share(u->plane_ns[(size_t)index * u->planes + p], elapsed_ns));
    json_object_set_new(o, "utilisation", share(all, elapsed_ns));
    json_object_set_new(o, "suspending", share(d->suspend_ns, elapsed_ns));
    json_object_set_new(o, "suspends", json_integer((json_int_t)d->suspends));
    json_object_set_new(o, "queue_mean", share(d->waiting_ns, elapsed_ns));
    json_object_set_new(o, "load_max", json_integer(d->load_most));
    json_object_set_new(o, "ops", ops);
    json_object_set_new(o, "plane_utilisation", planes);
    return o;
}

json_t *usage_dies_json(const struct usage *u, int64_t start_ns, int64_t end_ns) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < u->dies; i++)
        json_array_append_new(list, die_json(u, i, end_ns - start_ns));
    return list;
}

json_t *usage_channels_json(const struct usage *u, int64_t start_ns, int64_t end_ns) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < u->channels; i++) {
        const struct channel_usage *c = &u->channel[i];
        int64_t elapsed_ns = end_ns - start_ns;
        json_t *o = json_object();
        json_object_set_new(o, "utilisation", share(c->command_ns + c->in_ns + c->out_ns, elapsed_ns));
        json_object_set_new(o, "command", share(c->command_ns, elapsed_ns));
        json_object_set_new(o, "data_in", share(c->in_ns, elapsed_ns));
        json_object_set_new(o, "data_out", share(c->out_ns, elapsed_ns));
        for (unsigned cause = 0; cause < NAND_CAUSES; cause++)
            if (c->by_cause[cause] > 0)
                json_object_set_new(o, cause_names[cause], share(c->by_cause[cause], elapsed_ns));
        json_array_append_new(list, o);
    }
    return list;
}

json_t *usage_episodes_json(struct usage *u, int64_t start_ns) {
    json_t *list = json_array();
    close_episode(u);
    for (uint64_t i = 0; i < u->episodes && i < USAGE_EPISODES; i++) {
        const struct episode *e = &u->list[i];
        json_array_append_new(
            list, json_pack("{s:I,s:I,s:I,s:I,s:I}", "from_ns", (json_int_t)(e->from_ns - start_ns), "to_ns",
                            (json_int_t)(e->to_ns - start_ns), "reads", (json_int_t)e->ops[NAND_READ], "programs",
                            (json_int_t)e->ops[NAND_PROGRAM], "erases", (json_int_t)e->ops[NAND_ERASE]));
    }
    return json_pack("{s:I,s:I,s:I,s:o}", "count", (json_int_t)u->episodes, "total_ns", (json_int_t)u->collecting_ns,
                     "longest_ns", (json_int_t)u->longest_ns, "first", list);
}

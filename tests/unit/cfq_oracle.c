#include "cfq_oracle.h"

#include <stdlib.h>
#include <string.h>

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* --- counting --- */

static int kind_of(const struct o_queue *q) {
    return !q->sync ? O_ASYNC : q->window ? O_SYNC : O_NOIDLE;
}

static int queued_in(const struct oracle *o, int q) {
    int n = 0;
    for (int i = o->first; i < o->requests; i++)
        n += o->rq[i].state == O_QUEUED && o->rq[i].queue == q;
    return n;
}

static int prio_in(const struct oracle *o, int q) {
    int n = 0;
    for (int i = o->first; i < o->requests; i++)
        n += o->rq[i].state == O_QUEUED && o->rq[i].queue == q && o->rq[i].prio;
    return n;
}

static int queued_all(const struct oracle *o) {
    int n = 0;
    for (int i = o->first; i < o->requests; i++)
        n += o->rq[i].state == O_QUEUED;
    return n;
}

static int flying(const struct oracle *o, bool sync) {
    int n = 0;
    for (int i = o->first; i < o->requests; i++)
        n += o->rq[i].state == O_SENT && o->rq[i].sync == sync;
    return n;
}

static int group_flying(const struct oracle *o, int g) {
    int n = 0;
    for (int i = o->first; i < o->requests; i++)
        n += o->rq[i].state == O_SENT && o->q[o->rq[i].queue].group == g;
    return n;
}

static bool in_tree(const struct o_queue *q, int g, int class, int kind) {
    return q->alive && q->busy && q->tree_group == g && q->tree_class == class &&
           (class == O_IDLE || q->tree_kind == kind);
}

static int tree_count(const struct oracle *o, int g, int class, int kind) {
    int n = 0;
    for (int i = 0; i < o->queues; i++)
        n += in_tree(&o->q[i], g, class, kind);
    return n;
}

static int class_count(const struct oracle *o, int g, int class) {
    if (class == O_IDLE)
        return tree_count(o, g, O_IDLE, 0);
    return tree_count(o, g, class, O_ASYNC) + tree_count(o, g, class, O_NOIDLE) + tree_count(o, g, class, O_SYNC);
}

static int async_count(const struct oracle *o, int g) {
    return tree_count(o, g, O_RT, O_ASYNC) + tree_count(o, g, O_BE, O_ASYNC);
}

static int group_queues(const struct oracle *o, int g) {
    return class_count(o, g, O_RT) + class_count(o, g, O_BE) + class_count(o, g, O_IDLE);
}

static int busy_count(const struct oracle *o, bool only_sync) {
    int n = 0;
    for (int i = 0; i < o->queues; i++)
        n += o->q[i].alive && o->q[i].busy && (!only_sync || o->q[i].sync);
    return n;
}

static int first_in(const struct oracle *o, int g, int class, int kind) {
    int best = -1;
    for (int i = 0; i < o->queues; i++) {
        const struct o_queue *q = &o->q[i], *b = best < 0 ? NULL : &o->q[best];
        if (in_tree(q, g, class, kind) && (!b || q->key < b->key || (q->key == b->key && q->key_order < b->key_order)))
            best = i;
    }
    return best;
}

static int last_in(const struct oracle *o, int g, int class, int kind) {
    int best = -1;
    for (int i = 0; i < o->queues; i++) {
        const struct o_queue *q = &o->q[i], *b = best < 0 ? NULL : &o->q[best];
        if (in_tree(q, g, class, kind) && (!b || q->key > b->key || (q->key == b->key && q->key_order > b->key_order)))
            best = i;
    }
    return best;
}

/* --- habits --- */

static void sample(struct o_think *t, int64_t now, int64_t idle) {
    int64_t x = least(now - t->last, 2 * idle);
    t->samples = (7 * t->samples + 256) / 8;
    t->total = (7 * t->total + 256 * x) / 8;
    t->mean = (t->total + 128) / t->samples;
}

static bool known_above(const struct o_think *t, int64_t limit) {
    return t->samples > 80 && t->mean > limit;
}

static bool seeky(const struct o_queue *q) {
    int n = 0;
    for (int bit = 0; bit < 32; bit++)
        n += (q->seeks >> bit) & 1;
    return n > 4;
}

static struct o_think *tree_think(struct oracle *o, const struct o_queue *q) {
    if (q->busy)
        return &o->g[q->tree_group].tree[q->tree_class][q->tree_class == O_IDLE ? 0 : q->tree_kind];
    return &o->g[q->group].tree[q->class][q->class == O_IDLE ? 0 : kind_of(q)];
}

static bool should_idle(struct oracle *o, const struct o_queue *q) {
    if (o->slice_idle == 0 || q->class == O_IDLE)
        return false;
    if (q->window && !(o->flash && o->tag != 0))
        return true;
    return tree_count(o, q->tree_group, q->tree_class, q->tree_kind) == 1 && q->sync &&
           !known_above(tree_think(o, q), o->slice_idle);
}

static bool group_slow(const struct oracle *o, int g) {
    return known_above(&o->g[g].think, o->group_idle);
}

/* --- weights and virtual time --- */

static bool any_active(const struct oracle *o, int g) {
    if (o->g[g].listed)
        return true;
    for (int i = 0; i < o->groups; i++) {
        if (o->g[i].parent == g && any_active(o, i))
            return true;
    }
    return false;
}

static int64_t children_weight(const struct oracle *o, int g) {
    int64_t sum = o->g[g].listed ? o->g[g].leaf : 0;
    for (int i = 0; i < o->groups; i++) {
        if (o->g[i].parent == g && any_active(o, i))
            sum += o->g[i].weight;
    }
    return sum;
}

static void list_group(struct oracle *o, int at) {
    struct o_group *g = &o->g[at];
    bool was[O_GROUPS];
    for (int i = 0; i < o->groups; i++)
        was[i] = any_active(o, i);
    g->leaf = g->new_leaf;
    g->listed = true;
    g->list_order = ++o->orders;
    for (int i = at; o->g[i].parent >= 0 && !was[i]; i = o->g[i].parent)
        o->g[i].weight = o->g[i].new_weight;
    int64_t f = 4096 * g->leaf / children_weight(o, at);
    for (int i = at; o->g[i].parent >= 0; i = o->g[i].parent)
        f = f * o->g[i].weight / children_weight(o, o->g[i].parent);
    g->fraction = most(f, 1);
}

static int edge_group(const struct oracle *o, bool last) {
    int best = -1;
    for (int i = 0; i < o->groups; i++) {
        const struct o_group *g = &o->g[i], *b = best < 0 ? NULL : &o->g[best];
        if (!g->listed)
            continue;
        int64_t d = b ? g->vtime - b->vtime : 0;
        if (!b || (last ? d > 0 || (d == 0 && g->list_order > b->list_order)
                        : d < 0 || (d == 0 && g->list_order < b->list_order)))
            best = i;
    }
    return best;
}

static int64_t group_slice(const struct oracle *o, int g) {
    return o->target * o->g[g].fraction / 4096;
}

/* --- slices --- */

static int64_t prio_slice(const struct oracle *o, bool sync, int level) {
    int64_t base = sync ? o->slice_sync : o->slice_async;
    return base + base / 5 * (4 - level);
}

static int64_t slice_for(struct oracle *o, const struct o_queue *q) {
    int64_t slice = prio_slice(o, q->sync, q->level);
    if (!o->low_latency)
        return slice;
    int rt = q->class == O_RT ? O_RT : O_BE;
    int64_t busy = class_count(o, q->group, rt), *mean = &o->g[q->group].mean[rt];
    *mean = (3 * most(*mean, busy) + least(*mean, busy) + 2) / 4;
    int64_t expect = o->slice_sync * *mean, gs = group_slice(o, q->group);
    if (expect > gs) {
        int64_t low = least(slice, 2 * o->slice_idle * slice / o->slice_sync);
        slice = most(slice * gs / expect, low);
    }
    return slice;
}

static bool used(const struct oracle *o, const struct o_queue *q) {
    return !q->fresh && o->now >= q->end;
}

/* --- trees --- */

static void place(struct oracle *o, int at) {
    struct o_queue *q = &o->q[at];
    if (q->placed && q->next >= 0 && q->place_level == q->level && q->place == o->rq[q->next].sector)
        return;
    q->placed = false;
    if (q->class == O_IDLE || q->next < 0)
        return;
    uint64_t sector = o->rq[q->next].sector;
    for (int i = 0; i < o->queues; i++) {
        if (o->q[i].alive && o->q[i].placed && o->q[i].place_level == q->level && o->q[i].place == sector)
            return;
    }
    q->placed = true;
    q->place_level = q->level;
    q->place = sector;
}

static void into_tree(struct oracle *o, int at, int64_t key) {
    struct o_queue *q = &o->q[at];
    int class = q->class, kind = class == O_IDLE ? 0 : kind_of(q);
    if (q->busy && q->tree_group == q->group && q->tree_class == class && q->tree_kind == kind && q->key == key)
        return;
    q->busy = true;
    q->tree_group = q->group;
    q->tree_class = class;
    q->tree_kind = kind;
    q->key = key;
    q->key_order = ++o->orders;
}

/* `queues`: busy ones of the group, as the rule has it at that moment. */
static int64_t key_for(struct oracle *o, int at, int queues) {
    struct o_queue *q = &o->q[at];
    if (q->class == O_IDLE) {
        int last = last_in(o, q->group, O_IDLE, 0);
        return o->hz / 5 + (last >= 0 && last != at ? o->q[last].key : o->now);
    }
    int64_t key = o->now + (queues - 1) * (prio_slice(o, true, 0) - prio_slice(o, q->sync, q->level)) - q->left;
    q->left = 0;
    return key;
}

static void resort(struct oracle *o, int at) {
    if (!o->q[at].busy)
        return;
    into_tree(o, at, key_for(o, at, group_queues(o, o->q[at].group)));
    place(o, at);
}

static void not_busy(struct oracle *o, int at) {
    struct o_queue *q = &o->q[at];
    q->busy = q->placed = false;
    if (group_queues(o, q->group) == 0) {
        o->g[q->group].listed = false;
        o->g[q->group].saved = 0;
    }
}

/* --- the end of a slice --- */

static void stop_timer(struct oracle *o, struct o_queue *q) {
    q->waiting = false;
    o->timer = -1;
}

static void charge(struct oracle *o, const struct o_queue *q) {
    struct o_group *g = &o->g[q->group];
    int64_t c;
    if (q->start < 0 || q->start == o->now)
        c = most(o->now - q->dispatch_start, 1);
    else
        c = least(o->now - q->start, q->allocated);
    int sync = group_queues(o, q->group) - async_count(o, q->group) - tree_count(o, q->group, O_IDLE, 0);
    if (o->slice_idle == 0 && o->tag != 0)
        c = q->sent_in_slice;
    else if (!q->sync && sync == 0)
        c = q->allocated;
    g->listed = false;
    g->vtime += (c << 24) / g->fraction;
    list_group(o, q->group);
    g->saved = o->workload_end > o->now ? o->workload_end - o->now : 0;
    g->saved_class = o->class;
    g->saved_kind = o->kind;
}

static void expire(struct oracle *o, bool timed_out) {
    int at = o->active;
    if (at < 0)
        return;
    struct o_queue *q = &o->q[at];
    stop_timer(o, q);
    q->wait_busy = false;
    if (q->shared && seeky(q))
        q->split = true;
    if (timed_out)
        q->left = q->fresh ? slice_for(o, q) : q->end - o->now;
    charge(o, q);
    if (queued_in(o, at) == 0)
        not_busy(o, at);
    resort(o, at);
    o->active = o->active_proc = -1;
}

static void make_active(struct oracle *o, int at) {
    struct o_queue *q = &o->q[at];
    o->active = at;
    q->start = -1;
    q->end = q->allocated = q->sent_in_slice = 0;
    q->dispatch_start = o->now;
    q->must = q->looked = false;
    q->fresh = true;
    stop_timer(o, q);
}

/* --- requests of a queue --- */

static int better(const struct oracle *o, int a, int b, uint64_t last) {
    if (a < 0 || a == b)
        return b;
    if (b < 0)
        return a;
    const struct o_request *x = &o->rq[a], *y = &o->rq[b];
    if (x->sync != y->sync)
        return x->sync ? a : b;
    if (x->prio != y->prio)
        return x->prio ? a : b;
    uint64_t limit = (uint64_t)o->back_max * 2;
    bool wx = x->sector < last && last - x->sector > limit, wy = y->sector < last && last - y->sector > limit;
    uint64_t dx = x->sector >= last ? x->sector - last : (last - x->sector) * (uint64_t)o->back_penalty;
    uint64_t dy = y->sector >= last ? y->sector - last : (last - y->sector) * (uint64_t)o->back_penalty;
    if (wx && wy)
        return x->sector <= y->sector ? a : b;
    if (wx || wy)
        return wx ? b : a;
    if (dx != dy)
        return dx < dy ? a : b;
    return x->sector >= y->sector ? a : b;
}

/* By start sector, then arrival. */
static bool before(const struct o_request *a, const struct o_request *b) {
    return a->sector < b->sector || (a->sector == b->sector && a->order < b->order);
}

static int follower(const struct oracle *o, int rq) {
    int after = -1, prev = -1, first = -1;
    const struct o_request *self = &o->rq[rq];
    for (int i = o->first; i < o->requests; i++) {
        const struct o_request *x = &o->rq[i];
        if (i == rq || x->state != O_QUEUED || x->queue != self->queue)
            continue;
        if (before(self, x) && (after < 0 || before(x, &o->rq[after])))
            after = i;
        if (before(x, self) && (prev < 0 || before(&o->rq[prev], x)))
            prev = i;
        if (first < 0 || before(x, &o->rq[first]))
            first = i;
    }
    return better(o, after >= 0 ? after : first, prev, self->sector);
}

/* --- choosing --- */

static int kind_to_serve(const struct oracle *o, int g, int class) {
    int best = O_ASYNC, queue = -1;
    for (int kind = O_ASYNC; kind <= O_SYNC; kind++) {
        int q = first_in(o, g, class, kind);
        if (q >= 0 && (queue < 0 || o->q[q].key < o->q[queue].key)) {
            queue = q;
            best = kind;
        }
    }
    return best;
}

static int choose(struct oracle *o) {
    int g = edge_group(o, false);
    if (g < 0)
        return -1;
    o->min_vtime = most(o->min_vtime, o->g[g].vtime);
    o->workload_end = o->now - 1;
    if (o->g[g].saved > 0) {
        o->workload_end = o->now + o->g[g].saved;
        o->class = o->g[g].saved_class;
        o->kind = o->g[g].saved_kind;
    }
    int was = o->class;
    o->class = class_count(o, g, O_RT) ? O_RT : class_count(o, g, O_BE) ? O_BE : O_IDLE;
    if (o->class == O_IDLE) {
        o->workload_end = o->now + 1;
    } else if (o->class != was || tree_count(o, g, o->class, o->kind) == 0 || o->now > o->workload_end) {
        o->kind = kind_to_serve(o, g, o->class);
        int64_t count = tree_count(o, g, o->class, o->kind);
        int64_t slice = group_slice(o, g) * count / most(o->g[g].mean[o->class], class_count(o, g, o->class));
        if (o->kind == O_ASYNC)
            slice = least(slice, o->target * async_count(o, g) / busy_count(o, false)) * o->slice_async / o->slice_sync;
        else
            slice = most(slice, 2 * o->slice_idle);
        o->workload_end = o->now + most(slice, 2);
    }
    return first_in(o, g, o->class, o->kind);
}

static uint64_t apart(uint64_t a, uint64_t b) {
    return a > b ? a - b : b - a;
}

static int cooperator(const struct oracle *o, int at) {
    const struct o_queue *q = &o->q[at];
    if (q->class == O_IDLE || !q->sync || seeky(q) || group_queues(o, q->group) == 1)
        return -1;
    int best = -1;
    for (int i = 0; i < o->queues; i++) {
        const struct o_queue *x = &o->q[i];
        if (!x->alive || !x->placed || x->place_level != q->level)
            continue;
        uint64_t d = apart(x->place, o->head), b = best < 0 ? 0 : apart(o->q[best].place, o->head);
        if (best < 0 || d < b || (d == b && x->place > o->q[best].place))
            best = i;
    }
    if (best < 0)
        return -1;
    const struct o_queue *x = &o->q[best];
    if (x->next < 0 || apart(o->rq[x->next].sector, o->head) > 8192)
        return -1;
    if (x->group != q->group || !x->sync || seeky(x) || (x->class == O_RT) != (q->class == O_RT))
        return -1;
    return best;
}

static void plan(struct oracle *o, int a, int b) {
    if (o->q[b].processes == 0)
        return;
    while (o->q[b].heir >= 0) {
        if (o->q[b].heir == a)
            return;
        b = o->q[b].heir;
    }
    if (o->q[a].processes == 0 || o->q[b].processes == 0)
        return;
    int from = o->q[b].processes >= o->q[a].processes ? a : b, to = from == a ? b : a;
    o->q[from].heir = to;
    o->q[to].processes += o->q[from].processes;
}

static bool group_wait(const struct oracle *o, const struct o_queue *q) {
    return o->group_idle && group_queues(o, q->group) == 1 && group_flying(o, q->group) && !group_slow(o, q->group);
}

static int select_queue(struct oracle *o) {
    int at = o->active, other = -1;
    if (at < 0)
        goto fresh;
    struct o_queue *q = &o->q[at];
    bool empty = queued_in(o, at) == 0;
    if (queued_all(o) == 0)
        return -1;
    if (q->wait_busy && !empty)
        goto change;
    if (used(o, q) && !q->must) {
        if (group_queues(o, q->group) == 1 && empty && q->in_drive && should_idle(o, q))
            return -1;
        goto group;
    }
    if (!empty)
        return at;
    other = cooperator(o, at);
    if (other >= 0) {
        if (q->heir < 0)
            plan(o, at, other);
        goto change;
    }
    if (o->timer >= 0)
        return -1;
    if (seeky(q) && q->window && (q->fresh || q->end - o->now > o->now - q->start))
        q->deep = q->window = false;
    if (q->in_drive && should_idle(o, q))
        return -1;
group:
    if (group_wait(o, q))
        return -1;
change:
    expire(o, false);
fresh:
    if (other < 0)
        other = choose(o);
    if (other >= 0)
        make_active(o, other);
    return other;
}

static bool may(struct oracle *o, const struct o_queue *q) {
    if (q->must)
        return true;
    if (should_idle(o, q) && flying(o, false))
        return false;
    if (!q->sync && flying(o, true))
        return false;
    int64_t limit = q->class == O_IDLE ? 1 : most(o->quantum / 2, 1);
    if (q->in_drive >= limit) {
        if (q->class == O_IDLE)
            return false;
        bool promote = q->sync && busy_count(o, true) == 1;
        bool soon = q->fresh || o->now + o->slice_idle * q->in_drive > q->end;
        if (busy_count(o, false) > 1 && soon && !promote)
            return false;
        limit = busy_count(o, false) == 1 || promote ? INT64_MAX : o->quantum;
    }
    if (!q->sync && o->low_latency) {
        int64_t depth = (o->now - o->late) / o->slice_sync;
        if (depth == 0 && q->in_drive == 0)
            depth = 1;
        limit = least(limit, depth);
    }
    return q->in_drive < limit;
}

int oracle_dispatch(struct oracle *o) {
    if (busy_count(o, false) == 0)
        return -1;
    int at = select_queue(o), rq = -1;
    if (at < 0)
        return -1;
    struct o_queue *q = &o->q[at];
    if (!q->looked) {
        q->looked = true;
        for (int i = o->first; i < o->requests && rq < 0; i++) { /* arrival order */
            if (o->rq[i].state == O_QUEUED && o->rq[i].queue == at)
                rq = i;
        }
        if (rq >= 0 && o->now < o->rq[rq].expires)
            rq = -1;
        if (rq >= 0)
            q->must = true;
    }
    if (!may(o, q))
        return -1;
    if (rq < 0)
        rq = q->next;
    q->next = follower(o, rq);
    o->rq[rq].state = O_SENT;
    if (q->next < 0)
        q->placed = false;
    q->in_drive++;
    if (o->active_proc < 0)
        o->active_proc = o->rq[rq].proc;
    q->sent_in_slice++;
    q->must = false;
    if (busy_count(o, false) > 1 &&
        ((!q->sync && q->sent_in_slice >= 2 * o->slice_async_rq * (8 - q->level)) || q->class == O_IDLE)) {
        q->end = o->now + 1;
        expire(o, false);
    }
    o->in_drive++; /* the drive takes it */
    o->head = o->rq[rq].sector + o->rq[rq].sectors;
    return rq;
}

/* --- arrival --- */

static int new_queue(struct oracle *o, int group, bool sync, int owner) {
    int at = 0;
    while (at < o->queues && o->q[at].alive)
        at++;
    if (at >= O_QUEUES)
        abort();
    o->queues = at < o->queues ? o->queues : at + 1;
    struct o_queue *q = &o->q[at];
    *q = (struct o_queue){.alive = true,
                          .sync = sync,
                          .group = group,
                          .owner = owner,
                          .next = -1,
                          .heir = -1,
                          .start = -1,
                          .class = o->p[owner].class,
                          .level = o->p[owner].level,
                          .window = sync};
    if (q->class == O_IDLE) {
        q->level = 7;
        q->window = false;
    }
    return at;
}

/* A queue that no process and no request uses is gone; async ones stay. */
static void forget(struct oracle *o, int at) {
    if (!o->q[at].sync || o->q[at].processes)
        return;
    for (int i = o->first; i < o->requests; i++) {
        if (o->rq[i].queue == at && o->rq[i].state != O_DONE)
            return;
    }
    if (o->active == at)
        expire(o, false);
    o->q[at].alive = false;
}

static void abandon(struct oracle *o, int proc, int sync) {
    int at = o->p[proc].queue[sync];
    if (at < 0)
        return;
    o->p[proc].queue[sync] = -1;
    for (int i = o->q[at].heir; i >= 0 && i != at; i = o->q[i].heir) {
        o->q[i].processes--;
        forget(o, i);
    }
    o->q[at].processes--;
    forget(o, at);
}

/* Think times of a group count from when it is first heard of. */
static void meet_group(struct oracle *o, int at) {
    for (; at >= 0 && !o->g[at].known; at = o->g[at].parent) {
        struct o_group *g = &o->g[at];
        g->known = true;
        g->think.last = o->now;
        for (int class = O_RT; class <= O_IDLE; class ++) {
            for (int kind = O_ASYNC; kind <= O_SYNC; kind++)
                g->tree[class][kind].last = o->now;
        }
    }
}

static int queue_for(struct oracle *o, int proc, bool sync) {
    struct o_proc *p = &o->p[proc];
    meet_group(o, p->group);
    if (!p->known) {
        *p = (struct o_proc){true, {-1, -1}, p->group, p->class, p->level, p->class, p->level, {.last = o->now}};
    }
    if (p->seen_class != p->class || p->seen_level != p->level) {
        p->seen_class = p->class;
        p->seen_level = p->level;
        abandon(o, proc, 0);
        if (p->queue[1] >= 0)
            o->q[p->queue[1]].reprio = true;
    }
    if (p->queue[sync] >= 0 && o->q[p->queue[sync]].group != p->group)
        abandon(o, proc, sync);
    int at = p->queue[1];
    if (sync && at >= 0 && o->q[at].shared && o->q[at].split) {
        if (o->q[at].processes > 1)
            abandon(o, proc, 1);
        else
            o->q[at].shared = o->q[at].split = false;
    }
    at = p->queue[1];
    if (sync && at >= 0 && o->q[at].heir >= 0) {
        p->queue[1] = o->q[at].heir;
        o->q[p->queue[1]].shared = true;
        o->q[at].processes--;
        forget(o, at);
    }
    if (p->queue[sync] >= 0)
        return p->queue[sync];
    struct o_group *g = &o->g[p->group];
    int *slot = sync ? NULL : p->class == O_IDLE ? &g->async_idle : &g->async[p->class][p->level];
    at = slot ? *slot : -1;
    if (at < 0)
        at = new_queue(o, p->group, sync, proc);
    if (slot)
        *slot = at;
    o->q[at].processes++;
    p->queue[sync] = at;
    return at;
}

static bool preempts(struct oracle *o, int at, const struct o_request *rq) {
    if (o->active < 0)
        return false;
    const struct o_queue *q = &o->q[at], *a = &o->q[o->active];
    bool empty = queued_in(o, o->active) == 0;
    if (q->class == O_IDLE)
        return false;
    if (a->class == O_IDLE)
        return true;
    if (a->class == O_RT && q->class != O_RT)
        return false;
    if (rq->sync && !a->sync && !a->must)
        return true;
    if (q->group != a->group)
        return false;
    if (used(o, a))
        return true;
    if (kind_of(q) == O_NOIDLE && o->kind == O_NOIDLE &&
        tree_count(o, q->tree_group, q->tree_class, q->tree_kind) == 2 && empty)
        return true;
    if (rq->prio && prio_in(o, o->active) == 0)
        return true;
    if (q->class == O_RT && a->class != O_RT)
        return true;
    if (o->preempt_empty && empty && !should_idle(o, a))
        return true;
    if (o->active_proc < 0 || !a->waiting)
        return false;
    return apart(rq->sector, o->head) <= 8192;
}

static void learn(struct oracle *o, int at, int proc, const struct o_request *rq) {
    struct o_queue *q = &o->q[at];
    struct o_proc *p = &o->p[proc];
    if (q->sync) {
        sample(&p->think, o->now, o->slice_idle);
        sample(tree_think(o, q), o->now, o->slice_idle);
    }
    sample(&o->g[q->group].think, o->now, o->group_idle);
    bool seek = o->flash ? rq->sectors < 64 : q->last_end && apart(rq->sector, q->last_end) > 800;
    q->seeks = q->seeks << 1 | seek;
    q->last_end = rq->sector + rq->sectors;
    if (!q->sync || q->class == O_IDLE)
        return;
    if (queued_in(o, at) >= 4)
        q->deep = true;
    if (o->rq[q->next].noidle || o->slice_idle == 0 || (!q->deep && seeky(q)))
        q->window = false;
    else if (p->think.samples > 80)
        q->window = p->think.mean <= o->slice_idle;
}

int oracle_insert(struct oracle *o, int proc, uint64_t sector, uint64_t sectors, bool sync, bool prio, bool noidle) {
    int at = queue_for(o, proc, sync), n = o->requests++;
    if (n >= O_REQUESTS)
        abort();
    struct o_queue *q = &o->q[at];
    if (q->reprio) {
        q->reprio = false;
        q->class = o->p[proc].class;
        q->level = o->p[proc].level;
        if (q->class == O_IDLE) {
            q->level = 7;
            q->window = false;
        }
    }
    struct o_request *rq = &o->rq[n];
    *rq = (struct o_request){.state = O_QUEUED,
                             .queue = at,
                             .proc = proc,
                             .sector = sector,
                             .sectors = sectors,
                             .order = (uint64_t)n,
                             .sync = sync,
                             .prio = prio,
                             .noidle = noidle,
                             .expires = o->now + (sync ? o->expire_sync : o->expire_async),
                             .born = o->now};
    if (!q->busy) {
        int queues = group_queues(o, q->group);
        into_tree(o, at, key_for(o, at, queues));
        if (!o->g[q->group].listed) {
            int last = edge_group(o, true);
            o->g[q->group].vtime = last >= 0 ? o->g[last].vtime + o->hz / 5 : o->min_vtime;
            list_group(o, q->group);
        }
    }
    int was = q->next;
    q->next = better(o, was, n, o->head);
    if (q->next != was)
        place(o, at);
    learn(o, at, proc, rq);
    if (at == o->active) {
        if (q->waiting) {
            if (sectors > 8 || busy_count(o, false) > 1)
                stop_timer(o, q);
            else
                q->must = true;
        }
    } else if (preempts(o, at, rq)) {
        int kind = kind_of(&o->q[o->active]);
        expire(o, true);
        if (kind != kind_of(q))
            o->g[q->group].saved = 0;
        int64_t key;
        if (q->class == O_IDLE) {
            key = key_for(o, at, 0);
        } else {
            int first = first_in(o, q->group, q->class, kind_of(q));
            key = (first >= 0 ? o->q[first].key : o->now) - o->hz;
        }
        into_tree(o, at, key);
        q->end = 0;
        q->fresh = true;
    }
    return n;
}

/* --- completion and time --- */

static bool beyond(const struct oracle *o, const struct o_queue *q) {
    const struct o_think *t = o->active_proc < 0 ? NULL : &o->p[o->active_proc].think;
    return t && t->samples > 80 && q->end - o->now < t->mean;
}

static void arm(struct oracle *o, struct o_queue *q) {
    bool for_group = false;
    if (o->flash && o->tag != 0)
        return;
    if (!should_idle(o, q)) {
        if (!o->group_idle)
            return;
        for_group = true;
    }
    if (q->in_drive || o->active_proc < 0 || beyond(o, q))
        return;
    if (for_group && group_queues(o, q->group) > 1)
        return;
    q->waiting = true;
    o->timer = o->now + (for_group ? o->group_idle : o->slice_idle);
}

static void completed(struct oracle *o, int n) {
    struct o_request *rq = &o->rq[n];
    struct o_queue *q = &o->q[rq->queue], *a = o->active < 0 ? NULL : &o->q[o->active];
    o->most = (int)most(o->most, o->in_drive);
    if (o->tag != 1 && !(queued_all(o) <= 5 && o->in_drive <= 5) &&
        !(a && a->window && a->in_drive + queued_in(o, o->active) < 5 && o->in_drive < 5) && o->samples++ >= 50)
        o->tag = o->most >= 5;
    o->in_drive--;
    q->in_drive--;
    rq->state = O_DONE;
    if (rq->sync) {
        o->p[rq->proc].think.last = o->now;
        tree_think(o, q)->last = o->now;
        if (rq->born + o->expire_sync <= o->now)
            o->late = o->now;
    }
    o->g[q->group].think.last = o->now;
    if (q != a)
        return;
    bool empty = queued_in(o, o->active) == 0;
    if (q->fresh) {
        q->start = o->now;
        q->allocated = slice_for(o, q);
        q->end = o->now + q->allocated;
        q->fresh = false;
    }
    if (empty && group_queues(o, q->group) == 1 && !group_slow(o, q->group) &&
        (used(o, q) || beyond(o, q) || q->end - o->now == 1)) {
        q->end = o->now + (o->slice_idle ? o->slice_idle : o->group_idle);
        q->wait_busy = true;
    }
    if (used(o, q) || q->class == O_IDLE)
        expire(o, true);
    else if (rq->sync && empty && cooperator(o, o->active) < 0)
        arm(o, q);
}

void oracle_complete(struct oracle *o, int n) {
    completed(o, n);
    forget(o, o->rq[n].queue);
    while (o->first < o->requests && o->rq[o->first].state == O_DONE)
        o->first++;
}

void oracle_timer(struct oracle *o) {
    o->timer = -1;
    if (o->active < 0)
        return;
    struct o_queue *q = &o->q[o->active];
    if (q->must)
        return;
    if (used(o, q)) {
        expire(o, false);
    } else if (queued_in(o, o->active) == 0) {
        q->deep = false;
        expire(o, false);
    }
}

void oracle_init(struct oracle *o, int64_t hz, bool flash) {
    memset(o, 0, sizeof(*o));
    o->hz = hz;
    o->flash = flash;
    o->active = o->active_proc = -1;
    o->timer = -1;
    o->class = O_BE;
    o->tag = -1;
    o->most = 1;
    o->late = -hz;
    for (int i = 0; i < O_GROUPS; i++) {
        o->g[i].parent = -1;
        o->g[i].async_idle = -1;
        for (int level = 0; level < 8; level++)
            o->g[i].async[O_RT][level] = o->g[i].async[O_BE][level] = -1;
    }
}

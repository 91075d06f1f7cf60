/*
 * Schedulers as rows, their life, and their tunables; see elevator.h.
 */
#include "block/elevator.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/block_int.h"
#include "block/elevator/elevators.h"

const struct elevator_ops *const elevators[] = {
    &elevator_noop,  &elevator_deadline, &elevator_cfq,  &elevator_as, &elevator_mq_deadline,
    &elevator_kyber, &elevator_bfq,      &elevator_none, NULL,
};

void elevator_names(const struct elevator_ops *chosen, bool zoned, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; elevators[i] && used < size; i++) {
        bool in = elevators[i] == chosen;
        if (zoned && !elevators[i]->zones)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", used ? " " : "", in ? "[" : "",
                                 elevators[i]->name, in ? "]" : "");
    }
}

const struct elevator_ops *elevator_find(const char *name, struct err *e) {
    char names[256];
    if (!strcmp(name, "anticipatory"))
        name = "as";
    for (unsigned i = 0; elevators[i]; i++)
        if (!strcmp(elevators[i]->name, name))
            return elevators[i];
    elevator_names(NULL, false, names, sizeof names);
    err_set(e, EINVAL, "unknown scheduler \"%s\"; there are: %s", name, names);
    return NULL;
}

/* --- what a scheduler may want to know --- */

bool elevator_rotational(const struct elevator *e) {
    return e->block->rotational;
}

uint32_t elevator_nr_requests(const struct elevator *e) {
    return e == e->block->elevator ? e->block->nr_requests : block_requests_under(e->block, e->ops);
}

uint32_t elevator_cpus(const struct elevator *e) {
    return e->block->cpus;
}

uint64_t elevator_zone_sectors(const struct elevator *e) {
    return e->block->zone_sectors;
}

uint32_t elevator_zones(const struct elevator *e) {
    return e->block->zones;
}

bool elevator_cgroup_v2(const struct elevator *e) {
    return e->block->cgroup_version == 2;
}

void elevator_note(struct elevator *e, enum elevator_event what, const struct block_context *c) {
    struct block_watch *w = e->block->watch;
    if (__builtin_expect(w != NULL, 0) && w->event)
        w->event(w, what, c);
}

/* --- tunables --- */

static int64_t *field(const struct elevator *e, const struct elevator_tunable *t) {
    return (int64_t *)((char *)e + t->offset);
}

static int64_t to_kept(const struct elevator *e, enum tunable_type type, int64_t shown) {
    int64_t factor = type == TUNABLE_MS ? 1000000 : type == TUNABLE_US ? 1000 : 1, kept;
    if (type == TUNABLE_JIFFIES && shown < INT64_MAX / 20000)
        return elevator_ms_to_jiffies(e, shown);
    return __builtin_mul_overflow(shown, factor, &kept) ? INT64_MAX : kept;
}

static int64_t to_shown(const struct elevator *e, enum tunable_type type, int64_t kept) {
    if (type == TUNABLE_JIFFIES)
        return kept * 1000 / e->hz;
    return type == TUNABLE_MS ? kept / 1000000 : type == TUNABLE_US ? kept / 1000 : kept;
}

static const struct elevator_tunable *tunable_find(const struct elevator *e, const char *name, struct err *err) {
    char names[1024] = "";
    size_t used = 0;
    for (const struct elevator_tunable *t = e->ops->tunables; t && t->name; t++) {
        if (!strcmp(t->name, name))
            return t;
        if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", t->name);
    }
    err_set(err, ENOENT, "%s has no tunable \"%s\"; %s%s", e->ops->name, name, used ? "there are: " : "it has none",
            names);
    return NULL;
}

int block_parse_number(const char *text, int64_t *value) {
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    bool beyond = errno == ERANGE;
    if (end == text)
        return -EINVAL;
    while (isspace((unsigned char)*end))
        end++;
    if (*end)
        return -EINVAL;
    *value = v;
    return beyond ? -ERANGE : 0;
}

int elevator_tunable_get(const struct elevator *e, const char *name, char *text, size_t size, struct err *err) {
    const struct elevator_tunable *t = tunable_find(e, name, err);
    if (!t)
        return -ENOENT;
    if (t->type == TUNABLE_TEXT)
        t->show(e, text, size);
    else
        snprintf(text, size, "%" PRId64, to_shown(e, t->type, *field(e, t)));
    return 0;
}

/* `v`: the number of `text`, or the farthest there is. */
static bool unreadable(enum tunable_number reads, const char *text, int64_t v) {
    errno = 0;
    if (reads == TUNABLE_UNSIGNED)
        return v < 0 || (strtoull(text, NULL, 10) == ULLONG_MAX && errno == ERANGE);
    return reads == TUNABLE_KSTRTOINT && (v < INT_MIN || v > INT_MAX);
}

int elevator_tunable_set(struct elevator *e, const char *name, const char *value, char *note, size_t size,
                         struct err *err) {
    const struct elevator_tunable *t = tunable_find(e, name, err);
    int64_t v;
    if (!t)
        return -ENOENT;
    if (t->type == TUNABLE_TEXT)
        return err_set(err, EACCES, "%s of %s can only be read", name, e->ops->name);
    int rc = block_parse_number(value, &v);
    if (rc == -EINVAL)
        return err_set(err, EINVAL, "%s of %s: \"%s\" is not a whole number; allowed are %" PRId64 " to %" PRId64, name,
                       e->ops->name, value, t->min, t->max);
    bool out = v < t->min || v > t->max;
    if ((out || rc) && unreadable(e->ops->reads, value, v))
        return err_set(err, EINVAL, "%s of %s: %s; allowed are %" PRId64 " to %" PRId64, name, e->ops->name, value,
                       t->min, t->max);
    if (out || rc) {
        v = v < t->min ? t->min : t->max;
        if (note)
            snprintf(note, size, "%s of %s: %s is outside %" PRId64 " to %" PRId64 "; %" PRId64 " is set", name,
                     e->ops->name, value, t->min, t->max, v);
    }
    *field(e, t) = to_kept(e, t->type, v);
    if (t->changed)
        t->changed(e);
    return 0;
}

void elevator_copy_tunables(struct elevator *to, const struct elevator *from) {
    for (const struct elevator_tunable *t = from->ops->tunables; t && t->name; t++) {
        if (t->type == TUNABLE_TEXT)
            continue;
        *field(to, t) = *field(from, t);
        if (t->changed)
            t->changed(to);
    }
}

/* --- life --- */

struct elevator *elevator_new(struct block *b, const struct elevator_ops *ops, struct err *e) {
    struct elevator *elevator = calloc(1, ops->size);
    if (!elevator) {
        err_set(e, ENOMEM, "no memory for scheduler %s", ops->name);
        return NULL;
    }
    *elevator = (struct elevator){.ops = ops, .block = b, .sim = b->sim, .jiffy_ns = b->jiffy_ns, .hz = b->hz};
    for (const struct elevator_tunable *t = ops->tunables; t && t->name; t++)
        if (t->type != TUNABLE_TEXT)
            *field(elevator, t) = t->def_for ? t->def_for(elevator) : to_kept(elevator, t->type, t->def);
    if (!ops->init(elevator, e))
        return elevator;
    free(elevator);
    return NULL;
}

void elevator_free(struct elevator *e) {
    if (!e)
        return;
    if (e->ops->release)
        e->ops->release(e);
    free(e);
}

static int not_a_tunable(const char *word, struct err *e) {
    return err_set(e, EINVAL, "\"%s\": tunables of a scheduler are written NAME=VALUE", word);
}

/* One "name=value" of a specification. */
static int spec_tunable(struct elevator *e, char *word, char *note, size_t size, struct err *err) {
    char *equals = strchr(word, '=');
    if (!equals)
        return not_a_tunable(word, err);
    *equals = '\0';
    int rc = elevator_tunable_set(e, word, equals + 1, note, size, err);
    return rc == -ENOENT ? -EINVAL : rc;
}

/* Set the tunables of "NAME,tunable=value,..."; `note` gets them all. */
static int spec_tunables(struct elevator *e, char *words, char *note, size_t size, struct err *err) {
    size_t used = 0;
    for (char *save, *word = strtok_r(words, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        char one[256] = "";
        int rc = spec_tunable(e, word, one, sizeof one, err);
        if (rc)
            return rc;
        if (note && *one && used < size)
            used += (size_t)snprintf(note + used, size - used, "%s%s", used ? "; " : "", one);
    }
    return 0;
}

/* Cut "NAME,..." in two; `words` gets a copy to be freed. */
static const struct elevator_ops *spec_split(const char *spec, char **words, struct err *e) {
    while (isspace((unsigned char)*spec))
        spec++;
    char *copy = strdup(spec);
    if (!copy) {
        err_set(e, ENOMEM, "no memory for a scheduler");
        return NULL;
    }
    for (size_t n = strlen(copy); n && isspace((unsigned char)copy[n - 1]); n--)
        copy[n - 1] = '\0';
    char *comma = strchrnul(copy, ',');
    bool more = *comma;
    *comma = '\0';
    const struct elevator_ops *ops = elevator_find(copy, e);
    memmove(copy, comma + more, strlen(comma + more) + 1);
    if (!ops) {
        free(copy);
        return NULL;
    }
    *words = copy;
    return ops;
}

/* As Linux: not what reorders the writes of a zone. */
static int check_zones(const struct block *b, const struct elevator_ops *ops, struct err *e) {
    char names[256];
    if (!b->zones || ops->zones)
        return 0;
    elevator_names(NULL, true, names, sizeof names);
    return err_set(e, EINVAL, "scheduler %s may reorder the writes of a zone; for zoned drives there are: %s",
                   ops->name, names);
}

struct elevator *elevator_from_spec(struct block *b, const char *spec, char *note, size_t size, struct err *e) {
    char *words;
    const struct elevator_ops *ops = spec_split(spec, &words, e);
    if (!ops)
        return NULL;
    struct elevator *elevator = check_zones(b, ops, e) ? NULL : elevator_new(b, ops, e);
    if (elevator && spec_tunables(elevator, words, note, size, e)) {
        elevator_free(elevator);
        elevator = NULL;
    }
    free(words);
    return elevator;
}

int elevator_check_spec(const char *spec, struct err *e) {
    char *words, *save;
    struct elevator named = {.ops = spec_split(spec, &words, e)}; /* enough to find tunables */
    int rc = named.ops ? 0 : -EINVAL;
    for (char *word = rc ? NULL : strtok_r(words, ",", &save); !rc && word; word = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(word, '=');
        if (equals)
            *equals = '\0';
        if (!equals)
            rc = not_a_tunable(word, e);
        else if (!tunable_find(&named, word, e))
            rc = -EINVAL;
    }
    if (named.ops)
        free(words);
    return rc;
}

/* --- switching; the queue's side --- */

uint32_t block_requests_under(const struct block *b, const struct elevator_ops *ops) {
    if (ops->dispatch && b->ops && b->ops->dispatch)
        return b->nr_requests;
    return block_default_requests(b, ops);
}

void block_take_over(struct block *b, struct elevator *e) {
    b->nr_requests = block_requests_under(b, e->ops);
    b->elevator = e;
    b->ops = e->ops;
    b->last_merge = NULL;
}

void block_switch_finish(struct block *b) {
    struct elevator *old = b->elevator;
    b->want_finish = false;
    block_contexts_detach(b, old);
    block_take_over(b, b->coming);
    b->coming = NULL;
    elevator_free(old);
    block_thaw(b);
    block_pool_wake_all(b);
    b->want_run = true;
}

bool block_switching(const struct block *b) {
    return b->coming != NULL;
}

struct elevator *block_elevator(const struct block *b) {
    return b->coming ? b->coming : b->elevator;
}

/*
 * Tunables of the scheduler in charge: all or nothing, tried on one of the same
 * kind first.
 */
static int retune(struct block *b, const char *spec, char *note, size_t size, struct err *e) {
    struct elevator *current = block_elevator(b), *trial = elevator_from_spec(b, spec, note, size, e);
    char *words;
    if (!trial)
        return -EINVAL;
    elevator_free(trial);
    if (!spec_split(spec, &words, e))
        return -EINVAL;
    int rc = spec_tunables(current, words, NULL, 0, e);
    free(words);
    return rc;
}

/* Everything a single-queue scheduler has goes onto the dispatch list, before what comes from now on. */
void block_drain(struct block *b) {
    while (b->queued && b->ops->dispatch && b->ops->dispatch(b->elevator, true))
        ;
}

static void begin_switch(struct block *b, struct elevator *to) {
    block_enter(b);
    if (!b->coming)
        block_flush_plugs(b);
    elevator_free(b->coming);
    b->coming = to;
    block_drain(b);
    b->want_finish = !b->scheduled;
    b->want_run = true;
    block_leave(b);
}

int block_switch(struct block *b, const char *spec, char *note, size_t size, struct err *e) {
    char *words;
    if (note && size)
        note[0] = '\0';
    const struct elevator_ops *ops = spec_split(spec, &words, e);
    if (!ops)
        return -EINVAL;
    free(words);
    if (ops == block_elevator(b)->ops)
        return retune(b, spec, note, size, e);
    struct elevator *to = elevator_from_spec(b, spec, note, size, e);
    if (!to)
        return -EINVAL;
    begin_switch(b, to);
    return 0;
}

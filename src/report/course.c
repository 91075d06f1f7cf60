/*
 * Where a disk's head was; see course.h.
 *
 * Every place has a random number from its place in the sequence. Those are kept
 * whose number ends in so many zero bits, one bit more whenever there are too
 * many: an even part of the run, which no regular pattern in it can bias.
 */
#include "report/course.h"

#include <jansson.h>
#include <stdlib.h>

struct place {
    int64_t from_ns, to_ns;
    uint32_t from, to, owner;
    uint32_t kind;
    uint64_t draw;
};

struct course {
    int64_t start_ns;
    uint64_t count, mask;
    uint32_t used;
    struct place place[COURSE_PLACES];
};

struct course *course_new(int64_t start_ns) {
    struct course *c = calloc(1, sizeof *c);
    if (c)
        c->start_ns = start_ns;
    return c;
}

void course_free(struct course *c) {
    free(c);
}

/* A permutation of the 64-bit numbers that leaves no pattern (splitmix64's, Steele and others 2014). */
static uint64_t draw_of(uint64_t n) {
    n = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

static void thin_out(struct course *c) {
    uint32_t kept = 0;
    c->mask = c->mask << 1 | 1;
    for (uint32_t i = 0; i < c->used; i++)
        if (!(c->place[i].draw & c->mask))
            c->place[kept++] = c->place[i];
    c->used = kept;
}

void course_add(struct course *c, uint32_t owner, enum course_kind kind, int64_t from_ns, int64_t to_ns,
                uint32_t from_cylinder, uint32_t to_cylinder) {
    uint64_t draw = draw_of(c->count++);
    while (c->used == COURSE_PLACES)
        thin_out(c);
    if (draw & c->mask)
        return;
    c->place[c->used++] = (struct place){from_ns, to_ns, from_cylinder, to_cylinder, owner, kind, draw};
}

json_t *course_json(const struct course *c, uint32_t cylinders) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->used; i++) {
        const struct place *p = &c->place[i];
        json_array_append_new(list, json_pack("[I,I,I,I,I,i]", (json_int_t)(p->from_ns - c->start_ns),
                                              (json_int_t)(p->to_ns - c->start_ns), (json_int_t)p->from,
                                              (json_int_t)p->to, (json_int_t)p->owner, (int)p->kind));
    }
    return json_pack("{s:I,s:I,s:I,s:o}", "cylinders", (json_int_t)cylinders, "count", (json_int_t)c->count, "kept",
                     (json_int_t)c->mask + 1, "places", list);
}

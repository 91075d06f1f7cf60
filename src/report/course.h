/*
 * Where a disk's head was: accesses and stretches of reading on, of all or, as
 * there are many, of an unbiased part.
 */
#ifndef DRIVELAB_REPORT_COURSE_H
#define DRIVELAB_REPORT_COURSE_H

#include <stdint.h>

struct json_t;
struct course;

#define COURSE_PLACES 2000 /* at most kept */

enum course_kind { COURSE_READ, COURSE_WRITE, COURSE_AHEAD };

struct course *course_new(int64_t start_ns); /* NULL: no memory */
void course_free(struct course *c);

/* The head was busy for a process from one cylinder to another. */
void course_add(struct course *c, uint32_t owner, enum course_kind kind, int64_t from_ns, int64_t to_ns,
                uint32_t from_cylinder, uint32_t to_cylinder);

/*
 * New JSON object: "cylinders", "count" of all, "kept": one of how many is shown,
 * "places": lists of [from_ns, to_ns, from cylinder, to cylinder, owner, kind]
 * in order of time, counted from the start.
 */
struct json_t *course_json(const struct course *c, uint32_t cylinders);

#endif

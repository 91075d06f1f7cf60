/* Text in columns that are as wide as they need to be: everything is put twice, the first time to measure. */
#ifndef DRIVELAB_REPORT_TABLE_INT_H
#define DRIVELAB_REPORT_TABLE_INT_H

#include <stdbool.h>
#include <stdio.h>

struct json_t;

enum { CELL = 64 };

struct grid {
    FILE *out;
    size_t width[32];
    unsigned columns, at;
    bool measuring; /* first pass */
};

void grid_put(struct grid *g, const char *text);
void grid_end_line(struct grid *g);

/* Whether points are of several drives. */
bool table_drives_differ(const struct json_t *points);

#endif

/*
 * Several results beside each other. A point is a JSON object: "drive",
 * "options" (those that differ, as text) and either "result" (a whole report)
 * or "error"; with "interrupted" the result is of a part.
 */
#ifndef DRIVELAB_REPORT_TABLE_H
#define DRIVELAB_REPORT_TABLE_H

#include <stdio.h>

struct json_t;

/* A line for each point and direction of transfer. 0 or -EIO. */
int table_print(const struct json_t *points, FILE *out);

/* A column for each point, with ratios to the first. 0 or -EIO. */
int table_compare(const struct json_t *points, FILE *out);

#endif

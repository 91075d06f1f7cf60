/*
 * Processes behind an I/O scheduler as a table: throughput, share of the drive's
 * time, latency, merges, seeks and the head's way.
 */
#ifndef DRIVELAB_REPORT_PROCESSES_H
#define DRIVELAB_REPORT_PROCESSES_H

#include <stdbool.h>
#include <stdio.h>

struct json_t;

#define PROCESSES_LISTED 16 /* of each run; all are in the JSON */

/* Whether drive_stats(), or a whole report under "drivelab", has any. */
bool processes_any(const struct json_t *stats);

/* Of one run. */
void processes_print(const struct json_t *stats, FILE *out);

/* Of several, as table.h has them: a line for each run and process, and one for each run as a whole. 0 or -EIO. */
int processes_compare(const struct json_t *points, FILE *out);

#endif

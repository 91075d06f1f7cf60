/*
 * A run over time: a bounded number of windows of equal length, which doubles
 * whenever the run outgrows them.
 */
#ifndef DRIVELAB_REPORT_SERIES_H
#define DRIVELAB_REPORT_SERIES_H

#include "base/runstat.h"
#include "media/nand/nand.h"

struct json_t;
struct series;

#define SERIES_WINDOWS 256

/* `resources`: those whose use is to be followed. NULL: no memory. */
struct series *series_new(int64_t start_ns, uint32_t resources);
void series_free(struct series *s);

void series_request(struct series *s, enum run_dir dir, uint64_t bytes, int64_t submitted_ns, int64_t completed_ns);

/* A resource was or will be busy. */
void series_busy(struct series *s, uint32_t resource, int64_t from_ns, int64_t to_ns);

/* Bytes were programmed, or a block was erased (bytes 0). */
void series_programmed(struct series *s, enum nand_cause cause, uint32_t bytes, int64_t at_ns);

/* New JSON object of lists with an entry for each window that began before `end_ns`; caller owns it. */
struct json_t *series_json(const struct series *s, int64_t end_ns);

/* The share of time that a resource was busy, for each of the same windows; caller owns the list. */
struct json_t *series_busy_json(const struct series *s, uint32_t resource, int64_t end_ns);

#endif

/*
 * The page of results: one file, in two halves between which its data goes,
 * made from src/report/page/ by scripts/embed-page. Its data is a report, or
 * has the results of several runs under "points".
 */
#ifndef DRIVELAB_REPORT_PAGE_H
#define DRIVELAB_REPORT_PAGE_H

#include <stdio.h>

struct json_t;
struct report;

extern const char report_page_before[], report_page_after[];

/* report_json_object() and "curves", the distributions of latencies. New, or NULL: no memory. */
struct json_t *report_page_data(const struct report *report);

/* Write the page with its data. 0 or -errno. */
int report_page_write(const struct json_t *data, FILE *out);

/*
 * Write a page that shows several results beside each other: points as
 * table.h has them, their results with "curves"; `missing`: how many were not
 * even begun. 0 or -errno.
 */
int report_page_points(const struct json_t *points, unsigned missing, FILE *out);

#endif

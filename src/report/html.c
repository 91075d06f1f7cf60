/*
 * The result as a page: one file with everything in it, which needs no network.
 *
 * The page holds the JSON report and, from the folder page, what draws charts from
 * it as SVG. Its Content-Security-Policy forbids whatever is not in the file.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "report/page.h"
#include "report/report.h"

enum { CURVE_POINTS = 300 };

static const char *const dir_names[RUN_DIRS] = {"read", "write", "trim"};

/* Pairs of latency in ns and requests at or below it. */
static json_t *curve(const struct hist *h) {
    json_t *list = json_array();
    uint64_t seen = 0, used = 0, skip;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        used += h->bucket[i] > 0;
    skip = used / CURVE_POINTS + 1;
    used = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->bucket[i];
        if (!h->bucket[i] || (used++ % skip && h->count - seen > h->count / 1000))
            continue;
        uint64_t high = i + 1 < HIST_BUCKETS ? hist_bucket_low(i + 1) - 1 : h->max;
        high = high < h->max ? high : h->max;
        json_array_append_new(list, json_pack("[I,I]", (json_int_t)high, (json_int_t)seen));
    }
    return list;
}

static json_t *curves(const struct report *r) {
    json_t *o = json_object();
    struct hist *all = malloc(sizeof(*all));
    for (int d = 0; d < RUN_DIRS && all; d++) {
        hist_init(all);
        for (unsigned i = 0; i < r->count; i++)
            hist_merge(all, &r->stat[i]->dir[d].lat);
        if (all->count)
            json_object_set_new(o, dir_names[d], curve(all));
    }
    free(all);
    return o;
}

/* Text in which nothing ends the script element it stands in. */
static void write_data(const char *json, FILE *out) {
    for (const char *c = json; *c; c++)
        if (*c == '<')
            fputs("\\u003c", out);
        else
            fputc(*c, out);
}

json_t *report_page_data(const struct report *r) {
    json_t *root = report_json_object(r);
    if (root)
        json_object_set_new(root, "curves", curves(r));
    return root;
}

int report_page_write(const json_t *data, FILE *out) {
    char *text = data ? json_dumps(data, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12)) : NULL;
    if (!text)
        return -ENOMEM;
    fputs(report_page_before, out);
    write_data(text, out);
    fputs(report_page_after, out);
    free(text);
    return fflush(out) || ferror(out) ? -EIO : 0;
}

static int html_write(const struct report *r, FILE *out) {
    json_t *root = report_page_data(r);
    int ret = report_page_write(root, out);
    json_decref(root);
    return ret;
}

const struct report_format report_html = {"html", html_write};

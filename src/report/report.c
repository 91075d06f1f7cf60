/*
 * The table of report formats.
 */
#include "report/report.h"

#include <string.h>

const struct report_format *const report_formats[] = {&report_text, &report_json, &report_html, NULL};

const double *report_percentiles(const struct report *r, unsigned i) {
    static const double fios[] = {1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 0};
    return r->percentiles && r->percentiles[i][0] ? r->percentiles[i] : fios;
}

const struct report_format *report_find(const char *name) {
    for (const struct report_format *const *f = report_formats; *f; f++)
        if (!strcmp((*f)->name, name))
            return *f;
    return NULL;
}

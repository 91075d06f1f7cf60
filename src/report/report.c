/*
 * The table of report formats.
 */
#include "report/report.h"

#include <string.h>

const struct report_format *const report_formats[] = {&report_text, &report_json, &report_html, NULL};

const struct report_format *report_find(const char *name) {
    for (const struct report_format *const *f = report_formats; *f; f++)
        if (!strcmp((*f)->name, name))
            return *f;
    return NULL;
}

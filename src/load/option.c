/*
 * Looking up, setting to defaults and printing job options; see option.h.
 */
#include "load/option.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define NAMES_MAX 400 /* rows of the table */

void job_defaults(struct job *job) {
    *job = (struct job){.read_percent = 100,
                        .rwmixread = 50,
                        .rw_every = 1,
                        .bs = {4096, 4096, 4096},
                        .bs_max = {4096, 4096, 4096},
                        .percentage_random = {100, 100, 100},
                        .center = -1,
                        .randrepeat = true,
                        .iodepth = 1,
                        .iodepth_batch = 1,
                        .iodepth_batch_complete_min = 1,
                        .numjobs = 1,
                        .loops = 1,
                        .rate_cycle_ms = 1000,
                        .thinktime_blocks = 1,
                        .latency_window_ns = 5000000000,
                        .latency_percentile = 100,
                        .do_verify = true,
                        .dirty_memory = 1ull << 30,
                        .dirty_ratio = 20,
                        .dirty_background_ratio = 10,
                        .dirty_expire_ns = 30000000000,
                        .dirty_writeback_ns = 5000000000,
                        .replay_time_scale = 100,
                        .replay_scale = 1,
                        .prio = -1,
                        .prioclass = -1,
                        .steady_interval_ns = 1000000000,
                        .per_job_logs = true,
                        .kb_base = 1024};
}

/* Whether `name` is a word of the space-separated list. */
static bool listed(const char *list, const char *name) {
    size_t len = strlen(name);
    for (const char *at = list; at && *at;) {
        size_t word = strcspn(at, " ");
        if (word == len && !strncmp(at, name, len))
            return true;
        at += word + (at[word] == ' ');
    }
    return false;
}

const struct job_option *job_option_find(const char *name) {
    for (const struct job_option *o = job_options; o->name; o++)
        if (!strcmp(o->name, name) || listed(o->alias, name))
            return o;
    return NULL;
}

static bool supported(const struct job_option *o) {
    return o->type != JOB_NOTED && o->type != JOB_REFUSED;
}

int job_option_unknown(const char *name, struct err *e) {
    const char *names[NAMES_MAX + 1];
    char list[ERR_TEXT_MAX] = "";
    size_t used = 0;
    unsigned n = 0;
    for (const struct job_option *o = job_options; o->name && n < NAMES_MAX; o++) {
        names[n++] = o->name;
        if (supported(o) && used < sizeof(list))
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", o->name);
    }
    names[n] = NULL;
    const char *near = text_nearest(name, names);
    return err_set(e, EINVAL, "option \"%.100s\" is not supported%s%s%s; supported: %s", name,
                   near ? " (did you mean " : "", near ? near : "", near ? "?)" : "", list);
}

/* Markdown: bars end a column. */
static void print_cell(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_supported(FILE *out, const struct job_option *o) {
    char allowed[600];
    fprintf(out, "| `%s`", o->name);
    for (const char *at = o->alias; at && *at; at += strcspn(at, " "), at += *at == ' ')
        fprintf(out, ", `%.*s`", (int)strcspn(at, " "), at);
    fputs(" | ", out);
    print_cell(out, job_option_allowed(o, allowed, sizeof(allowed)));
    fprintf(out, " | %s | ", o->def ? o->def : "");
    print_cell(out, o->help);
    fputs(" |\n", out);
}

static void print_others(FILE *out, enum job_option_type type) {
    fputs("| option | because |\n|---|---|\n", out);
    for (const struct job_option *o = job_options; o->name; o++)
        if (o->type == type)
            fprintf(out, "| `%s` | %s |\n", o->name, o->help);
}

void job_options_print(FILE *out) {
    fputs("### Supported\n\n| option | values | default | meaning |\n|---|---|---|---|\n", out);
    for (const struct job_option *o = job_options; o->name; o++)
        if (supported(o))
            print_supported(out, o);
    fputs("\n### Accepted without effect\n\n", out);
    print_others(out, JOB_NOTED);
    fputs("\n### Refused\n\n", out);
    print_others(out, JOB_REFUSED);
}

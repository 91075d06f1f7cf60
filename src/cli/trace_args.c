/* Options of a replay, see trace_args.h. */
#include "cli/trace_args.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const fit_names[] = {"wrap", "scale", "refuse", NULL}; /* in the order of enum replay_fit */

void trace_args_init(struct replay_config *config) {
    *config = (struct replay_config){.pace = REPLAY_TIMED, .stretch = 1, .device = -1};
}

static bool whole_number(const char *text, uint64_t max, uint64_t *value) {
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return !errno && *text >= '0' && *text <= '9' && !*end && *value <= max;
}

static int take_pace(struct replay_config *c, const char *value, struct err *e) {
    uint64_t depth;
    char *end;
    if (!strcmp(value, "recorded")) {
        c->pace = REPLAY_TIMED;
        c->stretch = 1;
        return 0;
    }
    if (!strncmp(value, "scaled:", 7)) {
        c->pace = REPLAY_TIMED;
        c->stretch = strtod(value + 7, &end);
        if (end != value + 7 && !*end && c->stretch >= 1e-6 && c->stretch <= 1e6)
            return 0;
    }
    if (!strncmp(value, "depth:", 6) && whole_number(value + 6, REPLAY_DEPTH_MAX, &depth) && depth) {
        c->pace = REPLAY_DEPTH;
        c->depth = (unsigned)depth;
        return 0;
    }
    return err_set(
        e, EINVAL,
        "--trace-pace %s: allowed are recorded, scaled:N with N from 0.000001 to 1000000, and depth:N with N "
        "from 1 to %d",
        value, REPLAY_DEPTH_MAX);
}

static int take_fit(struct replay_config *c, const char *value, struct err *e) {
    for (unsigned i = 0; fit_names[i]; i++)
        if (!strcmp(value, fit_names[i])) {
            c->fit = (enum replay_fit)i;
            return 0;
        }
    return err_set(e, EINVAL, "--trace-fit %s: allowed are wrap, scale and refuse", value);
}

static int take_number(const char *option, const char *value, uint64_t max, uint64_t *to, struct err *e) {
    if (whole_number(value, max, to))
        return 0;
    return err_set(e, EINVAL, "%s %s: a number from 0 to %" PRIu64, option, value, max);
}

int trace_args_take(struct replay_config *c, int option, const char *value, struct err *e) {
    uint64_t number;
    int ret = 0;
    switch (option) {
    case TRACE_ARG_FILE:
        c->trace.path = value;
        return 0;
    case TRACE_ARG_FORMAT:
        c->trace.format = value;
        return 0;
    case TRACE_ARG_PACE:
        return take_pace(c, value, e);
    case TRACE_ARG_FIT:
        return take_fit(c, value, e);
    case TRACE_ARG_BAD_LINES:
        return take_number("--trace-bad-lines", value, UINT64_MAX, &c->trace.bad_lines, e);
    case TRACE_ARG_REQUESTS:
        return take_number("--trace-requests", value, UINT64_MAX, &c->limit, e);
    default:
        ret = take_number("--trace-device", value, UINT32_MAX, &number, e);
        if (!ret)
            c->device = (int64_t)number;
        return ret;
    }
}

void trace_args_notes(const struct replay_config *c, const struct replay_result *r, uint64_t capacity) {
    const char *path = c->trace.path;
    if (r->moved)
        fprintf(stderr,
                "drivelab: note: %s: its addresses go up to %s, the drive has %s: %" PRIu64 " requests were %s\n", path,
                text_bytes(r->span).s, text_bytes(capacity).s, r->moved, c->fit == REPLAY_SCALE ? "scaled" : "wrapped");
    if (r->skipped && c->device < 0)
        fprintf(stderr, "drivelab: note: %s: %" PRIu64 " requests of 0 bytes were left out\n", path, r->skipped);
    if (r->clipped)
        fprintf(stderr, "drivelab: note: %s: %" PRIu64 " requests larger than the drive were shortened\n", path,
                r->clipped);
    if (r->held)
        fprintf(stderr, "drivelab: note: %s: the drive can't keep up; %" PRIu64 " requests waited before %d others\n",
                path, r->held, REPLAY_DEPTH_MAX);
    if (r->notes.bad_lines)
        fprintf(stderr, "drivelab: note: %s: %" PRIu64 " lines were not understood; the first: %s\n", path,
                r->notes.bad_lines, r->notes.first_bad);
    if (r->notes.backwards)
        fprintf(stderr,
                "drivelab: note: %s: %" PRIu64 " requests stand after later ones; they were replayed with them\n", path,
                r->notes.backwards);
}

static json_t *pace_json(const struct replay_config *c) {
    char text[64];
    if (c->pace == REPLAY_DEPTH)
        snprintf(text, sizeof(text), "depth:%u", c->depth);
    else if (c->stretch != 1)
        snprintf(text, sizeof(text), "scaled:%.17g", c->stretch);
    else
        snprintf(text, sizeof(text), "recorded");
    return json_string(text);
}

json_t *trace_args_json(const struct replay_config *c, const struct replay_result *r) {
    json_t *o = json_object();
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"moved", r->moved},
        {"clipped", r->clipped},
        {"skipped", r->skipped},
        {"held", r->held},
        {"ignored_lines", r->notes.ignored},
        {"bad_lines", r->notes.bad_lines},
        {"backwards", r->notes.backwards},
        {"span_bytes", r->span},
        {"most_inflight", r->most_inflight},
    };
    json_object_set_new(o, "format", json_string(r->format));
    json_object_set_new(o, "pace", pace_json(c));
    json_object_set_new(o, "fit", json_string(fit_names[c->fit]));
    for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        json_object_set_new(o, counts[i].name, json_integer((json_int_t)counts[i].value));
    return o;
}

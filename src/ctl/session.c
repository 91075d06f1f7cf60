/* See session.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ctl/ctl_int.h"

#define OUT_KEEP (64u << 10) /* a larger buffer is given back once it is empty */

int ctl_session_init(struct ctl_session *s, struct ctl *ctl) {
    *s = (struct ctl_session){.ctl = ctl, .in = malloc(CTL_REQUEST_MAX)};
    return s->in ? 0 : -ENOMEM;
}

void ctl_session_release(struct ctl_session *s) {
    json_decref(s->batch);
    free(s->in);
    free(s->out);
    *s = (struct ctl_session){0};
}

/* ---- Output ---- */

static bool out_reserve(struct ctl_session *s, size_t bytes) {
    if (bytes <= s->out_room - s->out_bytes)
        return true;
    size_t room = s->out_bytes + bytes;
    room = room < 4096 ? 4096 : room + room / 2;
    char *out = realloc(s->out, room);
    if (!out) {
        s->broken = true;
        return false;
    }
    s->out = out;
    s->out_room = room;
    return true;
}

static void out_char(struct ctl_session *s, char c) {
    if (out_reserve(s, 1))
        s->out[s->out_bytes++] = c;
}

static void out_json(struct ctl_session *s, const json_t *json) {
    size_t bytes = json_dumpb(json, NULL, 0, JSON_COMPACT);
    if (!bytes || !out_reserve(s, bytes)) {
        s->broken = true;
        return;
    }
    s->out_bytes += json_dumpb(json, s->out + s->out_bytes, bytes, JSON_COMPACT);
}

/* The reply itself, or that it is too large. Takes the reference. */
static void out_reply(struct ctl_session *s, json_t *reply) {
    if (s->out_bytes + json_dumpb(reply, NULL, 0, JSON_COMPACT) > CTL_REPLY_MAX) {
        struct ctl_error e = {0};
        ctl_fail(&e, CTL_TOO_LARGE, json_pack("{s:i}", "limit", (int)CTL_REPLY_MAX),
                 "the reply%s would be larger than %u bytes: ask for less at once", s->batch ? "s of this batch" : "",
                 CTL_REPLY_MAX);
        json_t *error = ctl_error_reply(json_object_get(reply, "id"), &e);
        json_decref(reply);
        reply = error;
    }
    out_json(s, reply);
    json_decref(reply);
}

static void emit(struct ctl_session *s, json_t *reply) {
    if (!reply)
        return;
    if (s->batch)
        out_char(s, s->batch_open ? ',' : '[');
    s->batch_open = true;
    out_reply(s, reply);
    if (!s->batch)
        out_char(s, '\n');
}

static void emit_error(struct ctl_session *s, struct ctl_error *error) {
    emit(s, ctl_error_reply(NULL, error));
}

const char *ctl_session_out(const struct ctl_session *s, size_t *bytes) {
    *bytes = s->out_bytes - s->out_sent;
    return *bytes ? s->out + s->out_sent : NULL;
}

void ctl_session_sent(struct ctl_session *s, size_t bytes) {
    s->out_sent += bytes;
    if (s->out_sent < s->out_bytes || s->batch)
        return;
    s->out_sent = s->out_bytes = 0;
    if (s->out_room > OUT_KEEP) {
        free(s->out);
        s->out = NULL;
        s->out_room = 0;
    }
}

/* ---- Values ---- */

static void parse_failed(struct ctl_session *s, const json_error_t *why) {
    struct ctl_error e = {0};
    char text[4 * JSON_ERROR_TEXT_LENGTH];
    text_utf8(text, sizeof text, why->text);
    ctl_fail(&e, CTL_PARSE_ERROR,
             json_pack("{s:i,s:i,s:i}", "line", why->line, "column", why->column, "byte", why->position),
             "not JSON: %s", text);
    emit_error(s, &e);
}

static void batch_begin(struct ctl_session *s, json_t *batch) {
    struct ctl_error e = {0};
    if (json_array_size(batch) - 1 < CTL_BATCH_MAX) {
        s->batch = batch;
        s->batch_at = 0;
        s->batch_open = false;
        return;
    }
    ctl_fail(&e, CTL_INVALID_REQUEST, json_pack("{s:i}", "limit", CTL_BATCH_MAX), "a batch has 1 to %u requests",
             CTL_BATCH_MAX);
    json_decref(batch);
    emit_error(s, &e);
}

static void batch_step(struct ctl_session *s) {
    emit(s, ctl_answer(s->ctl, json_array_get(s->batch, s->batch_at++)));
    if (s->batch_at < json_array_size(s->batch))
        return;
    json_decref(s->batch);
    s->batch = NULL;
    if (s->batch_open) {
        out_char(s, ']');
        out_char(s, '\n');
    }
}

static void take_value(struct ctl_session *s, const char *data, size_t bytes) {
    json_error_t why;
    json_t *value = json_loadb(data, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!value) {
        parse_failed(s, &why);
    } else if (json_is_array(value)) {
        batch_begin(s, value);
    } else {
        emit(s, ctl_answer(s->ctl, value));
        json_decref(value);
    }
}

/* ---- Input ---- */

static void skip(struct ctl_session *s, const char *why, unsigned limit) {
    struct ctl_error e = {0};
    s->frame.skipping = true;
    s->in_from = s->scanned;
    ctl_fail(&e, CTL_PARSE_ERROR, json_pack("{s:i}", "limit", (int)limit), "%s", why);
    emit_error(s, &e);
}

static bool out_waits(const struct ctl_session *s) {
    return s->out_bytes > s->out_sent || s->broken;
}

size_t ctl_session_room(const struct ctl_session *s) {
    return s->batch || out_waits(s) ? 0 : CTL_REQUEST_MAX - (s->in_to - s->in_from);
}

size_t ctl_session_put(struct ctl_session *s, const void *data, size_t bytes) {
    size_t room = ctl_session_room(s);
    if (bytes > room)
        bytes = room;
    if (bytes > CTL_REQUEST_MAX - s->in_to) {
        memmove(s->in, s->in + s->in_from, s->in_to - s->in_from);
        s->in_to -= s->in_from;
        s->scanned -= s->in_from;
        s->in_from = 0;
    }
    memcpy(s->in + s->in_to, data, bytes);
    s->in_to += bytes;
    return bytes;
}

static void scan(struct ctl_session *s) {
    bool skipped = s->frame.skipping;
    size_t at;
    enum ctl_frame_end end = ctl_frame_scan(&s->frame, s->in + s->scanned, s->in_to - s->scanned, &at);
    s->scanned += at;
    if (end == CTL_FRAME_DEEP)
        skip(s, "nested deeper than 16 levels", CTL_DEPTH_MAX);
    else if (end == CTL_FRAME_VALUE && !skipped)
        take_value(s, s->in + s->in_from, s->scanned - s->in_from);
    if (end != CTL_FRAME_MORE || skipped)
        s->in_from = s->scanned;
}

bool ctl_session_step(struct ctl_session *s) {
    if (s->broken)
        return false;
    if (s->batch) {
        batch_step(s);
        return true;
    }
    if (out_waits(s))
        return false;
    if (s->scanned < s->in_to) {
        scan(s);
        return true;
    }
    if (s->in_to - s->in_from < CTL_REQUEST_MAX)
        return false;
    skip(s, "a request has at most 65536 bytes", CTL_REQUEST_MAX);
    return true;
}

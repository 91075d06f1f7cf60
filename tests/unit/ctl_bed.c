/* See ctl_bed.h. */
#include "ctl_bed.h"

#include <errno.h>

static int apply(void *owner, const struct opt_row *row, struct err *e) {
    struct ctl_bed *b = owner;
    if (b->refuse)
        return err_set(e, EINVAL, "the test refuses %s", row->key);
    if (!strcmp(row->section, "nvme"))
        nvme_subsystem_reconfigure(b->bed->subsystem, &b->nvme_config);
    else
        return drive_reconfigure(b->bed->drive, &b->drive_config, e);
    return 0;
}

static json_t *transports(void *owner) {
    return json_pack("[{s:s}]", "address", "nowhere");
}

struct ctl_bed *ctl_bed_new(const char *const *options) {
    struct ctl_bed *b = calloc(1, sizeof *b);
    struct err e = {0};
    b->bed = bed_new(NULL, options);
    assert_int_equal(drive_config_init(&b->drive_config, &b->set, &e), 0);
    assert_int_equal(opt_set_add(&b->set, nvme_opts, &b->nvme_config), 0);
    b->drive_config = b->bed->drive->config;
    b->nvme_config = b->bed->config;
    b->ctl.config = (struct ctl_config){
        .path = "/nowhere",
        .sim = b->bed->sim,
        .drive = b->bed->drive,
        .target = b->bed->target,
        .subsystem = b->bed->subsystem,
        .options = &b->set,
        .apply = apply,
        .transports = transports,
        .owner = b,
    };
    assert_int_equal(ctl_session_init(&b->session, &b->ctl), 0);
    return b;
}

void ctl_bed_free(struct ctl_bed *b) {
    ctl_session_release(&b->session);
    bed_free(b->bed);
    free(b);
}

static void collect(struct ctl_session *s, char **all, size_t *used) {
    size_t bytes;
    const char *out;
    while ((out = ctl_session_out(s, &bytes)) != NULL) {
        *all = realloc(*all, *used + bytes + 1);
        memcpy(*all + *used, out, bytes);
        *used += bytes;
        ctl_session_sent(s, bytes);
        if (s->batch)
            return;
    }
}

char *ctl_bed_talk(struct ctl_bed *b, const char *text, size_t bytes) {
    char *all = malloc(1);
    size_t used = 0, at = 0;
    for (bool worked = true; at < bytes || worked;) {
        at += ctl_session_put(&b->session, text + at, bytes - at);
        worked = ctl_session_step(&b->session);
        collect(&b->session, &all, &used);
        worked |= ctl_session_step(&b->session);
        collect(&b->session, &all, &used);
    }
    all[used] = '\0';
    assert_false(b->session.broken);
    return all;
}

json_t *ctl_bed_call(struct ctl_bed *b, const char *method, const char *params) {
    char request[2048];
    snprintf(request, sizeof request, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\"%s%s}", method,
             params ? ",\"params\":" : "", params ? params : "");
    char *text = ctl_bed_talk(b, request, strlen(request));
    json_t *reply = json_loads(text, 0, NULL);
    if (!json_is_object(reply) || json_integer_value(json_object_get(reply, "id")) != 7)
        fail_msg("%s -> %s", request, text);
    free(text);
    return reply;
}

json_t *ctl_bed_result(struct ctl_bed *b, const char *method, const char *params) {
    json_t *reply = ctl_bed_call(b, method, params), *result = json_incref(json_object_get(reply, "result"));
    if (!result || json_object_get(reply, "error"))
        fail_msg("%s %s: %s", method, params ? params : "",
                 json_string_value(json_object_get(json_object_get(reply, "error"), "message")));
    json_decref(reply);
    return result;
}

void ctl_bed_refused(struct ctl_bed *b, const char *method, const char *params, int code, const char *words) {
    json_t *reply = ctl_bed_call(b, method, params), *error = json_object_get(reply, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (json_object_get(reply, "result") || !message || json_integer_value(json_object_get(error, "code")) != code ||
        !strstr(message, words))
        fail_msg("%s %s: %d \"%s\"", method, params ? params : "",
                 (int)json_integer_value(json_object_get(error, "code")), message ? message : "no error");
    json_decref(reply);
}

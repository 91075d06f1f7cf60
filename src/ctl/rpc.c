/*
 * From a request to its reply: JSON-RPC 2.0 (specification of 2013-01-04).
 *
 * Faithful: requests, notifications, ids, errors; batches are taken apart by
 * session.c. Members that the specification does not name are ignored.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ctl/ctl_int.h"

#define SAID_MAX 200 /* of the parameters, in the log */

json_t *ctl_fail(struct ctl_error *error, int code, json_t *data, const char *fmt, ...) {
    char text[sizeof error->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    text_utf8(error->text, sizeof error->text, text);
    json_decref(error->data);
    error->code = code;
    error->data = data;
    return NULL;
}

json_t *ctl_u64(uint64_t value) {
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

json_t *ctl_text(const char *text) {
    size_t size = 4 * strlen(text) + 1;
    char *utf8 = malloc(size);
    json_t *json = utf8 ? json_string(text_utf8(utf8, size, text)) : NULL;
    free(utf8);
    return json ? json : json_null();
}

/* ---- Replies ---- */

static json_t *reply(const json_t *id, const char *what, json_t *content) {
    json_t *r = json_object();
    json_object_set_new(r, "jsonrpc", json_string("2.0"));
    json_object_set_new(r, what, content);
    json_object_set_new(r, "id", id ? json_deep_copy(id) : json_null());
    return r;
}

json_t *ctl_error_reply(const json_t *id, struct ctl_error *error) {
    json_t *content = json_object();
    json_object_set_new(content, "code", json_integer(error->code));
    json_object_set_new(content, "message", json_string(error->text));
    if (error->data)
        json_object_set_new(content, "data", error->data);
    error->data = NULL;
    return reply(id, "error", content);
}

/* ---- Requests ---- */

static bool id_possible(const json_t *id) {
    return !id || json_is_string(id) || json_is_number(id) || json_is_null(id);
}

/* What is wrong with a request's form, or NULL. */
static const char *request_wrong(const json_t *request) {
    const json_t *params = json_object_get(request, "params");
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    if (!json_is_object(request))
        return "a request is an object";
    if (!id_possible(json_object_get(request, "id")))
        return "\"id\" is a number, text or null";
    if (!version || strcmp(version, "2.0") != 0)
        return "\"jsonrpc\" is not \"2.0\"";
    if (!json_is_string(json_object_get(request, "method")))
        return "\"method\" is missing, or not text";
    if (params && !json_is_object(params) && !json_is_array(params))
        return "\"params\" is neither an object nor an array";
    return NULL;
}

static const struct ctl_method *method_of(const json_t *request, struct ctl_error *e) {
    const char *name = json_string_value(json_object_get(request, "method"));
    const struct ctl_method *method = ctl_method_find(name);
    if (method)
        return method;
    const char *nearest = ctl_method_nearest(name);
    json_t *data = json_pack("{s:o}", "methods", ctl_method_names());
    if (nearest)
        json_object_set_new(data, "nearest", json_string(nearest));
    ctl_fail(e, CTL_NO_METHOD, data, "no method is called \"%.64s\"%s%s%s; \"help\" lists them", name,
             nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
    return NULL;
}

static void say(struct ctl *ctl, const struct ctl_method *method, const json_t *params) {
    char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    log_limited(&ctl->log, LOG_MAIN, LOG_LEVEL_INFO, "control: %s %.*s", method->name, SAID_MAX, text ? text : "");
    free(text);
}

static json_t *call(struct ctl *ctl, const json_t *request, struct ctl_error *e) {
    const json_t *params = json_object_get(request, "params");
    const struct ctl_method *method = method_of(request, e);
    if (!method)
        return NULL;
    struct ctl_value *arg = calloc(CTL_PARAMS, sizeof *arg);
    json_t *result = NULL;
    if (!arg) {
        ctl_fail(e, CTL_INTERNAL, NULL, "no memory");
    } else if (ctl_params_check(method, params, arg, e)) {
        if (method->acts)
            say(ctl, method, params);
        result = method->run(ctl, arg, e);
        if (!result && !e->code)
            ctl_fail(e, CTL_INTERNAL, NULL, "no memory for the result");
    }
    free(arg);
    return result;
}

json_t *ctl_answer(struct ctl *ctl, const json_t *request) {
    struct ctl_error e = {0};
    const json_t *id = json_object_get(request, "id");
    const char *wrong = request_wrong(request);
    ctl->requests++;
    if (wrong) {
        ctl_fail(&e, CTL_INVALID_REQUEST, NULL, "not a request: %s", wrong);
        return ctl_error_reply(id_possible(id) ? id : NULL, &e);
    }
    json_t *result = call(ctl, request, &e);
    if (!id) { /* a notification */
        json_decref(result);
        json_decref(e.data);
        return NULL;
    }
    return result ? reply(id, "result", result) : ctl_error_reply(id, &e);
}

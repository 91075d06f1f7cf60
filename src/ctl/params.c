/* Parameters against their rows. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "ctl/ctl_int.h"

const char *ctl_type_name(enum ctl_type type) {
    static const char *const names[] = {
        [CTL_INT] = "number",  [CTL_BOOL] = "choice",   [CTL_TIME] = "time",
        [CTL_STRING] = "text", [CTL_CHOICE] = "choice", [CTL_SCALAR] = "value",
    };
    return names[type];
}

static void choices_text(const char *const *choices, char *buf, size_t size) {
    size_t used = 0;
    for (; *choices && used < size; choices++)
        used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "", *choices);
}

const char *ctl_param_range(const struct ctl_param *p, char *buf, size_t size) {
    buf[0] = '\0';
    if (p->type == CTL_INT)
        snprintf(buf, size, "%" PRId64 "..%" PRId64, p->min, p->max);
    else if (p->type == CTL_TIME)
        snprintf(buf, size, "%s..%s", text_time(p->min).s, text_time(p->max).s);
    else if (p->type == CTL_CHOICE)
        choices_text(p->choices, buf, size);
    else if (p->type == CTL_BOOL)
        snprintf(buf, size, "yes, no");
    return buf;
}

/* ---- One value ---- */

/* A JSON scalar as a person would write it; false if it is none, or too long. */
static bool scalar_text(const json_t *json, char *text, size_t size) {
    int n = -1;
    if (json_is_string(json))
        n = snprintf(text, size, "%s", json_string_value(json));
    else if (json_is_integer(json))
        n = snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
    else if (json_is_real(json))
        n = snprintf(text, size, "%.17g", json_real_value(json));
    else if (json_is_boolean(json))
        n = snprintf(text, size, "%s", json_is_true(json) ? "yes" : "no");
    return n >= 0 && (size_t)n < size;
}

static bool parse_int(const char *text, int64_t *number) {
    char *end;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (!isdigit((unsigned char)text[0]) && text[0] != '-')
        return false;
    errno = 0;
    *number = strtoll(text, &end, hex ? 16 : 10);
    return end != text && !*end && !errno;
}

static bool parse_choice(const char *const *choices, const char *text, int64_t *number) {
    for (int i = 0; choices[i]; i++)
        if (!strcasecmp(choices[i], text)) {
            *number = i;
            return true;
        }
    return false;
}

static bool parse_bool(const char *text, int64_t *number) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1", NULL};
    if (!parse_choice(words, text, number))
        return false;
    *number &= 1;
    return true;
}

/* False: not a value of this kind, or outside of the range. */
static bool parse(const struct ctl_param *p, struct ctl_value *v) {
    switch (p->type) {
    case CTL_INT:
        return parse_int(v->text, &v->number) && v->number >= p->min && v->number <= p->max;
    case CTL_TIME:
        return !opt_parse_time(v->text, &v->number) && v->number >= p->min && v->number <= p->max;
    case CTL_BOOL:
        return parse_bool(v->text, &v->number);
    case CTL_CHOICE:
        return parse_choice(p->choices, v->text, &v->number);
    default:
        return true;
    }
}

static bool bad(const struct ctl_param *p, const char *given, struct ctl_error *e) {
    char range[400], quoted[80];
    ctl_param_range(p, range, sizeof range);
    text_utf8(quoted, sizeof quoted, given);
    json_t *data = json_pack("{s:s,s:s}", "param", p->name, "type", ctl_type_name(p->type));
    if (range[0])
        json_object_set_new(data, "allowed", json_string(range));
    ctl_fail(e, CTL_INVALID_PARAMS, data, "%s: %s is not possible; a %s%s%s%s", p->name, quoted, ctl_type_name(p->type),
             range[0] ? " (" : "", range, range[0] ? ") is wanted" : " is wanted");
    return false;
}

static bool take(const struct ctl_param *p, const json_t *json, struct ctl_value *v, struct ctl_error *e) {
    if (!scalar_text(json, v->text, sizeof v->text))
        return bad(p, json_is_string(json) ? "text as long as this" : "an object, array or null", e);
    /* text for numbers, but not true for 1 */
    if (json_is_boolean(json) && p->type != CTL_BOOL && p->type != CTL_SCALAR)
        return bad(p, v->text, e);
    if (p->type == CTL_STRING && !json_is_string(json))
        return bad(p, v->text, e);
    if (!parse(p, v))
        return bad(p, v->text, e);
    v->given = true;
    return true;
}

/* ---- All of them ---- */

static unsigned count_params(const struct ctl_method *m) {
    unsigned n = 0;
    while (n < CTL_PARAMS && m->params[n].name)
        n++;
    return n;
}

static json_t *names(const struct ctl_method *m) {
    json_t *array = json_array();
    for (unsigned i = 0; i < count_params(m); i++)
        json_array_append_new(array, json_string(m->params[i].name));
    return array;
}

static bool unknown(const struct ctl_method *m, const char *name, struct ctl_error *e) {
    const char *list[CTL_PARAMS + 1] = {0};
    char known[200] = "none";
    for (unsigned i = 0; i < count_params(m); i++)
        list[i] = m->params[i].name;
    const char *nearest = text_nearest(name, list);
    if (list[0])
        choices_text(list, known, sizeof known);
    ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:o}", "params", names(m)),
             "%s has no parameter \"%.64s\"%s%s%s; it has: %s", m->name, name, nearest ? " (did you mean " : "",
             nearest ? nearest : "", nearest ? "?)" : "", known);
    return false;
}

static bool take_object(const struct ctl_method *m, const json_t *params, struct ctl_value *arg, struct ctl_error *e) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)params, name, value) {
        unsigned i = 0, n = count_params(m);
        while (i < n && strcmp(m->params[i].name, name) != 0)
            i++;
        if (i == n)
            return unknown(m, name, e);
        if (!take(&m->params[i], value, &arg[i], e))
            return false;
    }
    return true;
}

static bool take_array(const struct ctl_method *m, const json_t *params, struct ctl_value *arg, struct ctl_error *e) {
    unsigned n = count_params(m);
    if (json_array_size(params) > n) {
        ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:o}", "params", names(m)), "%s has %u parameters, not %zu",
                 m->name, n, json_array_size(params));
        return false;
    }
    for (unsigned i = 0; i < json_array_size(params); i++)
        if (!take(&m->params[i], json_array_get(params, i), &arg[i], e))
            return false;
    return true;
}

static bool complete(const struct ctl_method *m, struct ctl_value *arg, struct ctl_error *e) {
    for (unsigned i = 0; i < count_params(m); i++) {
        const struct ctl_param *p = &m->params[i];
        if (arg[i].given)
            continue;
        if (p->required) {
            ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s,s:o}", "param", p->name, "params", names(m)),
                     "%s needs \"%s\": %s", m->name, p->name, p->help);
            return false;
        }
        if (p->def) {
            snprintf(arg[i].text, sizeof arg[i].text, "%s", p->def);
            arg[i].given = parse(p, &arg[i]);
        }
    }
    return true;
}

bool ctl_params_check(const struct ctl_method *m, const json_t *params, struct ctl_value *arg, struct ctl_error *e) {
    if (json_is_object(params) ? !take_object(m, params, arg, e) : params && !take_array(m, params, arg, e))
        return false;
    return complete(m, arg, e);
}

/* Methods about the program: help, log, end. */
#include <string.h>

#include "ctl/ctl_int.h"

static json_t *help(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    if (arg[0].given) {
        const struct ctl_method *m = ctl_method_find(arg[0].text);
        const char *nearest = ctl_method_nearest(arg[0].text);
        if (m)
            return ctl_method_json(m);
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:o}", "methods", ctl_method_names()),
                        "no method is called \"%.64s\"%s%s%s", arg[0].text, nearest ? " (did you mean " : "",
                        nearest ? nearest : "", nearest ? "?)" : "");
    }
    json_t *families = json_array();
    for (const struct ctl_family *f = ctl_families; f->title; f++) {
        json_t *methods = json_array();
        for (const struct ctl_method *m = f->methods; m->name; m++)
            json_array_append_new(methods, ctl_method_json(m));
        json_array_append_new(families, json_pack("{s:s,s:o}", "title", f->title, "methods", methods));
    }
    return json_pack("{s:o}", "families", families);
}

static json_t *log_level(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct err why = {0};
    if (arg[0].given && log_set_levels(arg[0].text, &why))
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", "levels"), "%s", why.text);
    json_t *levels = json_object();
    for (int c = 0; c < LOG_CATEGORIES; c++)
        json_object_set_new(levels, log_category_name((enum log_category)c),
                            json_string(log_level_name((enum log_category)c)));
    return levels;
}

static json_t *stop(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    log_info(LOG_MAIN, "ending on request over the control socket");
    sim_stop(ctl->config.sim);
    return json_pack("{s:b}", "stopping", 1);
}

const struct ctl_method ctl_target_methods[] = {
    {"help",
     "All methods with their parameters, or one",
     "without a parameter `families` of `methods`; else one method: `name`, `help`, `params`, `result`",
     false,
     help,
     {{"method", CTL_STRING, .help = "the method to explain"}}},
    {"log.level",
     "What the program logs, after changing it if asked to",
     "the level of each area",
     false,
     log_level,
     {{"levels", CTL_STRING, .help = "as for `--log`: error, warn, info or debug; also by area: warn,tcp=debug"}}},
    {"target.stop",
     "End the program as an interrupt does: connections closed, everything durable",
     "`stopping`",
     true,
     stop,
     {{NULL}}},
    {.name = NULL},
};

/* Options of the running drive. Those a real device could change while it runs can be changed here. */
#include <string.h>

#include "base/text.h"
#include "ctl/ctl_int.h"

enum { VALUE_TEXT = OPT_TEXT_MAX };

static bool is_read(const struct ctl *ctl, const struct opt_row *row) {
    static const char *const of_drives[] = {"nossd", "nand", "ssd", "zns", "ocssd", "hdd", "disk", NULL};
    for (const char *const *s = of_drives; *s; s++)
        if (!strcmp(row->section, *s))
            return drive_reads_section(ctl->config.drive, *s);
    return true;
}

static json_t *option_json(const struct ctl *ctl, const struct opt_row *row, const void *config) {
    char name[80], value[VALUE_TEXT], range[400];
    snprintf(name, sizeof name, "%s.%s", row->section, row->key);
    json_t *r = json_pack("{s:s,s:o,s:s,s:s,s:b,s:s}", "name", name, "value",
                          ctl_text(opt_value_text(row, config, value, sizeof value)), "default", row->def, "allowed",
                          opt_range_text(row, range, sizeof range), "live", row->runtime && is_read(ctl, row), "help",
                          row->help);
    if (row->unit)
        json_object_set_new(r, "unit", json_string(row->unit));
    return r;
}

static json_t *list(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    const struct opt_set *set = ctl->config.options;
    json_t *options = json_array();
    for (unsigned t = 0; t < set->count; t++)
        for (const struct opt_row *row = set->table[t].rows; row->key; row++)
            if ((!arg[0].given || !strcmp(row->section, arg[0].text)) && is_read(ctl, row) &&
                (!arg[1].number || row->runtime))
                json_array_append_new(options, option_json(ctl, row, set->table[t].config));
    if (json_array_size(options) || !arg[0].given || arg[1].number)
        return json_pack("{s:o}", "options", options);
    json_decref(options);
    return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", "section"),
                    "this drive has no section \"%.64s\"; without a section all options are listed", arg[0].text);
}

/* Find "section.key"; NULL with the error filled, which names the nearest. */
static const struct opt_row *find(struct ctl *ctl, const char *name, void **config, struct ctl_error *e) {
    char section[64], key[64];
    const char *dot = strchr(name, '.');
    struct err why = {0};
    json_t *data = json_pack("{s:s}", "param", "name");
    if (!dot) {
        ctl_fail(e, CTL_INVALID_PARAMS, data, "\"%.128s\" is no option's name; they look like section.key", name);
        return NULL;
    }
    snprintf(section, sizeof section, "%.*s", (int)(dot - name), name);
    snprintf(key, sizeof key, "%s", dot + 1);
    const struct opt_row *row = opt_find(ctl->config.options, section, key, config);
    if (row) {
        json_decref(data);
        return row;
    }
    opt_assign(ctl->config.options, section, key, "", &why); /* says what is nearest */
    ctl_fail(e, CTL_INVALID_PARAMS, data, "%s", why.text);
    return NULL;
}

static json_t *get(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    void *config;
    const struct opt_row *row = find(ctl, arg[0].text, &config, e);
    return row ? option_json(ctl, row, config) : NULL;
}

static json_t *fixed(const struct ctl *ctl, const struct opt_row *row, struct ctl_error *e) {
    if (!is_read(ctl, row))
        return ctl_fail(e, CTL_UNSUPPORTED, NULL, "%s.%s: a drive of kind %s has no use for options of [%s]",
                        row->section, row->key, ctl->config.drive->ops->name, row->section);
    return ctl_fail(e, CTL_UNSUPPORTED, NULL,
                    "%s.%s is fixed while the drive is served: it shapes the drive or what hosts were told when they "
                    "connected; give it to serve with -o %s.%s=...",
                    row->section, row->key, row->section, row->key);
}

static json_t *set(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct opt_set *options = ctl->config.options;
    char before[VALUE_TEXT], after[VALUE_TEXT], kept[OPT_TEXT_MAX];
    struct err why = {0};
    void *config;
    const struct opt_row *row = find(ctl, arg[0].text, &config, e);
    if (!row)
        return NULL;
    if (!row->runtime || !is_read(ctl, row))
        return fixed(ctl, row, e);
    opt_value_text(row, config, before, sizeof before);
    opt_keep(row, config, kept);
    if (opt_assign(options, row->section, row->key, arg[1].text, &why))
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", "value"), "%s", why.text);
    if (ctl->config.apply && ctl->config.apply(ctl->config.owner, row, &why)) {
        opt_restore(row, config, kept);
        return ctl_fail(e, CTL_REFUSED, NULL, "%s", why.text);
    }
    return json_pack("{s:o,s:o,s:o}", "name", ctl_text(arg[0].text), "before", ctl_text(before), "value",
                     ctl_text(opt_value_text(row, config, after, sizeof after)));
}

const struct ctl_method ctl_option_methods[] = {
    {"options.list",
     "The options of this drive with their values",
     "`options`: name, value, default, what is allowed, and whether the option is `live`: can be set now",
     false,
     list,
     {{"section", CTL_STRING, .help = "only those of one section, such as nand"},
      {"live", CTL_BOOL, .def = "no", .help = "only those that can be set now"}}},
    {"options.get",
     "One option",
     "as in `options.list`",
     false,
     get,
     {{"name", CTL_STRING, true, .help = "section.key, such as nand.read_time"}}},
    {"options.set",
     "Give a live option a new value, which the drive follows from now on; the image and the next start don't",
     "`name`, its value `before`, and its `value` now",
     true,
     set,
     {{"name", CTL_STRING, true, .help = "section.key, such as nand.read_time"},
      {"value", CTL_SCALAR, true, .help = "as for `-o`"}}},
    {.name = NULL},
};

/*
 * Methods about the queue before the drive: the files of /sys/block/sda/queue.
 * There is one device; "sda" may be said first or left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/block.h"
#include "ctl/ctl_int.h"

#define DEVICE   "sda"
#define TEXT_MAX 1024

/* The two or three arguments with the device in its place, if it was left out. */
struct words {
    const char *name, *value; /* NULL: not given */
};

static struct words words(const struct ctl_value *arg, unsigned count) {
    struct words w = {arg[1].given ? arg[1].text : NULL, count > 2 && arg[2].given ? arg[2].text : NULL};
    if (strcmp(arg[0].text, DEVICE) && (count == 2 ? !w.name : !w.value))
        w = (struct words){arg[0].text, w.name};
    return w;
}

static bool device_known(const struct ctl_value *arg, const struct words *w, struct ctl_error *e) {
    if (!strcmp(arg[0].text, DEVICE) || w->name == arg[0].text)
        return true;
    ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", "device"),
             "there is no device \"%.64s\"; the drive is " DEVICE, arg[0].text);
    return false;
}

static struct block *queue_of(struct ctl *ctl, struct ctl_error *e) {
    struct block *b = block_of(ctl->config.drive);
    if (!b)
        ctl_fail(e, CTL_UNSUPPORTED, NULL,
                 "there is no queue before this drive: serve it with --scheduler NAME, or name one: queue.set " DEVICE
                 " scheduler NAME");
    return b;
}

static json_t *failed(struct ctl_error *e, int rc, const struct err *why) {
    const char *param = rc == -ENOENT ? "name" : "value";
    return ctl_fail(e, rc == -EACCES ? CTL_REFUSED : CTL_INVALID_PARAMS, json_pack("{s:s}", "param", param), "%s",
                    why->text);
}

static json_t *list(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct block *b = queue_of(ctl, e);
    if (!b)
        return NULL;
    json_t *all = json_array(), *values = block_attrs_json(b);
    for (const struct block_attr *a = block_attrs; a->name; a++)
        json_array_append_new(all, json_pack("{s:s,s:O,s:s,s:b,s:s}", "name", a->name, "value",
                                             json_object_get(values, a->name), "allowed", a->range, "writable",
                                             a->set != NULL, "help", a->help));
    const struct elevator_tunable *t = block_elevator(b)->ops->tunables;
    for (; t && t->name; t++) {
        json_t *name = json_sprintf("iosched/%s", t->name);
        const char *unit = t->unit ? t->unit : "", *blank = t->unit ? " " : "";
        json_t *allowed = t->type == TUNABLE_TEXT
                              ? json_string("")
                              : json_sprintf("%lld..%lld%s%s", (long long)t->min, (long long)t->max, blank, unit);
        json_array_append_new(all, json_pack("{s:O,s:O,s:o,s:b,s:s}", "name", name, "value",
                                             json_object_get(values, json_string_value(name)), "allowed", allowed,
                                             "writable", t->type != TUNABLE_TEXT, "help", t->help));
        json_decref(name);
    }
    json_decref(values);
    return json_pack("{s:s,s:o}", "device", DEVICE, "attributes", all);
}

static json_t *get(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    char text[TEXT_MAX];
    struct err why = {0};
    struct words w = words(arg, 2);
    struct block *b = queue_of(ctl, e);
    if (!b || !device_known(arg, &w, e))
        return NULL;
    if (!w.name)
        return json_pack("{s:s,s:o}", "device", DEVICE, "values", block_attrs_json(b));
    int rc = block_attr_get(b, w.name, text, sizeof text, &why);
    if (rc)
        return failed(e, rc, &why);
    return json_pack("{s:s,s:o,s:o}", "device", DEVICE, "name", ctl_text(w.name), "value", ctl_text(text));
}

/* The first scheduler of a drive that was served without one. */
static json_t *attach(struct ctl *ctl, const char *spec, struct ctl_error *e) {
    char text[TEXT_MAX];
    struct err why = {0};
    const struct block_settings s = {.scheduler = spec};
    struct block *b = block_new(ctl->config.drive, &s, &why);
    if (!b)
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", "value"), "%s", why.text);
    nvme_introduce(ctl->config.target);
    block_attr_get(b, "scheduler", text, sizeof text, NULL);
    return json_pack("{s:s,s:s,s:s,s:o,s:s}", "device", DEVICE, "name", "scheduler", "before", "", "value",
                     ctl_text(text), "note", "");
}

/* Requests under way are the old scheduler's to the end. */
static void say_waiting(struct block *b, char *note, size_t size) {
    size_t used = strlen(note);
    if (block_switching(b))
        snprintf(note + used, size - used, "%stakes over when the requests under way are done, %" PRIu64 " now",
                 used ? "; " : "", block_ios_inside(b));
}

static json_t *set(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    char before[TEXT_MAX], after[TEXT_MAX], note[TEXT_MAX] = "";
    struct err why = {0};
    struct words w = words(arg, 3);
    struct block *b = block_of(ctl->config.drive);
    if (!b && w.name && w.value && !strcmp(w.name, "scheduler") && device_known(arg, &w, e))
        return attach(ctl, w.value, e);
    b = e->code ? NULL : queue_of(ctl, e);
    if (!b || !device_known(arg, &w, e))
        return NULL;
    if (!w.name || !w.value)
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", w.name ? "value" : "name"),
                        "an attribute's name and a value are needed, such as " DEVICE " nr_requests 64");
    int rc = block_attr_get(b, w.name, before, sizeof before, &why);
    rc = rc ? rc : block_attr_set(b, w.name, w.value, note, sizeof note, &why);
    if (rc)
        return failed(e, rc, &why);
    block_attr_get(b, w.name, after, sizeof after, NULL);
    if (!strcmp(w.name, "scheduler"))
        say_waiting(b, note, sizeof note);
    return json_pack("{s:s,s:o,s:o,s:o,s:o}", "device", DEVICE, "name", ctl_text(w.name), "before", ctl_text(before),
                     "value", ctl_text(after), "note", ctl_text(note));
}

static json_t *group_json(const struct block_group *g) {
    char limits[128];
    block_group_limits_text(g, limits, sizeof limits);
    return json_pack("{s:o,s:I,s:I,s:I,s:s}", "path", ctl_text(g->path), "weight", (json_int_t)g->weight, "leaf_weight",
                     (json_int_t)g->leaf_weight, "processes", (json_int_t)g->contexts, "io_max", limits);
}

static void list_group(void *arg, struct block_group *g) {
    json_array_append_new(arg, group_json(g));
}

static json_t *remove_group(struct block *b, struct block_group *g, struct ctl_error *e) {
    struct err why = {0};
    json_t *removed = group_json(g);
    if (!block_group_remove(b, g, &why))
        return removed;
    json_decref(removed);
    return ctl_fail(e, CTL_REFUSED, NULL, "%s", why.text);
}

/* All that is given, or nothing: the name of what is wrong, with `why`. */
static const char *set_group(struct block *b, struct block_group *g, const struct ctl_value *arg, struct err *why) {
    if (arg[1].given && block_group_check_weight(b, g, "weight", (long)arg[1].number, why))
        return "weight";
    if (arg[2].given && block_group_check_weight(b, g, "leaf_weight", (long)arg[2].number, why))
        return "leaf_weight";
    if (arg[3].given && block_group_set_limits(b, g, arg[3].text, why))
        return "io_max";
    if (arg[1].given)
        block_group_set_weight(b, g, (long)arg[1].number, why);
    if (arg[2].given)
        block_group_set_leaf_weight(b, g, (long)arg[2].number, why);
    return NULL;
}

static json_t *cgroup(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct err why = {0};
    struct block *b = queue_of(ctl, e);
    if (!b)
        return NULL;
    if (!arg[0].given) {
        json_t *all = json_array();
        block_groups(b, list_group, all);
        return json_pack("{s:o}", "cgroups", all);
    }
    struct block_group *g = block_group_find(b, arg[0].text);
    if (!g)
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", "path"),
                        "there is no cgroup \"%.128s\"; queue.cgroup without a path lists them", arg[0].text);
    if (arg[4].given && arg[4].number && (arg[1].given || arg[2].given || arg[3].given))
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", "remove"),
                        "remove: a cgroup that goes away gets no weight or limits");
    const char *wrong = set_group(b, g, arg, &why);
    if (wrong)
        return ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s}", "param", wrong), "%s", why.text);
    if (arg[4].given && arg[4].number)
        return remove_group(b, g, e);
    return group_json(g);
}

#define DEVICE_PARAM                                                                                                   \
    { "device", CTL_STRING, .def = DEVICE, .help = "the drive; may be left out" }

const struct ctl_method ctl_queue_methods[] = {
    {"queue.list",
     "The queue's attributes: the files of /sys/block/sda/queue, those of the scheduler under iosched/",
     "`attributes`: name, value, what is allowed, whether it is writable",
     false,
     list,
     {DEVICE_PARAM}},
    {"queue.get",
     "One attribute of the queue as the file reads, such as `noop deadline [cfq]`; or all",
     "`name` and `value`; or `values`",
     false,
     get,
     {DEVICE_PARAM, {"name", CTL_STRING, .help = "scheduler, nr_requests, iosched/slice_idle..."}}},
    {"queue.set",
     "Write an attribute of the queue; `scheduler` switches with requests under way, or begins to schedule",
     "`name`, its value `before`, its `value` now, and a `note` if another value than the given was set",
     true,
     set,
     {DEVICE_PARAM,
      {"name", CTL_STRING, .help = "scheduler, nr_requests, iosched/slice_idle..."},
      {"value", CTL_SCALAR, .help = "as written to the file; a scheduler may have tunables: cfq,slice_idle=0"}}},
    {"queue.cgroup",
     "Weights and limits of a cgroup, such as a host's; without a path all groups",
     "`path`, `weight`, `leaf_weight`, number of `processes`, `io_max`; or `cgroups`",
     true,
     cgroup,
     {{"path", CTL_STRING, .help = "such as the host's NQN"},
      {"weight", CTL_INT, .min = 0, .max = 10000, .help = "among its siblings"},
      {"leaf_weight", CTL_INT, .min = 0, .max = 10000, .help = "of its own processes among its children"},
      {"io_max", CTL_STRING, .help = "limits a second: rbps=10M wiops=100; max: none; what isn't named stays"},
      {"remove", CTL_BOOL, .help = "yes: remove it, as rmdir does; its processes go to the group above"}}},
    {.name = NULL},
};

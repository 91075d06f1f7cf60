/*
 * Loading a drive's configuration, see config.h.
 */
#include "cli/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive/profile.h"

static const char *const wait_names[] = {"spin", "sleep", NULL};

const struct opt_row loop_opts[] = {
    {"loop", "wait", OPT_ENUM, offsetof(struct loop_config, wait), .def = "spin", .choices = wait_names,
     .help = "how to wait for the next event: spin uses one core and is never late, sleep spares it"},
    {"loop", "spin_time", OPT_TIME, offsetof(struct loop_config, spin_time), 0, 1e9, "50us", .unit = "ns",
     .help = "when sleeping: wake up this early and spin the rest"},
    {0},
};

int config_override(struct config_overrides *overrides, const char *text, struct err *e) {
    if (overrides->count == CONFIG_OVERRIDES)
        return err_set(e, E2BIG, "more than %d options -o; put them into an INI file", CONFIG_OVERRIDES);
    overrides->text[overrides->count++] = text;
    return 0;
}

/* What would be taken for a tunable, and was meant as another scheduler. */
static bool lists_by_comma(const char *text) {
    for (const char *at = strchr(text, ','); at; at = strchr(at + 1, ',')) {
        char name[64];
        struct err unused;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, ",;"), at + 1);
        if (elevator_find(name, &unused))
            return true;
    }
    return false;
}

int config_scheduler(const char *text, bool several, char *option, size_t size, struct err *e) {
    if (!several && (!strcmp(text, "all") || strchr(text, ';')))
        return err_set(e, EINVAL,
                       "--scheduler %s: a served drive has one scheduler at a time; with --control, "
                       "ctl PATH queue.set sda scheduler NAME exchanges it",
                       text);
    size_t used = (size_t)snprintf(option, size, "queue.scheduler=%s", strcmp(text, "all") ? text : "");
    for (unsigned i = 0; !strcmp(text, "all") && elevators[i] && used < size; i++)
        used += (size_t)snprintf(option + used, size - used, "%s%s", i ? ";" : "", elevators[i]->name);
    if (used >= size)
        return err_set(e, EINVAL, "--scheduler %.60s...: longer than %zu characters", text, size);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, ",;"), text);
    if (!strcmp(name, "all") && strcmp(text, name))
        return err_set(e, EINVAL, "--scheduler %s: all stands alone, as each scheduler has its own tunables", text);
    if (strcmp(text, "all") && !elevator_find(name, e))
        return err_prefix(e, "--scheduler: ");
    if (lists_by_comma(text))
        return err_set(e, EINVAL,
                       "--scheduler %s: after a comma comes a tunable; several schedulers are given as \"A;B\"", text);
    return 0;
}

int config_init(struct config *config, struct err *e) {
    memset(config, 0, sizeof(*config));
    int ret = drive_config_init(&config->drive, &config->set, e);
    if (ret)
        return ret;
    if (opt_set_add(&config->set, nvme_opts, &config->nvme) || opt_set_add(&config->set, tcp_opts, &config->tcp) ||
        opt_set_add(&config->set, block_opts, &config->queue) || opt_set_add(&config->set, loop_opts, &config->loop))
        return err_set(e, ENOSPC, "too many option tables");
    return 0;
}

int config_load(struct config *config, const char *drive, const struct config_overrides *overrides, struct err *e) {
    int ret = config_init(config, e);
    if (!ret)
        ret = profile_load(&config->set, drive, NULL, config->drive.name, e);
    for (unsigned i = 0; !ret && i < overrides->count; i++)
        ret = opt_assign_arg(&config->set, overrides->text[i], e);
    if (!ret)
        ret = drive_config_check(&config->drive, e);
    if (!ret)
        ret = block_config_check(&config->queue, e);
    if (!ret)
        drive_config_resolve(&config->drive); /* for whoever shows it */
    return ret;
}

int config_parse_time(const char *text, struct sim_config *sim, struct err *e) {
    static const char scaled[] = "scaled:";
    char *end;
    if (!strcmp(text, "wall")) {
        sim->mode = SIM_WALL;
        return 0;
    }
    if (!strncmp(text, scaled, sizeof(scaled) - 1)) {
        sim->mode = SIM_SCALED;
        sim->scale = strtod(text + sizeof(scaled) - 1, &end);
        if (end != text + sizeof(scaled) - 1 && !*end && sim->scale >= 1e-3 && sim->scale <= 1e6)
            return 0;
    }
    return err_set(e, EINVAL, "--time %s: allowed are wall and scaled:N with N from 0.001 to 1000000", text);
}

/*
 * A drive as the user named it: profile, overrides, and the sections of all
 * layers bound into one option set.
 */
#ifndef DRIVELAB_CLI_CONFIG_H
#define DRIVELAB_CLI_CONFIG_H

#include "base/err.h"
#include "base/opt.h"
#include "block/block.h"
#include "drive/drive.h"
#include "nvme/nvme.h"
#include "sim/sim.h"
#include "transport/tcp/tcp.h"

#define CONFIG_OVERRIDES 64

/* Section "loop": how a served drive waits for the next event. */
struct loop_config {
    int wait; /* enum loop_wait */
    int64_t spin_time;
};

enum loop_wait { LOOP_SPIN, LOOP_SLEEP };

/* What the options -o, in their order, say. */
struct config_overrides {
    const char *text[CONFIG_OVERRIDES + 1]; /* one more, for what a command puts first */
    unsigned count;
};

struct config {
    struct drive_config drive;
    struct nvme_config nvme;
    struct tcp_config tcp;
    struct block_config queue;
    struct loop_config loop;
    struct opt_set set; /* all of the above */
};

extern const struct opt_row loop_opts[];

/* Remember an -o argument; 0, or -E2BIG with `e`. The text must outlive the overrides. */
int config_override(struct config_overrides *overrides, const char *text, struct err *e);

/*
 * The option -o that `--scheduler TEXT` stands for; with `several`, "all" is the
 * list of all schedulers. 0, or -EINVAL with `e`: unknown, too long, or several of them.
 */
int config_scheduler(const char *text, bool several, char *option, size_t size, struct err *e);

/* Defaults only, all tables bound. 0 or -errno with `e`. */
int config_init(struct config *config, struct err *e);

/*
 * Load `drive` (a built-in name, or the path of an INI file), apply the
 * overrides and check the whole. 0 or -errno with `e` naming file, line,
 * option and what is allowed.
 */
int config_load(struct config *config, const char *drive, const struct config_overrides *overrides, struct err *e);

/* Parse --time: "wall", "scaled:N". 0 or -EINVAL with `e`. */
int config_parse_time(const char *text, struct sim_config *sim, struct err *e);

#endif

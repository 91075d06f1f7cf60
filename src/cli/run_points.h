/*
 * What one call of `drivelab run` is to run: the drives to compare, times the
 * combinations of the values in options -o.
 *
 * A value with commas is a list: -o ssd.op_percent=7,12.5. Where commas belong
 * to the value, as the option takes text or times, values are separated by
 * semicolons: -o 'nand.read_time=40us,60us;50us,80us'.
 *
 * Of --scheduler all, the combinations of a zoned drive with schedulers it
 * can't have are left out, which a note says.
 */
#ifndef DRIVELAB_CLI_RUN_POINTS_H
#define DRIVELAB_CLI_RUN_POINTS_H

#include "cli/run_args.h"

#define RUN_POINTS_MAX 1024
#define RUN_DRIVES_MAX 16

/* An option with its values. */
struct run_list {
    char *name;  /* "section.key" */
    char **text; /* "section.key=value" */
    unsigned count;
    unsigned argument; /* which -o */
};

struct run_points {
    char *drive[RUN_DRIVES_MAX];
    unsigned drives;
    struct run_list list[CONFIG_OVERRIDES];
    unsigned lists;
    unsigned combinations;
    unsigned *chosen; /* those that are points; NULL: all */
    unsigned count;   /* of points */
};

/* 0, or -errno with `e`. run_points_release() in any case. */
int run_points_init(struct run_points *p, const struct run_args *args, struct err *e);
void run_points_release(struct run_points *p);

/* Drive, options, and the name of a point: "tlc" or "tlc, ssd.op_percent=7". The last list varies fastest. */
const char *run_point_drive(const struct run_points *p, unsigned point);
void run_point_options(const struct run_points *p, unsigned point, const struct run_args *args,
                       struct config_overrides *overrides);
void run_point_name(const struct run_points *p, unsigned point, char *name, size_t size);

/* The value of a list at a point, without its name. */
const char *run_point_value(const struct run_points *p, unsigned point, unsigned list);

#endif

/*
 * Bringing a drive to its steady state by writing to it, and finding out that
 * it is there: the procedure of SNIA's Solid State Storage Performance Test
 * Specification (PTS 2.0.2, definition of steady state in 2.1.24, workload
 * independent and workload dependent preconditioning in 3.3 and 3.4), in
 * virtual time.
 *
 * First the whole drive is written twice in order, 128 KiB at a time. Then the
 * job's own workload runs in rounds until, over the last five, the rate stays
 * within 20 % of its average and the line through it within 10 %.
 *
 * Differs: a round is not a minute but as much as writes a fifth of the job's
 * region, so that small models of drives and large ones get as far.
 */
#ifndef DRIVELAB_LOAD_PRECONDITION_H
#define DRIVELAB_LOAD_PRECONDITION_H

#include "load/runner.h"

#define PRECONDITION_ROUNDS    25 /* at most, as the PTS */
#define PRECONDITION_WINDOW    5
#define PRECONDITION_EXCURSION 20.0 /* %, largest less smallest */
#define PRECONDITION_SLOPE     10.0 /* %, of the line over the window */

struct precondition_result {
    unsigned rounds;
    double iops[PRECONDITION_ROUNDS];
    bool steady;
    double average, excursion_percent, slope_percent; /* of the last window */
    uint64_t ios;                                     /* of everything, fill included */
    int64_t simulated_ns;
};

/*
 * `jobs`, resolved: the first one that writes gives the workload; without one,
 * 4 KiB random writes all over the drive. 0 (also if no steady state was found
 * in time: result->steady), or -errno with `e` filled.
 */
int load_precondition(const struct job_file *jobs, struct drive *drive, struct sim *sim,
                      const struct load_settings *settings, struct precondition_result *result, struct err *e);

/* Judge the last PRECONDITION_WINDOW of `rounds` rates. */
void precondition_judge(struct precondition_result *result);

#endif

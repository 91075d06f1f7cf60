/* What the files of the job parser share. */
#ifndef DRIVELAB_LOAD_JOB_INT_H
#define DRIVELAB_LOAD_JOB_INT_H

#include "load/job.h"

/* What a job's options mean together: derived fields, and checks of what needs what. 0 or -EINVAL with `e` filled. */
int job_finish(const struct job_file *jobs, struct job *job, struct err *e);

#endif

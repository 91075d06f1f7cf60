/* A control socket's inside over a drive and a controller in virtual time. */
#ifndef CTL_BED_H
#define CTL_BED_H

#include "nvme_bed.h"

#include <jansson.h>

#include "ctl/ctl_int.h"

struct ctl_bed {
    struct bed *bed;
    struct drive_config drive_config;
    struct nvme_config nvme_config;
    struct opt_set set;
    struct ctl ctl;
    struct ctl_session session;
    bool refuse; /* the next change of an option */
};

/* Options as of -o, NULL-terminated. */
struct ctl_bed *ctl_bed_new(const char *const *options);
void ctl_bed_free(struct ctl_bed *b);

/* Everything the session answers to `text`, in one string the caller frees. */
char *ctl_bed_talk(struct ctl_bed *b, const char *text, size_t bytes);

/* Call a method with params as JSON text ("{\"a\":1}") or NULL: the whole reply; the caller owns it. */
json_t *ctl_bed_call(struct ctl_bed *b, const char *method, const char *params);
/* The result, having checked that it is one; the error's code, having checked that its message has the words. */
json_t *ctl_bed_result(struct ctl_bed *b, const char *method, const char *params);
void ctl_bed_refused(struct ctl_bed *b, const char *method, const char *params, int code, const char *words);

#endif

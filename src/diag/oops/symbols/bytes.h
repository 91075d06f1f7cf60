/*
 * The bytes of a report's Code: line beside those of a file: whether the file is
 * of the kernel that reported, which of several symbols is meant, and how far
 * the kernel was moved (KASLR).
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_BYTES_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_BYTES_H

#include "diag/oops/file/object.h"
#include "diag/oops/report/report.h"

struct oops_bytes {
    unsigned compared;
    unsigned excused;    /* different, in a place that the kernel patches or relocates */
    unsigned wrong;      /* different without an excuse */
    int first_wrong;     /* offset from the trapping byte */
    uint8_t there, here; /* at that place: in the report, in the file */
    bool has_slide;
    uint64_t slide;
};

/* `pc`: where in `object` the byte marked in `state` lies. False: nothing to compare. */
bool oops_bytes_compare(const struct oops_object *object, const struct oops_state *state, uint64_t pc,
                        struct oops_bytes *result);

/* Enough is different to say that this is other code. */
bool oops_bytes_differ(const struct oops_bytes *bytes);

#endif

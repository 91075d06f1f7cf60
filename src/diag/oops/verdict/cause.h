/*
 * The parts of the verdict from the text alone. Used by the files of diag/oops
 * alone.
 */
#ifndef DRIVELAB_DIAG_OOPS_VERDICT_CAUSE_H
#define DRIVELAB_DIAG_OOPS_VERDICT_CAUSE_H

#include <stdarg.h>

#include "diag/oops/verdict/verdict.h"

/* "NULL+8", "LIST_POISON1+8 (...)" */
const char *oops_value_text(struct oops_pool *pool, const struct oops_value *v, uint64_t value);

void oops_kind_headline(const struct oops_report *r,
                        struct oops_verdict *v); /* of what is no bad access; cause_kinds.c */
void oops_detail_headline(const struct oops_report *r, struct oops_verdict *v); /* and of these lines; cause_detail.c */
bool oops_unaligned(const struct oops_report *r); /* the address is no multiple of what it has to be; cause_text.c */
const char *oops_lock_end(const char *open);   /* the parenthesis that closes a lock's name, or NULL; cause_detail.c */
bool oops_jumped(const struct oops_report *r); /* to the address that could not be read; cause_text.c */
bool oops_in_user_space(const struct oops_report *r);                      /* the program counter is a user's */
void oops_facts(const struct oops_report *r, struct oops_verdict *v);      /* facts.c */
void oops_misfits(const struct oops_report *r, struct oops_verdict *v);    /* misfits.c */
void oops_next_steps(const struct oops_report *r, struct oops_verdict *v); /* next.c */

/* The steps that ask for debug information which is there already are none. next.c */
void oops_next_drop(struct oops_verdict *v, bool kernel, bool module);

/* A taint letter in words, or NULL. facts.c */
const char *oops_taint_text(char letter);

#endif

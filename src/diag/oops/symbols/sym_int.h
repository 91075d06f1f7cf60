/*
 * Shared by the files that explain a report with symbols (symbols.c, calls.c,
 * cause.c).
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_SYM_INT_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_SYM_INT_H

#include "diag/oops/report/stack.h"
#include "diag/oops/symbols/origin.h"
#include "diag/oops/symbols/symbols.h"

struct oops_unwound;

/* A place on the stack that was found in a file. */
struct oops_spot {
    struct oops_object *object; /* NULL: not found */
    const struct oops_sym *sym;
    uint64_t addr;        /* the exact program counter, or a return address */
    bool exact;           /* the former */
    bool guess;           /* '?' */
    bool strayed;         /* its caller in the trace calls another function there */
    int frame;            /* of the main trace, or one of these */
#define OOPS_SPOT_PC (-1) /* the program counter */
#define OOPS_SPOT_LR (-2) /* the caller by the link register alone */
    struct oops_resolved *resolved;
};

/* One report being explained. */
struct oops_session {
    const struct oops_report *report;
    struct oops_verdict *v;
    struct oops_pool *pool;
    struct oops_object *kernel; /* NULL: none */
    struct oops_spot *spots;    /* the program counter first, then the frames, innermost first */
    unsigned count;
    struct oops_unwound *unwound; /* registers at the first spots; NULL: none */
    unsigned unwound_count;
    unsigned *entries_left; /* of entry values to work out; unwind.c */
    struct oops_stack_words stack;
    const char *container; /* the member blamed is of this variable, computed from the bad one; NULL */
    bool took_instruction; /* from the file, as the report has no bytes */
    bool divisor;          /* what is blamed is no pointer, but a divisor of 0 */
};

/* Address to look lines and variables up at. */
uint64_t oops_spot_at(const struct oops_spot *spot);

/* The next spot outwards that the unwinder vouches for; `from` itself excluded. NULL: none. */
struct oops_spot *oops_session_caller(struct oops_session *session, const struct oops_spot *from);

/*
 * judge.c: whether a file is of the kernel (or the module as loaded) that reported. False: it is not, the
 * evidence is in the verdict's misfits.
 */
struct oops_judgement {
    unsigned named;   /* symbols of the report that should be in the file */
    unsigned fitting; /* and are, with the printed size */
    const struct oops_symbol *first_unfit;
};
bool oops_judge_file(struct oops_session *session, struct oops_object *object);
bool oops_judge_symbols(struct oops_session *session, struct oops_object *object, const struct oops_judgement *j);
/* How sure it is that a file is the right one: "; its banner says ..." */
const char *oops_judge_words(struct oops_session *session, struct oops_object *object, const struct oops_judgement *j);
bool oops_judge_bytes(struct oops_session *session, const struct oops_spot *pc);

/* resolve.c: the spot of a printed symbol in a file. False: no symbol of that name and size. */
bool oops_resolve(struct oops_session *session, struct oops_object *object, const struct oops_symbol *printed,
                  const struct oops_state *state, const struct oops_spot *inner, struct oops_spot *spot);
/* Lines and inlined functions of a spot. */
void oops_resolve_places(struct oops_session *session, struct oops_spot *spot);

/* headline.c: the one sentence, with what was found. */
void oops_headline_refine(struct oops_session *session);

/* calls.c: what lies between frames, and calls that do not lead to the next frame. */
void oops_calls_explain(struct oops_session *session);

/*
 * cause.c: what list_del() leaves on 32-bit machines: small numbers, which only a list's own pointers (of that `name`)
 * have by that name (include/linux/poison.h; the second one was 0x200 up to 4.2). NULL: no such thing.
 */
const char *oops_small_list_poison(const struct oops_report *report, const char *name, uint64_t value);

/* cause.c: which variable was bad. */
void oops_cause_explain(struct oops_session *session);

#endif

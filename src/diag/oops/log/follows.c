/*
 * Which reports follow from an earlier one: one event often prints two or more.
 * The access that KASAN found faults, a warning turns into a panic because the
 * kernel was set so, a task that dies fails again on its way out, two watchdogs
 * see the same CPU hang.
 *
 * Told by what the kernel does (kernel/panic.c, kernel/exit.c, kernel/hung_task.c,
 * kernel/watchdog.c, kernel/rcu/tree_stall.h): a pair of kinds, the same task or
 * CPU where they are known, and nearness in time, or in lines without it.
 *
 * Simplified: damage that shows much later, or in another task, is not traced back.
 */
#include <string.h>

#include "diag/oops/log/reader_int.h"

#define AT_ONCE_US 100000    /* one access: found by a check, then by the processor */
#define BEHIND_US  20000     /* a warning and the fault behind it; more passes between two devices at boot */
#define SOON_US    5000000   /* a task dies, a panic is prepared */
#define HANG_US    120000000 /* two watchdogs */
#define NEAR_LINES 60        /* between reports without times */

static bool died(enum oops_kind kind) {
    return kind == OOPS_NULL_DEREF || kind == OOPS_PAGE_FAULT || kind == OOPS_GPF || kind == OOPS_DOUBLE_FAULT ||
           kind == OOPS_STACK_GUARD || kind == OOPS_TRAP || kind == OOPS_EXTERNAL_ABORT || kind == OOPS_BUG ||
           kind == OOPS_LIST_CORRUPTION;
}

static bool checked(enum oops_kind kind) {
    return kind == OOPS_KASAN || kind == OOPS_KMSAN || kind == OOPS_KFENCE || kind == OOPS_UBSAN;
}

static bool warned(enum oops_kind kind) {
    return kind == OOPS_WARNING || kind == OOPS_REFCOUNT || kind == OOPS_LIST_CORRUPTION || kind == OOPS_DEBUG_OBJECT ||
           kind == OOPS_SLAB || kind == OOPS_BAD_PAGE;
}

static bool hung(enum oops_kind kind) {
    return kind == OOPS_SOFT_LOCKUP || kind == OOPS_HARD_LOCKUP || kind == OOPS_RCU_STALL;
}

/* Times or, without them, lines say that `b` came within `us` of `a`. */
static bool within(const struct oops_given *a, const struct oops_report *b, int64_t us) {
    if (a->has_time && b->has_time)
        return b->time_us >= a->time_us && b->time_us - a->time_us <= us;
    return b->first_line >= a->last_line && b->first_line - a->last_line <= NEAR_LINES;
}

/* Where both say who it was, it was the same; `a` directly before `b` if not. */
static bool same_task(const struct oops_given *a, const struct oops_report *b) {
    if (a->pid >= 0 && b->pid >= 0)
        return a->pid == b->pid && (a->pid != 0 || a->cpu < 0 || b->cpu < 0 || a->cpu == b->cpu);
    if (a->caller && b->caller)
        return a->caller == b->caller && a->caller_id == b->caller_id;
    if (a->cpu >= 0 && b->cpu >= 0)
        return a->cpu == b->cpu;
    return a->number + 1 == b->number;
}

static bool in_trace(const struct oops_report *r, const char *function) {
    const struct oops_trace *trace = oops_report_trace(r);
    for (unsigned i = 0; trace && i < trace->count; i++)
        if (!strcmp(trace->frames[i].sym.name, function))
            return true;
    return false;
}

static bool is_dying(const struct oops_report *r) {
    return in_trace(r, "do_exit") || in_trace(r, "make_task_dead") || in_trace(r, "rewind_stack_do_exit") ||
           in_trace(r, "rewind_stack_and_make_dead") || in_trace(r, "oops_end") || in_trace(r, "die");
}

struct cause_of_panic {
    const char *words;
    bool (*kind)(enum oops_kind kind);
    bool same; /* it is the same task that panics */
    const char *why;
};

static bool any(enum oops_kind kind) {
    return kind != OOPS_PANIC && kind != OOPS_UNKNOWN;
}

static bool is_hung_task(enum oops_kind kind) {
    return kind == OOPS_HUNG_TASK;
}

static const struct cause_of_panic causes[] = {
    {"panic_on_warn", any, true, "the kernel was set to panic on a warning (panic_on_warn)"},
    {"kasan.fault", checked, true, "the kernel was set to panic on it (kasan.fault)"},
    {"hung_task", is_hung_task, false, "the kernel was set to panic on a hung task"},
    {"softlockup", hung, false, "the kernel was set to panic on a lockup"},
    {"LOCKUP", hung, false, "the kernel was set to panic on a lockup"},
    {"RCU Stall", hung, false, "the kernel was set to panic on a stall"},
    {"Fatal exception", died, true, "the kernel was set to panic on an oops, or could not let the task die"},
    {"Oops", died, true, "the kernel was set to panic on an oops"},
    {"killing interrupt handler", died, true, "the task that died was in an interrupt"},
    {"Attempted to kill", died, true, "the task that died is one that the kernel cannot do without"},
};

static const char *panic_why(const struct oops_given *a, const struct oops_report *b) {
    const char *said = b->panic[0] ? b->panic : b->header;
    for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (strstr(said, causes[i].words) && causes[i].kind(a->kind))
            return within(a, b, SOON_US) && (!causes[i].same || same_task(a, b)) ? causes[i].why : NULL;
    return NULL;
}

/* Why `b` follows from `a`, in the words that come behind "follows from report 1:"; NULL: it does not. */
static const char *why(const struct oops_given *a, const struct oops_report *b) {
    if (b->kind == OOPS_PANIC)
        return panic_why(a, b);
    if (!same_task(a, b))
        return NULL;
    if (checked(a->kind) && (died(b->kind) || warned(b->kind)) && within(a, b, AT_ONCE_US))
        return "the same task went on with what the check had found bad";
    if (warned(a->kind) && died(b->kind) && within(a, b, BEHIND_US))
        return "the same task went on behind that warning";
    if (died(a->kind) && b->kind == OOPS_ATOMIC_SLEEP && within(a, b, SOON_US))
        return "it is the dying task, which still holds what it held";
    if (died(a->kind) && b->die_count > 1 && b->die_count == a->die_count + 1 && is_dying(b) && within(a, b, SOON_US))
        return "the task failed again while it was dying";
    if (died(a->kind) && !died(b->kind) && is_dying(b) && within(a, b, SOON_US))
        return "it is the dying task on its way out";
    if ((a->kind == OOPS_ATOMIC_SLEEP || a->kind == OOPS_BUG) && b->kind == OOPS_ATOMIC_SLEEP &&
        within(a, b, AT_ONCE_US))
        return "the task is still where it must not sleep";
    if (hung(a->kind) && hung(b->kind) && a->kind != b->kind && within(a, b, HANG_US))
        return "another watchdog saw the same hang";
    return NULL;
}

void oops_follow(struct oops_followed *followed, struct oops_report *r) {
    unsigned known = followed->count < OOPS_GIVEN_MAX ? followed->count : OOPS_GIVEN_MAX;
    for (unsigned i = 1; i <= known && !r->follows; i++) {
        const struct oops_given *a = &followed->given[(followed->count - i) % OOPS_GIVEN_MAX];
        const char *reason = why(a, r);
        if (reason) {
            r->follows = a->number;
            r->follows_why = reason;
        }
    }
    followed->given[followed->count++ % OOPS_GIVEN_MAX] = (struct oops_given){.number = r->number,
                                                                              .kind = r->kind,
                                                                              .has_time = r->has_time,
                                                                              .time_us = r->time_us,
                                                                              .last_line = r->last_line,
                                                                              .cpu = r->cpu,
                                                                              .pid = r->pid,
                                                                              .caller = r->caller,
                                                                              .caller_id = r->caller_id,
                                                                              .die_count = r->die_count};
}

void oops_follow_forget(struct oops_followed *followed) {
    followed->count = 0;
}

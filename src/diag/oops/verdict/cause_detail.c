/*
 * The sentence for reports whose answer stands in the lines below the header:
 * who slept with which lock held, what of a page was wrong, who freed an object
 * before, why init died, what a watchdog interrupted.
 *
 * Source: include/linux/preempt.h, kernel/sched/core.c, mm/page_alloc.c, mm/slub.c, wait(2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"
#include "diag/oops/verdict/cause.h"

/* What stands behind `needle` in the first line that has it, or NULL. */
static const char *below(const struct oops_report *r, const char *needle) {
    for (unsigned i = 0; i < r->line_count; i++) {
        const char *s = oops_after(r->lines[i].text, needle);
        if (s)
            return s;
    }
    return NULL;
}

static const char *word(const struct oops_report *r, const char *s, const char *ends) {
    return s ? oops_pool_strn(r->pool, s, strcspn(s, ends)) : "";
}

static const char *function_text(const struct oops_report *r) {
    return r->function[0] ? oops_pool_printf(r->pool, " in `%s`", oops_demangle(r->pool, r->function)) : "";
}

static const char *task_text(const struct oops_report *r) {
    if (!r->comm[0])
        return "a task";
    return r->pid >= 0 ? oops_pool_printf(r->pool, "%s (%lld)", r->comm, (long long)r->pid) : r->comm;
}

/* ---- A call that may sleep ---- */

/* "0x10010000" of "BUG: scheduling while atomic: swapper/0/0/0x10010000". */
static const char *scheduling_count(const struct oops_report *r) {
    const char *s = strstr(r->header, "while atomic");
    s = s ? strrchr(s, '/') : NULL;
    return s && !strncmp(s + 1, "0x", 2) ? s + 1 : NULL;
}

/* The parts of preempt_count; it is printed in hexadecimal, with or without 0x. */
static const char *context_of(uint64_t count) {
    return count & 0x00f00000   ? "in an NMI"
           : count & 0x000f0000 ? "in an interrupt handler"
           : count & 0x0000ff00
               ? (count & 0xff ? "with preemption and softirqs off, as a spinlock taken with _bh does"
                               : "with softirqs off (in a softirq, or between local_bh_disable() and its end)")
           : count & 0xff ? "with preemption off, as a spinlock does"
                          : NULL;
}

static const char *why_not_sleep(const struct oops_report *r) {
    const char *count = below(r, "preempt_count: "), *irqs = below(r, "irqs_disabled(): ");
    const char *rcu = below(r, "RCU nest depth: ");
    count = count ? count : scheduling_count(r);
    const char *why = count ? context_of(strtoull(count, NULL, 16)) : NULL;
    if (why)
        return why;
    if (irqs && *irqs == '1')
        return "with interrupts off";
    if (rcu && *rcu >= '1' && *rcu <= '9')
        return "inside rcu_read_lock()";
    return "";
}

/* "((wq_completion)x){+.+.}": the one before the brace. */
const char *oops_lock_end(const char *open) {
    const char *brace = strstr(open, "){");
    return brace ? brace : strchr(open, ')');
}

/* The lock taken last: of " #1: ffff... (&t->gc_lock){+...}-{3:3}, at: f+0x1/0x2" name and place. */
static const char *last_lock(const struct oops_report *r) {
    const char *text = "";
    bool held = false;
    for (unsigned i = 0; i < r->line_count; i++) {
        const char *s = r->lines[i].text;
        held |= strstr(s, " held by ") != NULL && strstr(s, " lock") != NULL;
        const char *open = held && s[strspn(s, " ")] == '#' ? strchr(s, '(') : NULL,
                   *close = open ? oops_lock_end(open) : NULL;
        const char *at = oops_after(s, "at: ");
        if (!close)
            continue;
        const char *joined = !at && i + 1 < r->line_count ? oops_after(r->lines[i + 1].text, "at: ") : at;
        text = oops_pool_printf(r->pool, "; the lock taken last is `%.*s`", (int)(close - open - 1), open + 1);
        if (joined)
            text = oops_pool_printf(r->pool, "%s, in `%s`", text, word(r, joined, "+/ ["));
    }
    return text;
}

static void atomic_sleep(const struct oops_report *r, struct oops_verdict *v) {
    const char *name = below(r, "name: "), *task = task_text(r), *header = oops_after(r->header, "while atomic: ");
    if (!r->comm[0] && header) { /* "swapper/0/0/0x10010000" */
        const char *end = strrchr(header, '/');
        while (end && end > header && *--end != '/')
            ;
        task = end && end > header ? oops_pool_strn(r->pool, header, (size_t)(end - header)) : task;
    } else if (!r->comm[0] && name) {
        task = word(r, name, " ,");
    }
    const char *lock = last_lock(r),
               *did = strstr(r->header, "scheduling") ? "gave up the CPU" : "called what may sleep";
    const char *why = why_not_sleep(r);
    if (!why[0] && !lock[0])
        return; /* the title says as much */
    v->headline = oops_pool_printf(r->pool, "%s %s%s %s%s", task, did, function_text(r),
                                   why[0] ? why : "in atomic context", lock);
    v->confidence = OOPS_CONFIDENCE_HIGH;
}

/* ---- Pages and objects ---- */

/* The names in "flags: 0x2ffff00000010200(slab|head|node=0|zone=2)". */
static const char *page_flags(const struct oops_report *r) {
    const char *s = below(r, "flags: 0x"), *open = s ? strchr(s, '(') : NULL;
    const char *text = "";
    if (!open)
        return text;
    for (s = open + 1; *s && *s != ')';) {
        size_t n = strcspn(s, "|)");
        if (!memchr(s, '=', n) && n)
            text = oops_pool_printf(r->pool, "%s%s%.*s", text, text[0] ? "|" : "", (int)n, s);
        s += n + (s[n] == '|');
    }
    return text;
}

static void bad_page(const struct oops_report *r, struct oops_verdict *v) {
    const char *why = below(r, "page dumped because: "), *flags = page_flags(r);
    why = why ? why : below(r, "raw: because: ");
    if (!why)
        return;
    bool freed = strstr(why, "CHECK_AT_FREE") != NULL, fresh = strstr(why, "CHECK_AT_PREP") != NULL;
    bool slab = freed && !strncmp(flags, "slab", 4);
    v->headline = oops_pool_printf(r->pool, "%s%s: %s%s%s%s",
                                   slab    ? "memory of the slab allocator (kmalloc) was freed as a page"
                                   : freed ? "a page was freed that is still in use"
                                   : fresh ? "a page among the free ones is still in use, or was written to"
                                           : "the state of a page is impossible",
                                   function_text(r), why, flags[0] ? " (flags: " : "", flags, flags[0] ? ")" : "");
    v->confidence = OOPS_CONFIDENCE_HIGH;
    if (slab)
        oops_note(r->pool, &v->next,
                  "free it with kfree(): look where this memory comes from; build_skb() and page fragments take pages "
                  "only");
}

/* SLUB: who had the object, and who freed it. */
static void slab(const struct oops_report *r, struct oops_verdict *v) {
    const char *freed = word(r, below(r, "Freed in "), "\r\n"), *had = word(r, below(r, "Allocated in "), "\r\n");
    bool twice = strstr(r->title, "already free") != NULL;
    if (!freed[0] && !had[0])
        return;
    const char *what = twice ? "an object was freed twice" : r->title;
    const char *f = word(r, freed, "+ "), *a = word(r, had, "+ ");
    v->headline = oops_pool_printf(
        r->pool, "%s%s%s%s%s%s%s", what, f[0] ? twice ? "; it was freed by `" : "; an object was freed by `" : "", f,
        f[0] ? "`" : "", a[0] ? (f[0] ? ", allocated by `" : "; an object was allocated by `") : "", a,
        a[0] ? "`" : "");
    if (had[0])
        oops_note(r->pool, &v->facts, "allocated in %s", had);
    if (freed[0])
        oops_note(r->pool, &v->facts, "freed in %s", freed);
    if (twice && f[0])
        oops_note(r->pool, &v->next, "one of the two that free it must not: %s, or the function that freed it now", f);
}

/* ---- The first process ---- */

static void init_died(const struct oops_report *r, struct oops_verdict *v) {
    static const char *const signals[] = {
        [4] = "SIGILL",  [5] = "SIGTRAP",  [6] = "SIGABRT",  [7] = "SIGBUS", [8] = "SIGFPE",
        [9] = "SIGKILL", [11] = "SIGSEGV", [15] = "SIGTERM", [31] = "SIGSYS"};
    const char *code = oops_after(r->panic[0] ? r->panic : r->header, "exitcode=");
    code = code ? code : below(r, "exitcode=");
    if (!code)
        return;
    unsigned long status = strtoul(code, NULL, 16), number = status & 0x7f;
    const char *who = r->comm[0] ? task_text(r) : "init";
    const char *name = number < sizeof(signals) / sizeof(signals[0]) && signals[number] ? signals[number] : NULL;
    if (number)
        v->headline =
            oops_pool_printf(r->pool, "the first process, %s, was killed by signal %lu%s%s%s: %s", who, number,
                             name ? " (" : "", name ? name : "", name ? ")" : "", "the kernel cannot go on without it");
    else
        v->headline =
            oops_pool_printf(r->pool, "the first process, %s, ended with exit(%lu): the kernel cannot go on without it",
                             who, status >> 8 & 0xff);
    v->confidence = OOPS_CONFIDENCE_HIGH;
    if (number)
        oops_note(r->pool, &v->next,
                  "the cause is in user space, or in what the kernel gave it: lines before this one may name the "
                  "instruction (\"traps:\", \"segfault at\"); look for a wrong or damaged init, library or root file "
                  "system, and for instructions that this CPU lacks");
    else
        oops_note(r->pool, &v->next,
                  "init ended by itself: look at its own last messages, at init= and root= of the command line, and "
                  "whether the libraries that it needs are there");
}

/* ---- Watchdogs ---- */

bool oops_in_user_space(const struct oops_report *r) {
    const struct oops_state *state = oops_report_fault(r);
    const struct oops_trace *trace = oops_report_trace(r);
    if (!state && !(trace && trace->count) && r->state_count)
        return r->states[0].role == OOPS_STATE_USER; /* the only place it was at */
    if (!state || !state->has_pc || state->pc.name[0] || !state->pc.has_address || !state->pc.address)
        return false;
    bool wide = !oops_arch_is_32bit(r->arch), shared = r->arch <= OOPS_ARCH_RISCV; /* with the kernel above the user */
    return !shared ? false : wide ? !(state->pc.address >> 55) : state->pc.address < 0x80000000;
}

static void lockup(const struct oops_report *r, struct oops_verdict *v) {
    if (!oops_in_user_space(r))
        return;
    v->headline = oops_pool_printf(
        r->pool, "%s: the kernel's watchdog was not run, though %s was in user space, not looping in the kernel",
        r->cpu >= 0 ? oops_pool_printf(r->pool, "CPU %lld", (long long)r->cpu) : "a CPU", task_text(r));
}

/* ---- Traps ---- */

static bool is_list_check(const char *name) {
    return oops_starts(name, "__list_del_entry_valid") || oops_starts(name, "__list_add_valid");
}

static void trap(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    const char *name = state ? state->pc.name : "";
    if (is_list_check(name) && !strstr(r->title, "list")) {
        v->headline =
            oops_pool_printf(r->pool,
                             "a linked list is corrupt: `%s` stops the kernel so when an entry's neighbours do "
                             "not point back to it",
                             name);
        oops_note(
            r->pool, &v->next,
            "the line before the report says which entry (\"list_del corruption\", \"list_add corruption\"); look "
            "for an entry removed twice, freed while on its list, or changed without the list's lock");
    } else if (r->arch == OOPS_ARCH_ARM && strstr(r->header, "undefined instruction")) {
        v->headline = oops_pool_printf(r->pool, "an undefined instruction%s: what BUG() is compiled to on arm",
                                       name[0] ? oops_pool_printf(r->pool, " in `%s`", name) : function_text(r));
        oops_note(r->pool, &v->next,
                  "look for a BUG() or BUG_ON() there; CONFIG_DEBUG_BUGVERBOSE makes the kernel "
                  "print its file and line");
    }
}

/* ---- The stack ---- */

/* How often a function is in the trace. */
static unsigned times(const struct oops_trace *trace, const char *name) {
    unsigned n = 0;
    for (unsigned i = 0; i < trace->count; i++)
        n += !strcmp(trace->frames[i].sym.name, name);
    return n;
}

/* Functions that come again and again in the trace, the innermost first: "a <- b <- c". "" if there are none. */
static const char *recursion(const struct oops_report *r) {
    enum { OFTEN = 4, SHOWN = 4 };
    const struct oops_trace *trace = oops_report_trace(r);
    const char *text = "", *first = "";
    unsigned shown = 0;
    for (unsigned i = 0; trace && i < trace->count && shown < SHOWN; i++) {
        const char *name = trace->frames[i].sym.name;
        if (!name[0] || oops_only_reports(name) || times(trace, name) < OFTEN)
            continue;
        if (!strcmp(name, first))
            break; /* once around */
        if (strstr(text, name))
            continue;
        first = first[0] ? first : name;
        text = oops_pool_printf(r->pool, "%s%s%s", text, text[0] ? " <- " : "", oops_demangle(r->pool, name));
        shown++;
    }
    return text;
}

/* What failed was an access to the stack itself. */
static bool on_stack(const struct oops_verdict *v) {
    const struct oops_insn *insn = &v->insn;
    return insn->decoded && (!strcmp(insn->mem.base, "rsp") || !strcmp(insn->mem.base, "esp") ||
                             !strcmp(insn->mnemonic, "push") || !strcmp(insn->mnemonic, "call"));
}

static void stack(const struct oops_report *r, struct oops_verdict *v) {
    const char *cycle = recursion(r);
    if (r->kind == OOPS_DOUBLE_FAULT && on_stack(v))
        v->headline = oops_pool_printf(r->pool, "%s: the kernel's stack was used up", v->headline);
    if (cycle[0])
        v->headline =
            oops_pool_printf(r->pool, "%s; these functions are on it again and again: %s", v->headline, cycle);
}

/* The watchdog of perf counters stops the kernel by itself. */
static void hard_lockup(const struct oops_report *r, struct oops_verdict *v) {
    v->headline =
        oops_pool_printf(r->pool, "%s takes no interrupts any more%s: the watchdog stopped the kernel",
                         r->cpu >= 0 ? oops_pool_printf(r->pool, "CPU %lld", (long long)r->cpu) : "a CPU",
                         oops_only_reports(r->function) || strstr(r->function, "watchdog") ? "" : function_text(r));
}

/* Warnings of the kernel's allocators whose meaning is well known. */
static void known_warning(const struct oops_report *r, struct oops_verdict *v) {
    static const struct {
        const char *file, *function, *means;
    } known[] = {
        {"mm/util.c", "kvmalloc_node", "more than INT_MAX bytes were asked for: look where the size comes from"},
        {"mm/slub.c", "kvmalloc_node", "more than INT_MAX bytes were asked for: look where the size comes from"},
        {"mm/page_alloc.c", "__alloc_pages",
         "so large a piece that no allocation can have it, or one that must not fail was asked for: look where the "
         "size "
         "comes from"},
    };
    const struct oops_state *state = oops_report_fault(r);
    const char *name = state ? state->pc.name : "";
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strstr(r->source, known[i].file) && strstr(name, known[i].function))
            oops_note(r->pool, &v->next, "this warning's usual meaning: %s", known[i].means);
}

void oops_detail_headline(const struct oops_report *r, struct oops_verdict *v) {
    switch (r->kind) {
    case OOPS_ATOMIC_SLEEP:
        atomic_sleep(r, v);
        break;
    case OOPS_WARNING:
        known_warning(r, v);
        break;
    case OOPS_BAD_PAGE:
        bad_page(r, v);
        break;
    case OOPS_SLAB:
        slab(r, v);
        break;
    case OOPS_PANIC:
        if (strstr(r->title, "kill init"))
            init_died(r, v);
        else if (strstr(r->title, "Hard LOCKUP"))
            hard_lockup(r, v);
        break;
    case OOPS_SOFT_LOCKUP:
    case OOPS_RCU_STALL:
        lockup(r, v);
        break;
    case OOPS_TRAP:
        trap(r, v);
        break;
    case OOPS_DOUBLE_FAULT:
    case OOPS_STACK_GUARD:
        stack(r, v);
        break;
    default:
        break;
    }
}

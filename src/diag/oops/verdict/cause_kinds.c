/*
 * The sentence for reports in which the kernel itself noticed something: what
 * its check says, in words, with the functions that the other traces name.
 */
#include <stdio.h>
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"
#include "diag/oops/verdict/cause.h"

static const char *in_function(const struct oops_report *r) {
    return r->function[0] ? oops_pool_printf(r->pool, " in `%s`", oops_demangle(r->pool, r->function)) : "";
}

/* The first function of a trace that did the work: not the allocator's or the sanitizer's own. */
static const char *first_function(struct oops_report *r, const struct oops_trace *trace) {
    static const char *const own[] = {"kasan",      "kmalloc", "kmem_cache",       "kfree",     "slab",  "stack_trace",
                                      "save_stack", "alloc",   "kvfree",           "set_track", "vfree", "kvmalloc",
                                      "kzalloc",    "free_",   "kernel_init_free", NULL};
    for (unsigned i = 0; i < trace->count; i++) {
        const char *name = trace->frames[i].sym.name;
        bool mine = false;
        for (const char *const *o = own; *o; o++)
            mine |= strstr(name, *o) != NULL;
        if (name[0] && !mine && !trace->frames[i].guess)
            return oops_demangle(r->pool, oops_pool_strn(r->pool, name, oops_plain_length(name)));
    }
    return "";
}

static const char *function_of(const struct oops_report *r, enum oops_trace_kind kind) {
    for (unsigned i = 0; i < r->trace_count; i++)
        if (r->traces[i].kind == kind && r->traces[i].count)
            return first_function((struct oops_report *)r, &r->traces[i]);
    return "";
}

/* "slab-use-after-free" out of "BUG: KASAN: slab-use-after-free in f". */
static const char *sanitizer_words(const struct oops_report *r) {
    const char *s = strstr(r->header, "KASAN: ");
    s = s ? s + 7 : oops_after(r->header, "KMSAN: ");
    s = s ? s : oops_after(r->header, "KFENCE: ");
    s = s ? s : oops_after(r->header, "UBSAN: ");
    if (!s)
        return "";
    const char *end = strstr(s, " in ");
    return oops_pool_strn(r->pool, s, end ? (size_t)(end - s) : strlen(s));
}

static void sanitizer(const struct oops_report *r, struct oops_verdict *v) {
    const char *alloc = function_of(r, OOPS_TRACE_ALLOC), *freed = function_of(r, OOPS_TRACE_FREE);
    const char *size = r->access_size_known
                           ? oops_pool_printf(r->pool, " of %llu byte%s", (unsigned long long)r->access_size,
                                              r->access_size == 1 ? "" : "s")
                           : "";
    const char *access =
        r->access == OOPS_ACCESS_UNKNOWN ? "" : oops_pool_printf(r->pool, ", %s%s", oops_access_name(r->access), size);
    const char *history = "";
    if (freed[0])
        history = oops_pool_printf(r->pool, "; the memory was freed by `%s`%s", freed,
                                   alloc[0] ? oops_pool_printf(r->pool, ", allocated by `%s`", alloc) : "");
    else if (alloc[0])
        history = oops_pool_printf(r->pool, "; the memory was allocated by `%s`", alloc);
    v->headline = oops_pool_printf(r->pool, "%s%s%s%s", sanitizer_words(r), in_function(r), access, history);
    v->confidence = OOPS_CONFIDENCE_HIGH;
    oops_note(r->pool, &v->reasons, "a sanitizer checks every access; its reports are rarely wrong");
}

static void check_failed(const struct oops_report *r, struct oops_verdict *v, const char *what) {
    const char *at = r->source[0] ? oops_pool_printf(r->pool, " at %s", r->source) : "";
    bool before = r->kind == OOPS_BUG; /* a line that may have nothing to do with it */
    const char *message = !r->message[0] ? ""
                          : before       ? oops_pool_printf(r->pool, "; printed before it: \"%s\"", r->message)
                                         : oops_pool_printf(r->pool, ": %s", r->message);
    const struct oops_state *state = oops_report_fault(r);
    const char *in = state && state->pc.name[0]
                         ? oops_pool_printf(r->pool, " in `%s`", oops_demangle(r->pool, state->pc.name))
                         : in_function(r);
    v->headline = oops_pool_printf(r->pool, "%s%s%s%s", what, at, in, message);
    v->confidence = OOPS_CONFIDENCE_HIGH;
    if (v->insn.is_bug)
        oops_note(r->pool, &v->reasons, "`%s` is the instruction that such checks are compiled to", v->insn.text);
}

static void list_corruption(const struct oops_report *r, struct oops_verdict *v) {
    static const struct {
        const char *sign, *means;
    } signs[] = {
        {"LIST_POISON1", "the entry was removed from its list twice"},
        {"LIST_POISON2", "the entry was removed from its list twice"},
        {"double add", "the entry was added to a list that it is on already"},
        {"next->prev", "a neighbour of the entry does not point back: freed, or changed without the lock"},
        {"prev->next", "a neighbour of the entry does not point back: freed, or changed without the lock"},
        {"is NULL", "the entry was zeroed or never initialised"},
    };
    check_failed(r, v, "a linked list is corrupt");
    for (unsigned i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strstr(r->message, signs[i].sign)) {
            v->headline = oops_pool_printf(r->pool, "%s (%s)", v->headline, signs[i].means);
            return;
        }
}

static void refcount(const struct oops_report *r, struct oops_verdict *v) {
    const char *means = strstr(r->message, "underflow")       ? "released more often than taken"
                        : strstr(r->message, "addition on 0") ? "taken after it had reached zero: the object was free"
                        : strstr(r->message, "saturated")     ? "taken so often that the count stuck"
                        : strstr(r->message, "decrement hit") ? "released to zero where that must not happen"
                                                              : "misused";
    v->headline = oops_pool_printf(r->pool, "a reference count was %s%s%s%s", means, in_function(r),
                                   r->message[0] ? ": " : "", r->message);
    v->confidence = OOPS_CONFIDENCE_HIGH;
}

static void lockdep(const struct oops_report *r, struct oops_verdict *v) {
    const char *wants = "", *holds = "";
    for (unsigned i = 0; i + 1 < r->line_count;
         i++) { /* "x/1 is trying to acquire lock:" and the lock in the next line */
        bool acquire = strstr(r->lines[i].text, "is trying to acquire lock") != NULL;
        bool held = strstr(r->lines[i].text, "already holding lock") != NULL;
        const char *open = acquire || held ? strchr(r->lines[i + 1].text, '(') : NULL;
        const char *close = open ? oops_lock_end(open) : NULL;
        if (close && acquire && !wants[0])
            wants = oops_pool_strn(r->pool, open + 1, (size_t)(close - open - 1));
        else if (close && held && !holds[0])
            holds = oops_pool_strn(r->pool, open + 1, (size_t)(close - open - 1));
    }
    if (wants[0] && holds[0])
        v->headline =
            oops_pool_printf(r->pool, "%s: it takes `%s` while it holds `%s`, elsewhere the order is the opposite",
                             r->title, wants, holds);
    else
        v->headline = r->title;
    v->confidence = OOPS_CONFIDENCE_MEDIUM;
    if (oops_starts(r->title, "possible deadlock"))
        oops_note(r->pool, &v->reasons, "lockdep proves that the order of locks could deadlock, not that it did");
}

static const char *task_text(const struct oops_report *r) {
    if (!r->comm[0])
        return "a task";
    return r->pid >= 0 ? oops_pool_printf(r->pool, "%s (%lld)", r->comm, (long long)r->pid) : r->comm;
}

/* "120 seconds" of "blocked for more than 120 seconds.", "22s" of "stuck for 22s!" */
static const char *duration(const struct oops_report *r) {
    const char *s = oops_after(r->header, "more than ");
    s = s ? s : oops_after(r->header, "stuck for ");
    return s ? oops_pool_strn(r->pool, s, strcspn(s, ".!")) : "a long time";
}

static void stuck(const struct oops_report *r, struct oops_verdict *v) {
    const char *cpu = r->cpu >= 0 ? oops_pool_printf(r->pool, "CPU %lld", (long long)r->cpu) : "a CPU";
    switch (r->kind) {
    case OOPS_HUNG_TASK:
        v->headline =
            oops_pool_printf(r->pool, "%s has waited for more than %s%s", task_text(r), duration(r), in_function(r));
        break;
    case OOPS_SOFT_LOCKUP:
        v->headline = oops_pool_printf(r->pool, "%s ran %s for %s without giving way%s", cpu, task_text(r), duration(r),
                                       in_function(r));
        break;
    case OOPS_HARD_LOCKUP:
        v->headline = oops_pool_printf(r->pool, "%s takes no interrupts any more%s", cpu, in_function(r));
        break;
    default:
        v->headline =
            oops_pool_printf(r->pool, "RCU waits for a CPU or task that does not come to rest%s", in_function(r));
    }
    v->confidence = OOPS_CONFIDENCE_MEDIUM;
    oops_note(r->pool, &v->reasons, "the trace is of one moment of a long time: the cause may lie elsewhere");
}

static void panic(const struct oops_report *r, struct oops_verdict *v) {
    v->headline = oops_pool_printf(r->pool, "the kernel gave up: %s", r->panic[0] ? r->panic : r->title);
    v->confidence = r->corrupted[0] ? OOPS_CONFIDENCE_LOW : OOPS_CONFIDENCE_MEDIUM;
}

static void trap(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    const char *in = state && state->pc.name[0]
                         ? oops_pool_printf(r->pool, " in `%s`", oops_demangle(r->pool, state->pc.name))
                         : in_function(r);
    const char *insn = v->insn.decoded ? oops_pool_printf(r->pool, ", instruction `%s`", v->insn.text) : "";
    size_t words = strcspn(r->title, ":");
    const char *what = strstr(r->title, " in ");
    words = what ? (size_t)(what - r->title) : words;
    v->headline = oops_pool_printf(r->pool, "%.*s%s%s", (int)words, r->title, in, insn);
    v->confidence = v->insn.decoded ? OOPS_CONFIDENCE_HIGH : OOPS_CONFIDENCE_MEDIUM;
    if (v->insn.is_bug && strstr(r->title, "invalid opcode"))
        v->headline = oops_pool_printf(r->pool,
                                       "%s: no BUG message goes with it, so the compiler put it there, for code that "
                                       "cannot be reached or always divides by zero",
                                       v->headline);
}

/* Slab's own checks say all in their title. */
static void slab(const struct oops_report *r, struct oops_verdict *v) {
    v->headline = r->title;
    v->confidence = OOPS_CONFIDENCE_MEDIUM;
    if (!strstr(r->title, "usercopy") || !r->message[0])
        return;
    v->headline = oops_pool_printf(r->pool, "a copy between kernel and user space goes beyond its object%s: %s",
                                   in_function(r), r->message);
    v->confidence = OOPS_CONFIDENCE_HIGH;
}

void oops_kind_headline(const struct oops_report *r, struct oops_verdict *v) {
    switch (r->kind) {
    case OOPS_KASAN:
    case OOPS_KMSAN:
    case OOPS_KFENCE:
    case OOPS_UBSAN:
        sanitizer(r, v);
        break;
    case OOPS_BUG:
        check_failed(r, v, "a check in the source failed (BUG)");
        break;
    case OOPS_WARNING:
    case OOPS_DEBUG_OBJECT:
        check_failed(r, v, r->source[0] ? "a check in the source warned (WARN)" : r->title);
        break;
    case OOPS_LIST_CORRUPTION:
        list_corruption(r, v);
        break;
    case OOPS_REFCOUNT:
        refcount(r, v);
        break;
    case OOPS_SLAB:
        slab(r, v);
        break;
    case OOPS_LOCKDEP:
        lockdep(r, v);
        break;
    case OOPS_HUNG_TASK:
    case OOPS_SOFT_LOCKUP:
    case OOPS_HARD_LOCKUP:
    case OOPS_RCU_STALL:
        stuck(r, v);
        break;
    case OOPS_PANIC:
        panic(r, v);
        break;
    case OOPS_TRAP:
    case OOPS_DOUBLE_FAULT:
    case OOPS_STACK_GUARD:
        trap(r, v);
        break;
    default:
        v->headline = r->title;
        v->confidence = OOPS_CONFIDENCE_MEDIUM;
    }
}

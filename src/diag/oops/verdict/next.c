/*
 * What to do next: how to come by symbols for this very kernel, and what finds
 * the cause of this kind of failure.
 */
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"
#include "diag/oops/verdict/cause.h"

/* Packages with the vmlinux of a distribution's kernel, told by its release and version. */
static const char *debug_package(const struct oops_report *r) {
    const char *rel = r->release;
    if (strstr(r->version, "Ubuntu"))
        return oops_pool_printf(r->pool, "linux-image-unsigned-%s-dbgsym (ddebs.ubuntu.com)", rel);
    if (strstr(r->version, "Debian") || strstr(rel, "-amd64") || strstr(rel, "-arm64") || strstr(rel, "-686"))
        return oops_pool_printf(r->pool, "linux-image-%s-dbg", rel);
    if (strstr(rel, ".fc") || strstr(rel, ".el"))
        return oops_pool_printf(r->pool, "kernel-debuginfo-%s", rel);
    if (strstr(rel, "-default"))
        return oops_pool_printf(r->pool, "kernel-default-debuginfo of %s", rel);
    return "";
}

#define FOR_KERNEL "for lines and variables"
#define FOR_MODULE "for the line and the variable"

static void symbols(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    const char *package = debug_package(r);
    if (state && state->pc.module[0])
        oops_note(r->pool, &v->next, FOR_MODULE ": --module %s.ko, built with -g from the same source",
                  state->pc.module);
    if (package[0])
        oops_note(r->pool, &v->next, FOR_KERNEL " of the kernel: --vmlinux, from the package %s", package);
    else if (r->release[0] && !(state && state->pc.module[0]))
        oops_note(r->pool, &v->next, FOR_KERNEL ": --vmlinux, the one of %s with debug information", r->release);
}

static bool has(const struct oops_verdict *v, enum oops_pattern pattern) {
    if (v->address.pattern == pattern)
        return true;
    return false;
}

/* The function that called through the pointer, and where in it. */
static const struct oops_symbol *caller_of_jump(const struct oops_report *r) {
    const struct oops_trace *trace = oops_report_trace(r);
    for (unsigned i = 0; trace && i < trace->count; i++)
        if (trace->frames[i].sym.name[0] && !trace->frames[i].guess)
            return &trace->frames[i].sym;
    return NULL;
}

static void by_jump(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_symbol *from = caller_of_jump(r);
    const char *which = v->address.pattern == OOPS_PATTERN_NULL ? "that was never set"
                        : v->address.pattern == OOPS_PATTERN_MODULE || v->address.pattern == OOPS_PATTERN_TEXT
                            ? "of a module that was unloaded, of freed init code, or overwritten"
                            : "that was overwritten, or read from freed memory";
    if (from && from->has_off)
        oops_note(r->pool, &v->next,
                  "look before %s+0x%llx for the call through a pointer, or what was called there: a "
                  "pointer %s",
                  oops_demangle(r->pool, from->name), (unsigned long long)from->off, which);
    else
        oops_note(r->pool, &v->next,
                  "look for a call through a pointer %s; its caller is the first frame of the trace%s", which,
                  from ? "" : ", which is missing here");
}

static void by_pattern(const struct oops_report *r, struct oops_verdict *v) {
    if (has(v, OOPS_PATTERN_SLAB_POISON) || has(v, OOPS_PATTERN_LIST_POISON) || has(v, OOPS_PATTERN_PAGE_POISON))
        oops_note(r->pool, &v->next,
                  "memory was used after it was freed: run it under KASAN, or boot with slub_debug=FZPU "
                  "to see who freed it");
    if (has(v, OOPS_PATTERN_FLIPPED_BIT))
        oops_note(r->pool, &v->next,
                  "one bit differs from a usual address: test the memory (memtest86+) and look for EDAC "
                  "or machine check messages");
    if (has(v, OOPS_PATTERN_ERR_PTR))
        oops_note(r->pool, &v->next, "look for the call whose result was not checked with IS_ERR()");
    if (oops_jumped(r)) {
        by_jump(r, v);
        return;
    }
    if (has(v, OOPS_PATTERN_VMALLOC))
        oops_note(r->pool, &v->next,
                  "no page is there: the memory was given back (vfree(), iounmap(), the stack of a thread that ended) "
                  "or is data of a module that was unloaded; look for who still holds its address");
    if (has(v, OOPS_PATTERN_USER) && r->fault_address < 0x100000)
        oops_note(r->pool, &v->next, "a pointer is NULL, and a large offset or an index was added to it");
    else if (has(v, OOPS_PATTERN_USER))
        oops_note(r->pool, &v->next,
                  "an address of user space without copy_from_user() or get_user(): look where it came from");
}

static const struct {
    enum oops_kind kind;
    const char *text;
} by_kind[] = {
    {OOPS_HUNG_TASK, "find who holds what it waits for: echo w > /proc/sysrq-trigger shows all blocked tasks; with an "
                     "emulated drive, look for commands that were never completed"},
    {OOPS_SOFT_LOCKUP, "look for a loop without cond_resched(), or a spinlock held by a CPU that does not run"},
    {OOPS_HARD_LOCKUP, "look for a loop with interrupts off; the traces of the other CPUs show who holds the lock"},
    {OOPS_RCU_STALL, "look at the CPUs that the report names; a virtual machine that was paused stalls too"},
    {OOPS_LOCKDEP,
     "the sections \"-> #n\" show where each lock of the chain was taken: one of those orders must change"},
    {OOPS_ATOMIC_SLEEP, "look for a spinlock, preempt_disable() or interrupt handler around the call that may sleep"},
    {OOPS_PREEMPTIBLE, "use get_cpu() or this_cpu_*(), or raw_smp_processor_id() where any CPU will do"},
    {OOPS_OUT_OF_MEMORY, "look at the order and the flags: large orders fail when memory is fragmented (kvmalloc(), "
                         "smaller buffers), GFP_ATOMIC when reserves are small (vm.min_free_kbytes)"},
    {OOPS_KOBJECT, "look for a device or module that is registered twice, or again before the old one is gone"},
    {OOPS_IRQ, "a line that several devices share: each driver must say whether the interrupt was its own; "
               "/proc/interrupts shows who is on it"},
    {OOPS_FILESYSTEM, "unmount it and run its fsck; with an emulated drive, look for writes that were lost or torn"},
    {OOPS_REFCOUNT, "look for a get or put on an error path that has no partner; KASAN finds the use after free"},
    {OOPS_LIST_CORRUPTION,
     "look for a list_del() that runs twice, or without the lock that guards the list; KASAN shows who "
     "freed the entry"},
    {OOPS_STACK_GUARD, "look for recursion in the trace, or for large variables on the stack (scripts/checkstack.pl)"},
    {OOPS_BAD_PAGE, "a page was freed while in use, or freed twice, or written to after it had been given back; "
                    "page_owner=on and KASAN tell who; if the pages differ each time, test the memory"},
    {OOPS_EXTERNAL_ABORT,
     "the hardware refused the access: is the device powered and clocked, is the address mapped right?"},
};

static void sanitizers(const struct oops_report *r, struct oops_verdict *v) {
    bool freed = strstr(r->title, "use-after-free") || strstr(r->title, "double-free");
    bool beyond = strstr(r->title, "out-of-bounds") != NULL;
    if ((r->kind != OOPS_KASAN && r->kind != OOPS_KFENCE) || !(freed || beyond))
        return;
    oops_note(r->pool, &v->next, "%s",
              freed ? "compare the trace of who freed it with this one: which of the two should have waited, or held a "
                      "reference?"
                    : "compare the size of the object, which the report says, with the index or length that was used");
}

void oops_next_steps(const struct oops_report *r, struct oops_verdict *v) {
    if (r->die_count > 1 || strchr(r->taint, 'D'))
        oops_note(r->pool, &v->next, "decode the first oops since boot before this one");
    bool sanitizer = r->kind == OOPS_KASAN || r->kind == OOPS_UBSAN || r->kind == OOPS_KMSAN || r->kind == OOPS_KFENCE;
    if (!sanitizer) /* whose addresses are what they are about */
        by_pattern(r, v);
    sanitizers(r, v);
    if (r->kind == OOPS_PANIC && strstr(r->title, "Unable to mount root fs"))
        oops_note(
            r->pool, &v->next,
            "the kernel found no root file system: is root= right, are the drivers of the disk and the file system "
            "in the kernel or its initramfs, and was the disk found in the lines before?");
    bool check = r->kind == OOPS_BUG || r->kind == OOPS_WARNING;
    if (check && r->source[0])
        oops_note(r->pool, &v->next, "read the condition at %s%s%s, and the comment there", r->source,
                  r->release[0] ? " of " : "", r->release);
    bool counted = strstr(r->header, "rss-counter") != NULL; /* no page was found bad, only their number */
    if (counted)
        oops_note(r->pool, &v->next,
                  "the pages of a process were counted wrong: its page tables were damaged, or "
                  "mapped and unmapped by a path that does not count alike");
    if (oops_unaligned(r))
        oops_note(r->pool, &v->next,
                  "atomic instructions (set_bit(), locks, counters) and accesses to devices need an address that is a "
                  "multiple of their size: look for a packed structure, or a cast to unsigned long *");
    bool other = oops_in_user_space(r) && (r->kind == OOPS_SOFT_LOCKUP || r->kind == OOPS_RCU_STALL);
    if (other)
        oops_note(r->pool, &v->next,
                  "the kernel was not looping on this CPU: look at what kept the watchdog's thread or the clock from "
                  "running: realtime tasks, a virtual machine that was paused, interrupts that never end");
    other |= r->kind == OOPS_EXTERNAL_ABORT && !strstr(r->header, "xternal") && !strstr(r->header, "SError");
    other |= r->kind == OOPS_BAD_PAGE && strstr(v->headline, "slab allocator") != NULL;
    bool watchdog = r->kind == OOPS_PANIC && strstr(r->header, "Hard LOCKUP") != NULL;
    if (watchdog)
        oops_note(r->pool, &v->next,
                  "look for a loop with interrupts off; the other CPUs' traces show who holds the lock");
    for (unsigned i = 0; i < sizeof(by_kind) / sizeof(by_kind[0]) && !counted && !other; i++)
        if (by_kind[i].kind == r->kind && (r->kind != OOPS_LOCKDEP || oops_starts(r->title, "possible deadlock")))
            oops_note(r->pool, &v->next, "%s", by_kind[i].text);
    symbols(r, v);
}

void oops_next_drop(struct oops_verdict *v, bool kernel, bool module) {
    unsigned kept = 0;
    for (unsigned i = 0; i < v->next.count; i++)
        if (!(kernel && oops_starts(v->next.s[i], FOR_KERNEL)) && !(module && oops_starts(v->next.s[i], FOR_MODULE)))
            v->next.s[kept++] = v->next.s[i];
    v->next.count = kept;
}

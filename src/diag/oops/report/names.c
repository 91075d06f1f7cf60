/*
 * Names of the enumerations of a report and a verdict, as text and JSON have them.
 */
#include <string.h>

#include "diag/oops/verdict/verdict.h"

static const char *const arches[OOPS_ARCHES] = {
    [OOPS_ARCH_UNKNOWN] = "unknown",   [OOPS_ARCH_X86_64] = "x86_64",
    [OOPS_ARCH_I386] = "i386",         [OOPS_ARCH_ARM64] = "arm64",
    [OOPS_ARCH_ARM] = "arm",           [OOPS_ARCH_RISCV] = "riscv",
    [OOPS_ARCH_PPC64] = "ppc64",       [OOPS_ARCH_S390X] = "s390x",
    [OOPS_ARCH_MIPS] = "mips",         [OOPS_ARCH_LOONGARCH] = "loongarch",
    [OOPS_ARCH_PPC] = "ppc",           [OOPS_ARCH_PARISC] = "parisc",
    [OOPS_ARCH_SPARC] = "sparc",       [OOPS_ARCH_M68K] = "m68k",
    [OOPS_ARCH_ALPHA] = "alpha",       [OOPS_ARCH_SH] = "sh",
    [OOPS_ARCH_XTENSA] = "xtensa",     [OOPS_ARCH_ARC] = "arc",
    [OOPS_ARCH_OPENRISC] = "openrisc", [OOPS_ARCH_MICROBLAZE] = "microblaze",
    [OOPS_ARCH_CSKY] = "csky",         [OOPS_ARCH_IA64] = "ia64",
};

static const char *const eras[] = {
    [OOPS_ERA_UNKNOWN] = "unknown",
    [OOPS_ERA_BRACKETED] = "bracketed",
    [OOPS_ERA_BARE] = "bare",
};

static const char *const kinds[OOPS_KINDS] = {
    [OOPS_UNKNOWN] = "unknown",
    [OOPS_NULL_DEREF] = "null-dereference",
    [OOPS_PAGE_FAULT] = "page-fault",
    [OOPS_GPF] = "general-protection-fault",
    [OOPS_DOUBLE_FAULT] = "double-fault",
    [OOPS_STACK_GUARD] = "stack-guard",
    [OOPS_TRAP] = "trap",
    [OOPS_EXTERNAL_ABORT] = "external-abort",
    [OOPS_BUG] = "bug",
    [OOPS_WARNING] = "warning",
    [OOPS_KASAN] = "kasan",
    [OOPS_KCSAN] = "kcsan",
    [OOPS_KMSAN] = "kmsan",
    [OOPS_KFENCE] = "kfence",
    [OOPS_UBSAN] = "ubsan",
    [OOPS_MEMORY_LEAK] = "memory-leak",
    [OOPS_LOCKDEP] = "lockdep",
    [OOPS_ATOMIC_SLEEP] = "atomic-sleep",
    [OOPS_PREEMPTIBLE] = "preemptible",
    [OOPS_HUNG_TASK] = "hung-task",
    [OOPS_SOFT_LOCKUP] = "soft-lockup",
    [OOPS_HARD_LOCKUP] = "hard-lockup",
    [OOPS_RCU_STALL] = "rcu-stall",
    [OOPS_WORKQUEUE_LOCKUP] = "workqueue-lockup",
    [OOPS_LIST_CORRUPTION] = "list-corruption",
    [OOPS_REFCOUNT] = "refcount",
    [OOPS_DEBUG_OBJECT] = "debug-object",
    [OOPS_BAD_PAGE] = "bad-page",
    [OOPS_SLAB] = "slab",
    [OOPS_OUT_OF_MEMORY] = "out-of-memory",
    [OOPS_KOBJECT] = "kobject",
    [OOPS_IRQ] = "irq",
    [OOPS_FILESYSTEM] = "filesystem",
    [OOPS_NETDEV_HELD] = "netdev-held",
    [OOPS_PANIC] = "panic",
    [OOPS_STACK_DUMP] = "stack-dump",
    [OOPS_OTHER] = "other",
};

static const char *const stacks[] = {
    [OOPS_STACK_NONE] = "",   [OOPS_STACK_TASK] = "task",       [OOPS_STACK_IRQ] = "irq",
    [OOPS_STACK_NMI] = "nmi", [OOPS_STACK_SOFTIRQ] = "softirq", [OOPS_STACK_OTHER] = "other",
};

static const char *const trace_kinds[] = {
    [OOPS_TRACE_MAIN] = "main",     [OOPS_TRACE_ALLOC] = "alloc", [OOPS_TRACE_FREE] = "free",
    [OOPS_TRACE_ACCESS] = "access", [OOPS_TRACE_LOCK] = "lock",   [OOPS_TRACE_ORIGIN] = "origin",
    [OOPS_TRACE_CPU] = "cpu",       [OOPS_TRACE_TASK] = "task",   [OOPS_TRACE_RELATED] = "related",
};

static const char *const roles[] = {
    [OOPS_STATE_FAULT] = "fault",         [OOPS_STATE_INTERRUPTED] = "interrupted", [OOPS_STATE_USER] = "user",
    [OOPS_STATE_OTHER_CPU] = "other-cpu", [OOPS_STATE_FIRST_OOPS] = "first-oops",
};

static const char *const accesses[] = {
    [OOPS_ACCESS_UNKNOWN] = "unknown",
    [OOPS_ACCESS_READ] = "read",
    [OOPS_ACCESS_WRITE] = "write",
    [OOPS_ACCESS_EXEC] = "execute",
};

static const char *const confidences[] = {
    [OOPS_CONFIDENCE_NONE] = "none",
    [OOPS_CONFIDENCE_LOW] = "low",
    [OOPS_CONFIDENCE_MEDIUM] = "medium",
    [OOPS_CONFIDENCE_HIGH] = "high",
};

const char *oops_arch_name(enum oops_arch arch) {
    return arches[arch];
}

const char *oops_era_name(enum oops_era era) {
    return eras[era];
}

const char *oops_kind_name(enum oops_kind kind) {
    return kinds[kind];
}

const char *oops_stack_name(enum oops_stack stack) {
    return stacks[stack];
}

const char *oops_trace_kind_name(enum oops_trace_kind kind) {
    return trace_kinds[kind];
}

const char *oops_state_role_name(enum oops_state_role role) {
    return roles[role];
}

const char *oops_access_name(enum oops_access access) {
    return accesses[access];
}

const char *oops_confidence_name(enum oops_confidence confidence) {
    return confidences[confidence];
}

const struct oops_reg *oops_state_reg(const struct oops_state *state, const char *name) {
    for (unsigned i = 0; i < state->reg_count; i++)
        if (!strcmp(state->regs[i].name, name))
            return &state->regs[i];
    return NULL;
}

const struct oops_state *oops_report_fault(const struct oops_report *report) {
    return report->fault_state < 0 ? NULL : &report->states[report->fault_state];
}

const struct oops_trace *oops_report_trace(const struct oops_report *report) {
    return report->main_trace < 0 ? NULL : &report->traces[report->main_trace];
}

void oops_report_free(struct oops_report *report) {
    if (report)
        oops_pool_free(report->pool); /* which holds the report itself */
}

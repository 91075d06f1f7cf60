/*
 * Where in a report of arm64, arm, riscv or powerpc a line stands: the steps in
 * which these kernels print. mixed.c separates reports of several CPUs by them: a
 * line belongs to the report that has got to the step before it.
 *
 * Source: arch/arm64/mm/fault.c (mem_abort_decode, show_pte) and kernel/process.c (__show_regs),
 * arch/arm/kernel/process.c, arch/riscv/kernel/traps.c and process.c, arch/powerpc/kernel/process.c (show_regs).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/oops_int.h"

/* What lines begin with, in the order of printing; a star: what they have in them. */
static const char *const arm64_steps[] = {"Mem abort info",
                                          "ESR = ",
                                          "EC = ",
                                          "SET = ",
                                          "EA = ",
                                          "FSC = ",
                                          "Data abort info",
                                          "ISV = ",
                                          "CM = ",
                                          "GCS = ",
                                          "*pgtable",
                                          "*] pgd=",
                                          "Internal error",
                                          "Modules linked in",
                                          "CPU: ",
                                          "Hardware name",
                                          "Workqueue",
                                          "pstate",
                                          "pc : ",
                                          "lr : ",
                                          "sp : ",
                                          "pmr_save",
                                          NULL};
static const char *const arm_steps[] = {"pgd = ",
                                        "*] *pgd=",
                                        "Internal error",
                                        "Modules linked in",
                                        "CPU: ",
                                        "Hardware name",
                                        "Workqueue",
                                        "PC is at",
                                        "LR is at",
                                        "pc : ",
                                        "sp : ",
                                        "r10: ",
                                        "r7 : ",
                                        "r3 : ",
                                        "Flags:",
                                        "Control:",
                                        "Process ",
                                        "Stack: ",
                                        NULL};
static const char *const riscv_steps[] = {"*pgtable", "Oops ",         "Modules linked in",
                                          "CPU: ",    "Hardware name", "Workqueue",
                                          "epc : ",   "ra : ",         "* ra : ",
                                          "gp :",     "t1 :",          "s1 :",
                                          "a2 :",     "a5 :",          "s2 :",
                                          "s5 :",     "s8 :",          "s11:",
                                          "t5 :",     "status:",       NULL};
static const char *const powerpc_steps[] = {"Faulting instruction",
                                            "Oops: ",
                                            "LE ",
                                            "BE ",
                                            "Modules linked in",
                                            "CPU: ",
                                            "Hardware name",
                                            "Workqueue",
                                            "NIP: ",
                                            "REGS: ",
                                            "MSR: ",
                                            "CFAR: ",
                                            "DAR: ",
                                            "GPR00:",
                                            "GPR04:",
                                            "GPR08:",
                                            "GPR12:",
                                            "GPR16:",
                                            "GPR20:",
                                            "GPR24:",
                                            "GPR28:",
                                            "NIP [",
                                            "LR [",
                                            NULL};

static const char *const *const families[] = {[OOPS_ARCH_ARM64] = arm64_steps,
                                              [OOPS_ARCH_ARM] = arm_steps,
                                              [OOPS_ARCH_RISCV] = riscv_steps,
                                              [OOPS_ARCH_PPC64] = powerpc_steps};

enum oops_arch oops_order_arch(const char *text) {
    if (oops_starts(text, "pstate: ") || oops_starts(text, "ESR = "))
        return OOPS_ARCH_ARM64;
    if (oops_starts(text, "PC is at ") && !strchr(text, '['))
        return OOPS_ARCH_ARM;
    if (oops_starts(text, "epc : "))
        return OOPS_ARCH_RISCV;
    if (oops_starts(text, "NIP: ") || oops_starts(text, "NIP ["))
        return OOPS_ARCH_PPC64;
    return OOPS_ARCH_UNKNOWN;
}

static int named_step(const char *const *steps, const char *text) {
    int found = -1; /* the last one, as "epc : f" comes before "epc : 1234 ra : 5678" */
    for (int i = 0; steps[i]; i++)
        if (steps[i][0] == '*' ? strstr(text, steps[i] + 1) != NULL : oops_starts(text, steps[i]))
            found = i;
    return found;
}

static bool only_hex_words(const char *text) {
    return strspn(text, "0123456789abcdefXx <>") == strlen(text) && strlen(text) > 16;
}

static int register_step(const char *number) {
    unsigned n = (unsigned)atoi(number);
    return OOPS_ORDER_REGISTERS + (n < 31 ? 31 - (int)n : 0);
}

int oops_order_step(enum oops_arch arch, struct oops_pool *pool, const char *text) {
    struct oops_frame_line frame;
    enum oops_trace_kind kind;
    bool bug = arch == OOPS_ARCH_RISCV && oops_starts(text, "Kernel BUG [");
    int step = named_step(families[arch], bug ? "Oops " : text);
    if (step >= 0)
        return step;
    if (arch == OOPS_ARCH_ARM64 && text[0] == 'x' &&
        isdigit((unsigned char)text[1])) /* from the highest to the lowest */
        return register_step(text + 1);
    if (oops_starts(text, "--- interrupt: ") && strstr(text, " at "))
        return OOPS_ORDER_NESTED;
    if (oops_starts(text, "---[ end trace"))
        return OOPS_ORDER_END;
    if (oops_starts(text, "Code:") || oops_starts(text, "Instruction dump:"))
        return OOPS_ORDER_CODE;
    if (only_hex_words(text))
        return arch == OOPS_ARCH_PPC64 ? OOPS_ORDER_WORDS : OOPS_ORDER_STACK;
    if (oops_trace_start(text, &kind))
        return OOPS_ORDER_TRACE;
    if (oops_frame_line(pool, text, &frame) && frame.has_frame)
        return OOPS_ORDER_FRAME;
    return -1;
}

int oops_order_last(enum oops_arch arch, const char *text, int step) {
    const char *last = NULL;
    if (arch != OOPS_ARCH_ARM64 || step < OOPS_ORDER_REGISTERS || step >= OOPS_ORDER_STACK)
        return step;
    for (const char *x = text; (x = strstr(x, " x")) != NULL; x += 2)
        last = x + 2;
    return last && isdigit((unsigned char)*last) ? register_step(last) : step;
}

int oops_order_nested(enum oops_arch arch) {
    return named_step(families[arch], "Workqueue");
}

int oops_order_start(enum oops_arch arch, const char *header) {
    int own = named_step(families[arch], header);
    if (own >= 0) /* no header but that line */
        return own;
    if (strstr(header, "SError Interrupt"))
        return named_step(families[arch], "CPU: ") - 1;
    bool bug = strstr(header, "kernel BUG") != NULL, warning = strstr(header, "WARNING") != NULL;
    const char *before = bug ? (arch == OOPS_ARCH_RISCV   ? "Oops "
                                : arch == OOPS_ARCH_PPC64 ? "Oops: "
                                                          : "Internal error")
                             : "Modules linked in";
    return bug || warning ? named_step(families[arch], before) - 1 : -1;
}

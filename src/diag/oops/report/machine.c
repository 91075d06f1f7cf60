/*
 * Which architecture a report is of: by words that only its kernel prints, by
 * functions that only it has, by addresses of code, by the release's name.
 *
 * Source: show_regs() and die() of every folder in the kernel's arch/, Linux 2.6 to 6.16.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

struct sign {
    const char *words;
    enum oops_arch arch;
};

/* Anywhere in a line. */
static const struct sign words[] = {
    {"RIP: ", OOPS_ARCH_X86_64},         {"RIP  [", OOPS_ARCH_X86_64},    {"EIP: ", OOPS_ARCH_I386},
    {"EIP is at", OOPS_ARCH_I386},       {"*pdpt = ", OOPS_ARCH_I386},    {"*pde = ", OOPS_ARCH_I386},
    {"Mem abort info", OOPS_ARCH_ARM64}, {"pstate: ", OOPS_ARCH_ARM64},   {"ESR = ", OOPS_ARCH_ARM64},
    {" psr: ", OOPS_ARCH_ARM},           {" badaddr: ", OOPS_ARCH_RISCV}, {"Krnl PSW", OOPS_ARCH_S390X},
    {"Krnl GPRS", OOPS_ARCH_S390X},      {" ERA: ", OOPS_ARCH_LOONGARCH}, {"PRMD: ", OOPS_ARCH_LOONGARCH},
    {"IAOQ[0]: ", OOPS_ARCH_PARISC},     {"IASQ: ", OOPS_ARCH_PARISC},    {"RP(r2): ", OOPS_ARCH_PARISC},
    {"TSTATE: ", OOPS_ARCH_SPARC},       {"TPC: <", OOPS_ARCH_SPARC},     {"excvaddr: ", OOPS_ARCH_XTENSA},
};

/* At the beginning of a line. */
static const struct sign beginnings[] = {
    {"PSR: 0x", OOPS_ARCH_CSKY},    {"PSR: ", OOPS_ARCH_SPARC},        {"PR is at ", OOPS_ARCH_SH},
    {"ra is at ", OOPS_ARCH_ALPHA}, {"Frame format=", OOPS_ARCH_M68K}, {"psr : ", OOPS_ARCH_IA64},
    {"ip is at ", OOPS_ARCH_IA64},  {"ECR: 0x", OOPS_ARCH_ARC},        {"[BLINK ]: ", OOPS_ARCH_ARC},
    {"[ECR ", OOPS_ARCH_ARC},       {"era ", OOPS_ARCH_LOONGARCH},     {"Registers dump: mode=", OOPS_ARCH_MICROBLAZE},
};

static bool is_powerpc(const char *text) {
    return oops_starts(text, "NIP: ") || oops_starts(text, "NIP [") || oops_starts(text, "NIP  [") ||
           oops_starts(text, "NIP:  ") || oops_starts(text, "MSR: ");
}

/* powerpc prints words of 16 digits, or of 8. openrisc has the same names for its registers. */
static enum oops_arch by_width(const char *text) {
    const char *digits = strpbrk(text, "[:");
    digits = digits ? oops_blanks(digits + 1) : text;
    size_t n = strspn(digits, "0123456789abcdefABCDEF");
    if (n == 8)
        return strstr(text, " GPR01: ") ? OOPS_ARCH_OPENRISC : OOPS_ARCH_PPC;
    return n == 16 ? OOPS_ARCH_PPC64 : OOPS_ARCH_UNKNOWN;
}

/* "epc : f+0x1/0x2", "epc : addr ra : addr" of riscv; "epc   : addr f+0x1/0x2" of mips, where blanks may be lost */
static enum oops_arch by_epc(const char *text) {
    const char *s = oops_starts(text, "epc ") ? oops_blanks(text + 4) : "";
    uint64_t ignored;
    if (*s++ != ':')
        return OOPS_ARCH_UNKNOWN;
    s = oops_blanks(s);
    bool number = oops_hex(&s, &ignored) && *s == ' ' && !strstr(s, "ra :");
    return number && strstr(s, "+0x") ? OOPS_ARCH_MIPS : OOPS_ARCH_RISCV;
}

enum oops_arch oops_arch_of_line(const char *text) {
    text = oops_blanks(text);
    if (is_powerpc(text) || oops_starts(text, "GPR00: "))
        return by_width(text);
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i].words))
            return words[i].arch;
    for (unsigned i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (oops_starts(text, beginnings[i].words))
            return beginnings[i].arch;
    return by_epc(text);
}

/* By the name that distributions give their kernels. */
static enum oops_arch by_release(const char *release) {
    static const struct sign signs[] = {
        {"x86_64", OOPS_ARCH_X86_64}, {"amd64", OOPS_ARCH_X86_64},    {"i686", OOPS_ARCH_I386},
        {"i586", OOPS_ARCH_I386},     {"-686", OOPS_ARCH_I386},       {"aarch64", OOPS_ARCH_ARM64},
        {"arm64", OOPS_ARCH_ARM64},   {"armv7", OOPS_ARCH_ARM},       {"armmp", OOPS_ARCH_ARM},
        {"riscv64", OOPS_ARCH_RISCV}, {"ppc64", OOPS_ARCH_PPC64},     {"s390x", OOPS_ARCH_S390X},
        {"parisc", OOPS_ARCH_PARISC}, {"sparc64", OOPS_ARCH_SPARC},   {"alpha-", OOPS_ARCH_ALPHA},
        {"m68k", OOPS_ARCH_M68K},     {"loong", OOPS_ARCH_LOONGARCH}, {"powerpc", OOPS_ARCH_PPC},
        {"itanium", OOPS_ARCH_IA64},  {"mckinley", OOPS_ARCH_IA64}};
    for (unsigned i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strstr(release, signs[i].words))
            return signs[i].arch;
    return OOPS_ARCH_UNKNOWN;
}

/* The kernel image of x86-64 lies where no other architecture has code; modules of others may be close to it. */
static enum oops_arch by_address(const struct oops_symbol *sym) {
    if (sym->has_address && sym->name[0] && sym->address >= 0xffffffff81000000 && sym->address < 0xffffffffff000000)
        return OOPS_ARCH_X86_64;
    return OOPS_ARCH_UNKNOWN;
}

/* By functions that only one architecture has. */
static enum oops_arch by_function(const char *name) {
    static const struct sign signs[] = {{"entry_SYSCALL_64", OOPS_ARCH_X86_64},
                                        {"x86_64", OOPS_ARCH_X86_64},
                                        {"do_syscall_64", OOPS_ARCH_X86_64},
                                        {"ret_from_fork_asm", OOPS_ARCH_X86_64},
                                        {"asm_sysvec", OOPS_ARCH_X86_64},
                                        {"entry_INT80", OOPS_ARCH_I386},
                                        {"secondary_startup_64", OOPS_ARCH_X86_64},
                                        {"el0t_64", OOPS_ARCH_ARM64},
                                        {"el0_svc", OOPS_ARCH_ARM64},
                                        {"el1h_64", OOPS_ARCH_ARM64},
                                        {"__primary_switched", OOPS_ARCH_ARM64},
                                        {"ret_fast_syscall", OOPS_ARCH_ARM},
                                        {"__dabt_svc", OOPS_ARCH_ARM},
                                        {"__irq_svc", OOPS_ARCH_ARM},
                                        {"do_trap_ecall", OOPS_ARCH_RISCV},
                                        {"system_call_fastpath", OOPS_ARCH_X86_64},
                                        {"sysenter_do_call", OOPS_ARCH_I386},
                                        {"sysenter_past_esp", OOPS_ARCH_I386},
                                        {"start_here_common", OOPS_ARCH_PPC64},
                                        {"system_call_vectored_common", OOPS_ARCH_PPC64},
                                        {"ret_from_kernel_user_thread", OOPS_ARCH_PPC64},
                                        {"start_parisc", OOPS_ARCH_PARISC},
                                        {"intr_check_sig", OOPS_ARCH_PARISC},
                                        {"do_cpu_irq_mask", OOPS_ARCH_PARISC},
                                        {"plat_irq_dispatch", OOPS_ARCH_MIPS},
                                        {"tlb_do_page_fault_", OOPS_ARCH_MIPS},
                                        {"handle_sys64", OOPS_ARCH_MIPS},
                                        {"handle_sysn32", OOPS_ARCH_MIPS},
                                        {"pgm_check_handler", OOPS_ARCH_S390X},
                                        {"io_int_handler", OOPS_ARCH_S390X},
                                        {"ext_int_handler", OOPS_ARCH_S390X},
                                        {"rtrap_no_irq_enable", OOPS_ARCH_SPARC},
                                        {"linux_sparc_syscall", OOPS_ARCH_SPARC}};
    for (unsigned i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strstr(name, signs[i].words))
            return signs[i].arch;
    return OOPS_ARCH_UNKNOWN;
}

enum oops_arch oops_arch_of_frames(const struct oops_report *r) {
    for (unsigned t = 0; t < r->trace_count; t++)
        for (unsigned f = 0; f < r->traces[t].count; f++) {
            enum oops_arch arch = by_function(r->traces[t].frames[f].sym.name);
            if (arch != OOPS_ARCH_UNKNOWN)
                return arch;
        }
    for (unsigned t = 0; t < r->trace_count; t++)
        for (unsigned f = 0; f < r->traces[t].count; f++) {
            enum oops_arch arch = by_address(&r->traces[t].frames[f].sym);
            if (arch != OOPS_ARCH_UNKNOWN)
                return arch;
            if (r->traces[t].frames[f].inner[0])
                return OOPS_ARCH_ARM; /* "(f) from (g)" */
        }
    return by_release(r->release);
}

bool oops_arch_is_32bit(enum oops_arch arch) {
    switch (arch) {
    case OOPS_ARCH_I386:
    case OOPS_ARCH_ARM:
    case OOPS_ARCH_PPC:
    case OOPS_ARCH_M68K:
    case OOPS_ARCH_SH:
    case OOPS_ARCH_XTENSA:
    case OOPS_ARCH_ARC:
    case OOPS_ARCH_OPENRISC:
    case OOPS_ARCH_MICROBLAZE:
    case OOPS_ARCH_CSKY:
        return true;
    default:
        return false;
    }
}

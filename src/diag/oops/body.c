/*
 * Lines that only reports have. A report is over when such lines stop coming,
 * so this errs on the side of too many.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

/* What such lines begin with. */
static const char *const beginnings[] = {
    "RIP",
    "EIP",
    "IP: ",
    "Code:",
    "CPU:",
    "CPU ",
    "Pid:",
    "Modules linked",
    "Hardware name",
    "Call Trace",
    "Call trace",
    "Backtrace",
    "backtrace",
    "Stack:",
    "Stack from",
    "<IRQ>",
    "</IRQ>",
    "<TASK>",
    "</TASK>",
    "<NMI>",
    "<EOI>",
    "Oops",
    "#PF",
    "PGD",
    "pgd",
    "*pdpt",
    "*pde",
    "*pgd",
    "Process ",
    "task: ",
    "task:",
    "Workqueue:",
    "EFLAGS",
    "Tainted",
    "Not tainted",
    "Mem abort",
    "Data abort",
    "ESR",
    "EC = ",
    "SET = ",
    "EA = ",
    "FSC = ",
    "ISV = ",
    "CM = ",
    "GCS = ",
    "user pgtable",
    "swapper pgtable",
    "Internal error",
    "pstate",
    "pc : ",
    "lr : ",
    "sp : ",
    "PC is at",
    "LR is at",
    "epc : ",
    "Flags: ",
    "Control: ",
    "status: ",
    "---[ end",
    "Kernel Offset",
    "Kernel panic",
    "Allocated",
    "Freed",
    "Memory state",
    "The buggy",
    "which belongs",
    "page:",
    "page last",
    "raw: ",
    "flags: ",
    "Read of size",
    "Write of size",
    "Showing all",
    "other info",
    "stack backtrace",
    "the existing",
    "but task",
    "which lock",
    "-> #",
    "#0:",
    "#1:",
    "#2:",
    "*** DEADLOCK",
    "Possible ",
    "Chain exists",
    "locks held",
    "irq event",
    "hardirqs last",
    "softirqs last",
    "NMI backtrace",
    "Sending NMI",
    "rcu: ",
    "Disabling lock",
    "note: ",
    "Last potentially",
    "Uninit was",
    "Reported by Kernel",
    "value changed",
    "NIP",
    "LR ",
    "Object ",
    "Slab 0x",
    "Redzone ",
    "Padding ",
    "First byte ",
    "caller is ",
    "IAOQ",
    "IASQ",
    "PSW",
    "RP(r2)",
    "IIR",
    "ERA:",
    "TPC",
    "epc ",
    "GPR",
    "XER",
    "Krnl",
    "Faulting",
    "BE ",
    "LE ",
    "Instruction dump",
    "unreferenced object",
    "comm ",
    "hex dump",
    "r0:",
    "CR2:",
    "RSP",
    "FS:",
    "CS:",
    "DR0",
    "DR3",
    "PKRU",
    "KERNEL",
    "invalid opcode",
    "Rebooting in",
    "Dumping ftrace",
    "kernel BUG",
    "Exception stack",
    "Register r",
    "swapper",
    "Trace:",
    "last function:",
    "page dumped",
    "addr:",
    "CPU0",
    "lock(",
    "<Interrupt>",
    "#3:",
    "#4:",
    "#5:",
    "Fixing recursive",
    "Recommend",
    "echo 0 >",
    "\"echo 0",
};

static bool is_frame(const char *text) {
    const char *off = strstr(text, "+0x");
    return (off && strstr(off, "/0x")) || oops_decoded_frame(text);
}

static bool hex_word_line(const char *text) {
    unsigned words = 0;
    const char *s = oops_blanks(text);
    size_t address = strspn(s, "0123456789abcdef"); /* "8020: e07281d8 00000000": a stack of arm */
    if (address >= 4 && s[address] == ':')
        s = oops_blanks(s + address + 1);
    for (; *s; s = oops_blanks(s)) {
        size_t n = strspn(s, "0123456789abcdef?");
        if ((n != 2 && n != 4 && n != 8 && n != 16) || (s[n] && s[n] != ' '))
            return false;
        s += n;
        words++;
    }
    return words >= 3;
}

static bool register_line(const char *text) {
    struct oops_state state = {.reg_count = 0};
    enum oops_arch arch = OOPS_ARCH_UNKNOWN;
    return oops_regs_line(text, &state, &arch) >= 2;
}

bool oops_body_begins(const char *text) {
    for (unsigned i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (oops_starts(text, beginnings[i]))
            return true;
    return false;
}

bool oops_body_line(const char *text) {
    if (is_frame(text) || oops_body_begins(text))
        return true;
    if (text[0] == '[' && text[1] == '<')
        return true;
    return hex_word_line(text) || register_line(text);
}

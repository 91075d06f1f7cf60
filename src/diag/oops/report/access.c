/*
 * The lines that say which address was touched, and how: in the words of each
 * architecture, and in bits of registers where it has no words for it.
 *
 * Source: show_fault_oops() in arch/x86/mm/fault.c, mem_abort_decode() in arch/arm64/mm/fault.c, bad_page_fault() in
 * arch/powerpc/mm/fault.c, dump_fault_info() in arch/s390/mm/fault.c, parisc_terminate() in arch/parisc/kernel/traps.c,
 * __show_regs() in arch/mips/kernel/traps.c and arch/loongarch/kernel/traps.c, show_ecr_verbose() in
 * arch/arc/kernel/troubleshoot.c; mm/kasan/report.c. Power ISA, DSISR; z/Architecture, translation-exception
 * identification; MIPS32 PRA, Cause.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

static void set_access(struct oops_report *r, enum oops_access access) {
    if (r->access == OOPS_ACCESS_UNKNOWN)
        r->access = access;
}

/* False: no address there. The first one counts. */
static bool set_address(struct oops_report *r, const char *s) {
    s = oops_blanks(s);
    uint64_t value = 0;
    if (!oops_starts(s, "(null)") && !oops_starts(s, "<null>") && !oops_hex(&s, &value))
        return false;
    if (!r->has_fault_address) {
        r->has_fault_address = true;
        r->fault_address = value;
    }
    return true;
}

/* ---- Words ---- */

/* Words and the address behind them. */
static const struct {
    const char *words;
    enum oops_access access;
} addresses[] = {
    {"at virtual address ", OOPS_ACCESS_UNKNOWN},
    {"at virtual addr ", OOPS_ACCESS_UNKNOWN},
    {"dereference, address: ", OOPS_ACCESS_UNKNOWN},
    {"for address: ", OOPS_ACCESS_UNKNOWN},
    {"dereference at ", OOPS_ACCESS_UNKNOWN},
    {"at virtual kernel address ", OOPS_ACCESS_UNKNOWN},
    {"at virtual user address ", OOPS_ACCESS_UNKNOWN},
    {"paging request at ", OOPS_ACCESS_UNKNOWN},
    {"canonical address ", OOPS_ACCESS_UNKNOWN},
    {"for address ", OOPS_ACCESS_UNKNOWN},
    {"data access on read at ", OOPS_ACCESS_READ},
    {"data access on write at ", OOPS_ACCESS_WRITE},
    {"data access at ", OOPS_ACCESS_UNKNOWN},
    {"data at address ", OOPS_ACCESS_UNKNOWN},
    {"unaligned access at address ", OOPS_ACCESS_UNKNOWN},
    {"unaligned access at ", OOPS_ACCESS_UNKNOWN},
    {"unknown paging fault at ", OOPS_ACCESS_UNKNOWN},
    {"badaddr: ", OOPS_ACCESS_UNKNOWN},
    {"maybe for address ", OOPS_ACCESS_UNKNOWN},
    {"dereference on read at ", OOPS_ACCESS_READ},
    {"dereference on write at ", OOPS_ACCESS_WRITE},
    {"dereference (address ", OOPS_ACCESS_UNKNOWN},
    {"Invalid Read @ ", OOPS_ACCESS_READ},
    {"Invalid Write @ ", OOPS_ACCESS_WRITE},
    {"Invalid EX @ ", OOPS_ACCESS_UNKNOWN},
    {"excvaddr: ", OOPS_ACCESS_UNKNOWN},
    {"Kernel mode fault at addr ", OOPS_ACCESS_UNKNOWN},
};

/* Words that tell only how. */
static bool access_words(struct oops_report *r, const char *text) {
    static const struct {
        const char *words;
        enum oops_access access;
    } forms[] = {
        {"Unable to handle kernel instruction fetch", OOPS_ACCESS_EXEC},
        {"paging request for instruction fetch", OOPS_ACCESS_EXEC},
        {"kernel tried to execute ", OOPS_ACCESS_EXEC},
        {"Unhandled prefetch abort", OOPS_ACCESS_EXEC},
        {"Unable to handle kernel execut", OOPS_ACCESS_EXEC},
        {"Unable to handle kernel read from ", OOPS_ACCESS_READ},
        {"Unable to handle kernel write to ", OOPS_ACCESS_WRITE},
        {"Kernel attempted to read user page", OOPS_ACCESS_READ},
        {"Kernel attempted to write user page", OOPS_ACCESS_WRITE},
    };
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (strstr(text, forms[i].words)) {
            set_access(r, forms[i].access);
            return true;
        }
    return false;
}

/* "Unhandled fault: page domain fault (0x81b) at 0x00000010" */
static bool arm_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, "Unhandled fault: "), *code = NULL;
    s = s ? s : oops_after(text, "Unhandled prefetch abort: ");
    code = s ? oops_after(s, " (0x") : NULL;
    if (!code)
        return false;
    if (!r->has_error_code)
        r->has_error_code = oops_hex(&code, &r->error_code);
    const char *at = oops_after(code, "at 0x");
    if (at)
        set_address(r, at);
    return true;
}

/* "Kernel Fault: Code=26 (Data memory access rights trap) at addr 0000000000000010": parisc's numbers of traps */
static bool parisc_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, ": Code="), *at = s ? oops_after(s, " at addr ") : NULL;
    s = s ? s : oops_after(text, "(null pointer deref?): Code=");
    uint64_t code;
    if (!s || !oops_decimal(&s, &code))
        return false;
    at = at ? at : oops_after(s, "(Addr=");
    if (code == 6 || code == 7 || code == 16)
        set_access(r, OOPS_ACCESS_EXEC);
    if (at)
        set_address(r, at);
    return true;
}

/* "Failing address: 0000000000000000 TEID: 0000000000000483": of the page; how it was touched is in bits 52 and 53. */
static bool s390_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, "Failing address: "), *teid = s ? oops_after(s, "TEID: ") : NULL;
    uint64_t value;
    if (!s)
        return false;
    set_address(r, s);
    if (teid && oops_hex(&teid, &value) && (value & 0xc00) && (value & 0xc00) != 0xc00)
        set_access(r, value & 0x400 ? OOPS_ACCESS_WRITE : OOPS_ACCESS_READ);
    return true;
}

/* "DAR: 0000000000000010 DSISR: 42000000 ": powerpc; what it says of a data access only. */
static bool powerpc_line(struct oops_report *r, const char *text) {
    const char *dar = oops_after(text, "DAR: "), *dsisr = dar ? oops_after(dar, "DSISR: ") : NULL;
    uint64_t value;
    if (!dsisr || !oops_hex(&dsisr, &value))
        return false;
    bool fault = strstr(r->header, "nable to handle") || strstr(r->header, "bad area") || strstr(r->header, "NULL");
    if (!fault || r->access == OOPS_ACCESS_EXEC)
        return false;
    set_address(r, dar);
    set_access(r, value & 0x02000000 ? OOPS_ACCESS_WRITE : OOPS_ACCESS_READ);
    return false; /* there is more in the line */
}

/* "Faulting instruction address: 0x00000000": powerpc; what it touched, if it was to be executed */
static bool instruction_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, "Faulting instruction address: ");
    if (s && r->access == OOPS_ACCESS_EXEC)
        set_address(r, s);
    return s != NULL;
}

/* "Cause : 0080000c (ExcCode 03)", "BadVA : 00000010" of mips; "ExcCode : 2 (SubCode 0)", "BADV: ", "[PIS] (.. ECode=2
 * .." */
static bool mips_line(struct oops_report *r, const char *text) {
    const char *code = oops_starts(text, "Cause :")     ? oops_after(text, "(ExcCode ")
                       : oops_starts(text, "ExcCode :") ? text + strlen("ExcCode :")
                       : oops_starts(text, "ESTAT: ")   ? oops_after(text, "ECode=")
                                                        : NULL;
    bool mips = oops_starts(text, "Cause :");
    uint64_t value;
    if (oops_starts(text, "BadVA :"))
        set_address(r, text + strlen("BadVA :"));
    else if (oops_starts(text, "BADV: "))
        set_address(r, text + strlen("BADV: "));
    if (!code)
        return oops_starts(text, "BadVA :") || oops_starts(text, "BADV: ");
    code = oops_blanks(code);
    if (!oops_hex(&code, &value))
        return false;
    bool load = value == (mips ? 2 : 1), store = value == (mips ? 3 : 2) || (mips ? value == 1 : value == 4);
    if (load || store)
        set_access(r, store ? OOPS_ACCESS_WRITE : OOPS_ACCESS_READ);
    else if (!mips && value == 3)
        set_access(r, OOPS_ACCESS_EXEC);
    return true;
}

/* "ECR: 0x00050200 EFA: 0x00000020 ERET: 0x81a2c118": arc's vectors 5 and 6 are of data, below is how it was touched */
static bool arc_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, "ECR: 0x"), *efa = s ? oops_after(s, "EFA: 0x") : NULL;
    uint64_t cause;
    if (!efa || !oops_hex(&s, &cause))
        return false;
    if (cause >> 16 == 5 || cause >> 16 == 6) {
        set_address(r, efa);
        set_access(r, (cause >> 8 & 0xff) == 2 ? OOPS_ACCESS_WRITE : OOPS_ACCESS_READ);
    }
    return true;
}

bool oops_address_line(struct oops_report *r, const char *text) {
    bool any = access_words(r, text);
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        const char *s = oops_after(text, addresses[i].words);
        if (!s || !set_address(r, s))
            continue;
        if (addresses[i].access != OOPS_ACCESS_UNKNOWN)
            set_access(r, addresses[i].access);
        return true;
    }
    any |= arm_line(r, text) || parisc_line(r, text) || s390_line(r, text) || arc_line(r, text) || mips_line(r, text) ||
           instruction_line(r, text);
    return any | powerpc_line(r, text);
}

/* ---- Lines of their own ---- */

/* "#PF: supervisor write access in kernel mode", "#PF error: [normal kernel read fault]", "[WRITE]" */
static bool pf_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, "#PF");
    if (!s)
        return false;
    const char *code = oops_after(s, "error_code(");
    if (code && oops_hex(&code, &r->error_code))
        r->has_error_code = true;
    if (strstr(s, "instruction fetch") || strstr(s, "INSTR"))
        set_access(r, OOPS_ACCESS_EXEC);
    else if (strstr(s, " write ") || strstr(s, "[WRITE]"))
        set_access(r, OOPS_ACCESS_WRITE);
    else if (strstr(s, " read "))
        set_access(r, OOPS_ACCESS_READ);
    return true;
}

/* "Read of size 8 at addr ffff... by task x/12" of KASAN */
static bool kasan_access_line(struct oops_report *r, const char *text) {
    static const struct {
        const char *words;
        enum oops_access access;
    } forms[] = {{"Read of size ", OOPS_ACCESS_READ},
                 {"Write of size ", OOPS_ACCESS_WRITE},
                 {"Read at addr ", OOPS_ACCESS_READ},
                 {"Write at addr ", OOPS_ACCESS_WRITE}};
    for (unsigned i = 0; i < 4; i++) {
        const char *s = oops_after(text, forms[i].words);
        if (!s)
            continue;
        set_access(r, forms[i].access);
        if (i < 2 && !r->access_size_known)
            r->access_size_known = oops_decimal(&s, &r->access_size);
        const char *addr = oops_after(text, " at addr "), *task = oops_after(text, "by task ");
        if (addr)
            set_address(r, addr);
        if (task && !r->comm[0]) { /* "comm/pid", where comm may have slashes too */
            const char *slash = strrchr(task, '/');
            if (slash) {
                r->comm = oops_pool_strn(r->pool, task, (size_t)(slash - task));
                oops_take_number(slash + 1, &r->pid);
            }
        }
        return true;
    }
    return false;
}

/* "ESR = 0x96000004", "WnR = 1" of arm64 */
static bool arm64_line(struct oops_report *r, const char *text) {
    const char *esr = oops_after(text, "ESR = "), *wnr = oops_after(text, "WnR = "), *ec = oops_after(text, "EC = ");
    if (esr && oops_hex(&esr, &r->error_code))
        r->has_error_code = true;
    if (ec && strstr(ec, "IABT"))
        set_access(r, OOPS_ACCESS_EXEC);
    if (wnr && !oops_starts(wnr, "1") && r->has_error_code)
        set_access(r, OOPS_ACCESS_READ);
    else if (wnr)
        set_access(r, OOPS_ACCESS_WRITE);
    return esr || wnr || ec;
}

bool oops_access_line(struct oops_report *r, const char *text) {
    if (pf_line(r, text) || kasan_access_line(r, text))
        return true;
    bool arm64 = oops_starts(text, "ESR") || strstr(text, "WnR = ") || oops_starts(text, "EC = ");
    return arm64 && arm64_line(r, text);
}

/*
 * Reports of several CPUs that were printed at once, line by line, by a kernel
 * that does not say who printed (no CONFIG_PRINTK_CALLER): telling them apart by
 * their content.
 *
 * A report prints each of its parts once and in an order. So a line goes to the
 * report that still lacks this part: the CPU line to the one whose header names
 * that CPU or that has none yet, RDX behind the RAX of the one that had got so
 * far, frames to the one whose trace has begun. Whether reports are mixed at all
 * is shown by a part that is there twice although one report misses it.
 *
 * Simplified: where both are being printed at the same time and lack the same part,
 * they are taken to print in turn.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/oops_int.h"

enum part {
    PART_OTHER,
    PART_FAULT, /* "#PF", "PGD" */
    PART_DIE,
    PART_CPU,
    PART_HARDWARE,
    PART_MODULES,
    PART_PC,
    PART_CODE,
    PART_REG, /* its rank tells which */
    PART_TRACE,
    PART_FRAME,
    PART_USER, /* "RIP: 0033:": behind the trace */
    PART_END,
    PARTS
};

struct seen {
    unsigned count[PARTS];
    int rank; /* of the last register line, or the last step */
    bool after_user;
    unsigned last;  /* number of the last line it got */
    uint64_t stack; /* that its frames are on; 0: not known */
};

static int rank_of_register(const char *text) {
    static const char *const order[] = {"RSP", "RAX",  "RDX", "RBP", "R10", "R13", "FS",  "CS",  "CR2",   "DR0",
                                        "DR3", "PKRU", "EIP", "EAX", "ESI", "DS",  "CR0", "epc", "gp",    "t1",
                                        "s1",  "a2",   "a5",  "s2",  "s5",  "s8",  "s11", "t5",  "status"};
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        size_t n = strlen(order[i]);
        if (oops_starts(text, order[i]) && (text[n] == ':' || (text[n] == ' ' && text[n + 1] == ':')))
            return (int)i;
    }
    if (oops_starts(text, "sp : "))
        return 0;
    size_t digits = text[0] == 'x' || text[0] == 'r' ? strspn(text + 1, "0123456789") : 0;
    if (digits == 1 || digits == 2)
        return 100 - atoi(text + 1); /* from the highest to the lowest */
    return -1;
}

static bool user_pc(const char *text) {
    return oops_starts(text, "RIP: 0033") || oops_starts(text, "RIP: 0023");
}

static enum part part_of(struct oops_pool *pool, const char *text, int *rank) {
    struct oops_symbol sym;
    struct oops_frame_line frame;
    enum oops_trace_kind kind;
    *rank = rank_of_register(text);
    if (*rank >= 0)
        return PART_REG;
    if (user_pc(text))
        return PART_USER;
    if (oops_starts(text, "#PF") || oops_starts(text, "PGD ") || oops_starts(text, "Faulting instruction"))
        return PART_FAULT;
    if (strstr(text, "[#") && (strstr(text, "Oops") || strstr(text, "invalid opcode") || strstr(text, "error")))
        return PART_DIE;
    if ((oops_starts(text, "CPU: ") || oops_starts(text, "Pid: ")) && (strstr(text, "omm: ")))
        return PART_CPU;
    if (oops_starts(text, "Hardware name"))
        return PART_HARDWARE;
    if (oops_starts(text, "Modules linked in"))
        return PART_MODULES;
    if (oops_starts(text, "Code:"))
        return PART_CODE;
    if (oops_starts(text, "---[ end trace"))
        return PART_END;
    if (oops_trace_start(text, &kind))
        return PART_TRACE;
    if (oops_pc_line(pool, text, &sym))
        return PART_PC;
    if (oops_frame_line(pool, text, &frame) && frame.has_frame)
        return PART_FRAME;
    return PART_OTHER;
}

/* Parts that a report prints once. */
static bool once(enum part part) {
    return part == PART_CPU || part == PART_PC || part == PART_TRACE || part == PART_DIE || part == PART_MODULES ||
           part == PART_HARDWARE || part == PART_CODE;
}

static bool has_line(const struct oops_report *r, const char *text) {
    for (unsigned i = 0; i < r->line_count; i++)
        if (!strcmp(r->lines[i].text, text))
            return true;
    return false;
}

/* How well a line fits a report that has got as far as `seen`; negative: it has one already. */
static int fit(const struct seen *seen, const struct oops_report *r, enum part part, int rank, const char *text) {
    if (seen->count[PART_END])
        return -3;
    if (part == PART_REG || (part == PART_CODE && seen->after_user)) {
        if (!seen->count[PART_PC] && !seen->after_user)
            return -1;
        return rank > seen->rank ? 100 - (rank - seen->rank) : -2; /* the nearer, the better */
    }
    if (part == PART_FRAME)
        return !seen->count[PART_TRACE] || seen->after_user ? -2 : has_line(r, text) ? 0 : 3;
    if (part == PART_USER || part == PART_END)
        return seen->count[PART_FRAME] && !seen->after_user ? 3 : seen->count[PART_FRAME] ? 2 : -1;
    if (once(part) && seen->count[part])
        return -2;
    if (part == PART_TRACE) /* behind the registers, where there are any */
        return seen->count[PART_REG] ? 4 : seen->count[PART_PC] ? 2 : seen->count[PART_CPU] ? 3 : 1;
    if (part == PART_CODE)
        return seen->count[PART_PC] ? 4 : -1;
    if (part == PART_PC)
        return seen->count[PART_CPU] ? 4 : 2;
    return 1;
}

static void note(struct seen *seen, enum part part, int rank) {
    seen->count[part]++;
    if (part == PART_REG)
        seen->rank = rank;
    if (part == PART_USER) {
        seen->after_user = true;
        seen->rank = -1;
    }
}

/* A warning's header says where it was printed; so does the CPU line. */
static const char *header_cpu(const struct oops_report *r) {
    const char *words = strstr(r->header, "CPU: ");
    return words && strstr(words, " at ") ? words : NULL;
}

static bool names_cpu(const struct oops_report *r, const char *cpu_line) {
    const char *words = header_cpu(r);
    const char *at = words ? strstr(words, " at ") : NULL;
    if (!at)
        return false;
    const char *pid = strstr(words, "PID: "), *other = strstr(cpu_line, "PID: ");
    return pid && other && atoll(pid + 5) == atoll(other + 5) && atoll(words + 5) == atoll(cpu_line + 5);
}

/* The header of a warning names where it is, "f+0x1/0x2", as its RIP line does: 1 if this is that, 0: another, -1: no
 * name. */
static int names_place(const struct oops_report *r, const char *pc_line) {
    const char *plus = strstr(r->header, "+0x"), *start = plus;
    if (!plus || !header_cpu(r))
        return -1;
    while (start > r->header && oops_is_word(start[-1]))
        start--;
    size_t n = (size_t)(plus - start) + strcspn(plus, " \t");
    return memmem(pc_line, strlen(pc_line), start, n) != NULL;
}

/* ---- By the steps of order.c ---- */

/* The machine that the lines of the last report are of, if order.c knows it. */
static enum oops_arch arch_of(const struct oops_report *r) {
    enum oops_arch arch = OOPS_ARCH_UNKNOWN;
    for (unsigned i = 1; i < r->line_count && arch == OOPS_ARCH_UNKNOWN; i++)
        arch = oops_order_arch(r->lines[i].text);
    return arch;
}

static bool repeats(int step) {
    return step == OOPS_ORDER_FRAME || step == OOPS_ORDER_NESTED || step == OOPS_ORDER_WORDS ||
           step == OOPS_ORDER_STACK;
}

static int64_t pid_of(const char *cpu_line) {
    const char *pid = oops_after(cpu_line, "PID: ");
    return pid ? atoll(pid) : -1;
}

/* Whether the last report has a step twice. What a panic prints of the task that is there is no second one. */
static bool steps_are_mixed(enum oops_arch arch, const struct oops_report *last) {
    bool seen[OOPS_ORDER_STEPS] = {false}, panicked = false;
    int64_t pid = -1;
    for (unsigned i = 1; i < last->line_count; i++) {
        const char *text = last->lines[i].text;
        int step = oops_order_step(arch, last->pool, text);
        panicked |= oops_starts(text, "Kernel panic");
        if (step == OOPS_ORDER_NESTED) /* the registers come again */
            memset(seen, 0, sizeof(seen));
        if (step < 0 || repeats(step) || step == OOPS_ORDER_END)
            continue;
        bool cpu = oops_starts(text, "CPU: ");
        if (seen[step] && (!panicked || (cpu && pid_of(text) != pid)))
            return true;
        seen[step] = true;
        pid = cpu ? pid_of(text) : pid;
    }
    return false;
}

/* Of powerpc's frames, "[c000000000001234] [c000000000005678] f+0x1/0x2", which stack; 0: not told. */
static uint64_t stack_of(const char *text) {
    uint64_t sp;
    const char *p = text + 1;
    return text[0] == '[' && oops_hex(&p, &sp) && p - text == 17 && strncmp(p, "] [", 3) == 0 ? sp >> 14 : 0;
}

/* Whether the report has a line with these words and, behind them, the value. */
static bool has_value(const struct oops_report *r, const char *words, uint64_t value) {
    for (unsigned i = 0; i < r->line_count; i++) {
        const char *p = oops_after(r->lines[i].text, words);
        uint64_t other;
        if (p && oops_hex(&p, &other) && other == value)
            return true;
    }
    return false;
}

/* Lines that quote what only one report has said: 1 if this has, 0: it has not, -1: nothing is quoted. */
static int quotes(const struct oops_report *r, const char *text) {
    uint64_t value;
    const char *p = text + 1, *code = oops_after(text, "Internal error: Oops: ");
    if (text[0] == '[' && oops_hex(&p, &value) && *p == ']' && strstr(p, "pgd="))
        return has_value(r, "virtual address ", value);
    if (code && oops_hex(&code, &value))
        return has_value(r, "ESR = ", value) ? 1 : -1;
    bool bug = strstr(r->header, "kernel BUG") != NULL;
    if (strstr(text, "Oops - BUG") || oops_starts(text, "Kernel BUG ["))
        return bug;
    if (oops_starts(text, "Oops [#"))
        return bug ? 0 : -1;
    const char *bad = oops_after(text, "badaddr: "), *address = oops_after(r->header, "virtual address ");
    if (bad && address && oops_hex(&bad, &value))
        return has_value(r, "virtual address ", value);
    return -1;
}

/* How well a line fits a report; negative: not at all. */
static int step_fit(const struct seen *seen, const struct oops_report *r, int step, const char *text) {
    uint64_t stack = stack_of(text);
    if (step == OOPS_ORDER_FRAME && stack && seen->stack)
        return stack == seen->stack && seen->rank <= step ? 200 : -1;
    if (step < seen->rank || (step == seen->rank && !repeats(step)))
        return -1;
    if (oops_starts(text, "CPU: ") && header_cpu(r))
        return names_cpu(r, text) ? 200 : -1;
    bool pc = oops_starts(text, "pc : ") || oops_starts(text, "epc : ") || oops_starts(text, "NIP [");
    if (pc && names_place(r, text) >= 0)
        return names_place(r, text) ? 200 : -1;
    int quoted = quotes(r, text);
    if (quoted >= 0)
        return quoted ? 200 : -1;
    return OOPS_ORDER_STEPS - (step - seen->rank) - (step == OOPS_ORDER_FRAME && has_line(r, text));
}

static unsigned best_by_step(const struct seen *seen, struct oops_report *const *reports, unsigned opened, int step,
                             const char *text, unsigned before) {
    int best = -1;
    unsigned found = before;
    for (unsigned i = 0; i < opened && step >= 0; i++) {
        int f = step_fit(&seen[i], reports[i], step, text);
        if (f > best || (f == best && f >= 0 && seen[i].last < seen[found].last)) {
            best = f;
            found = i;
        }
    }
    return found;
}

/* ---- Parting them ---- */

/* Whether the last report has what belongs to those before it. */
static bool are_mixed(struct oops_report *const *reports, unsigned count) {
    const struct oops_report *last = reports[count - 1];
    unsigned cpu_lines = 0, foreign = 0, pcs = 0;
    bool traced = false;
    for (unsigned i = 1; i < last->line_count; i++) {
        int rank;
        const char *text = last->lines[i].text;
        switch (part_of(last->pool, text, &rank)) {
        case PART_CPU:
            cpu_lines += !traced;
            foreign += !traced && header_cpu(last) && !names_cpu(last, text);
            break;
        case PART_PC:
            pcs += !traced;
            foreign += !traced && names_place(last, text) == 0;
            break;
        case PART_FRAME:
            traced = true;
            break;
        case PART_END:
            i = last->line_count;
            break;
        default:
            break;
        }
    }
    return cpu_lines > 1 || foreign || (pcs > 1 && cpu_lines);
}

static unsigned best_report(const struct seen *seen, struct oops_report *const *reports, unsigned opened,
                            enum part part, int rank, const char *text, unsigned before) {
    int best = 0;
    unsigned found = before;
    for (unsigned i = 0; i < opened; i++) {
        int f = fit(&seen[i], reports[i], part, rank, text) * 2 + (i == before && part == PART_OTHER);
        if (part == PART_CPU && header_cpu(reports[i]))
            f = seen[i].count[PART_CPU] ? -4 : names_cpu(reports[i], text) ? 12 : -1;
        if (part == PART_PC && names_place(reports[i], text) >= 0)
            f = names_place(reports[i], text) && !seen[i].count[PART_PC] ? 12 : -4;
        if (f > best || (f == best && found != i && seen[i].last < seen[found].last)) {
            best = f;
            found = i;
        }
    }
    return found;
}

static void give_line(struct oops_report *r, const struct oops_text_line *line) {
    struct oops_log_line whole = {.text = (char *)line->text, .number = line->number};
    oops_report_add(r, &whole);
}

bool oops_separate(struct oops_report *const *reports, unsigned count) {
    struct seen seen[OOPS_MIXED_MAX] = {{{0}, 0, false, 0, 0}};
    const struct oops_text_line *lines[OOPS_MIXED_MAX];
    unsigned line_counts[OOPS_MIXED_MAX], opened = 0, before = 0, taken = 0;
    if (count < 2 || count > OOPS_MIXED_MAX)
        return false;
    enum oops_arch arch = arch_of(reports[count - 1]);
    if (arch != OOPS_ARCH_UNKNOWN ? !steps_are_mixed(arch, reports[count - 1]) : !are_mixed(reports, count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        lines[i] = reports[i]->lines;
        line_counts[i] = reports[i]->line_count;
        reports[i]->lines = NULL;
        reports[i]->line_count = 0;
        seen[i].rank = arch == OOPS_ARCH_UNKNOWN ? -1 : oops_order_start(arch, reports[i]->header);
    }
    for (unsigned i = 0; i < count; i++) {
        opened = i + 1;
        before = i;
        give_line(reports[i], &lines[i][0]);
        for (unsigned j = 1; j < line_counts[i]; j++) {
            const char *text = lines[i][j].text;
            if (arch == OOPS_ARCH_UNKNOWN) {
                int rank;
                enum part part = part_of(reports[0]->pool, text, &rank);
                before = best_report(seen, reports, opened, part, rank, text, before);
                note(&seen[before], part, rank);
                seen[before].last = ++taken;
            } else {
                int step = oops_order_step(arch, reports[0]->pool, text);
                before = best_by_step(seen, reports, opened, step, text, before);
                step = oops_order_last(arch, text, step);
                seen[before].rank = step == OOPS_ORDER_NESTED  ? oops_order_nested(arch)
                                    : step > seen[before].rank ? step
                                                               : seen[before].rank;
                seen[before].last = step >= 0 ? ++taken : seen[before].last;
                seen[before].stack = step == OOPS_ORDER_FRAME && stack_of(text) ? stack_of(text) : seen[before].stack;
            }
            give_line(reports[before], &lines[i][j]);
        }
    }
    return true;
}

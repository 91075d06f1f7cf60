/*
 * The kinds of reports: which form of which kind a header is of. The forms themselves are in the tables of kinds_*.c.
 */
#include <string.h>

#include "diag/oops/report/kinds.h"

static const struct oops_form *const tables[] = {oops_forms_memory, oops_forms_bug, oops_forms_arch, oops_forms_locks,
                                                 oops_forms_general};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

/* The form to try next: from one table's end to the beginning of the next. NULL: no more. */
struct form_walk {
    unsigned table;
    const struct oops_form *at;
};

static const struct oops_form *next_form(struct form_walk *walk) {
    if (!walk->at)
        walk->at = tables[walk->table = 0];
    else
        walk->at++;
    while (!walk->at->match && ++walk->table < TABLES)
        walk->at = tables[walk->table];
    return walk->table < TABLES ? walk->at : NULL;
}

/* Lines with a header's words that start nothing. */
static const char *const harmless[] = {
    "ODEBUG: ",
    "DEBUG:",
    "kasan: bad access detected",
    "xlog_status:",
    "INFO: lockdep is turned off",
    "INFO: Stall ended before state dump start",
    "INFO: NMI handler",
    "took too long",
    "INFO: recovery required on readonly",
    "INFO: sys_*is not present in /proc/kallsyms",
    "rmt_storage:INFO:",
    "_INFO:",
    "INFO: no syscalls can",
    "BUG: no syscalls can",
    "WARNING: /etc/ssh/moduli",
    "WARNING: workqueue cpumask: online intersect",
    "WARNING: The mand mount option",
    "WARNING: the mand mount option",
    "WARNING: Unsupported flag value",
    "WARNING: Unprivileged eBPF is enabled",
    "WARNING: fbcon: Driver",
    "WARNING: See https*for mitigation options",
    "WARNING: kernel not compiled with CPU_SRSO",
    "EXT4-fs",
    "EXT4-FS",
    "uses deprecated v2 capabilities",
    "uses wireless extensions",
    "XFS (*): WARNING",
    "general protection fault*error:*in ",
    "traps: * general protection",
    "Command line:",
    "Kernel command line:",
    "_panic:",
    "BIOS BUG",
    "FW BUG",
    "[Firmware Bug]",
    "DMAR: [",
    "Kernel panic - not syncing: *]---",
    "PANIC: \"", /* crash(8) */
};

static bool is_harmless(const char *text) {
    for (unsigned i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        if (oops_match(harmless[i], text, NULL))
            return true;
    return false;
}

/* Whether `form` can stand for the header `text`: its first words are not the end of a longer one. */
static bool form_matches(const struct oops_form *form, const char *text, struct oops_span captures[OOPS_CAPTURES]) {
    if (!oops_match(form->match, text, captures))
        return false;
    if (!(form->flags & OOPS_FORM_NEEDS_TRACE))
        return true;
    /* Common words: only at the beginning, behind one other word at most ("watchdog: BUG: "). */
    const char *at = memmem(text, strlen(text), form->match, strcspn(form->match, "*"));
    if (at == text)
        return true;
    return at - text < 24 && at[-1] == ' ' && (at[-2] == ':' || at[-2] == '[');
}

const struct oops_form *oops_form_of(const struct oops_scanner *scanner, const char *text) {
    if (!oops_scan(scanner, text, strlen(text)))
        return NULL;
    struct form_walk walk = {.at = NULL};
    for (const struct oops_form *form; (form = next_form(&walk)) != NULL;)
        if (form_matches(form, text, NULL))
            return is_harmless(text) ? NULL : form;
    return NULL;
}

const char *oops_form_match(unsigned n) {
    struct form_walk walk = {.at = NULL};
    const struct oops_form *form;
    while ((form = next_form(&walk)) != NULL && n)
        n--;
    return form ? form->match : NULL;
}

/* Whether a line of the report matches one of the alternatives of `later`; the first decides. */
static bool later_matches(const struct oops_report *report, const char *later, struct oops_span *capture) {
    struct oops_span captures[OOPS_CAPTURES] = {{"", 0}};
    char piece[64];
    for (unsigned i = 0; i < report->line_count; i++) {
        for (const char *p = later; *p;) {
            size_t n = strcspn(p, "|");
            if (n < sizeof(piece)) {
                memcpy(piece, p, n);
                piece[n] = '\0';
                if (oops_match(piece, report->lines[i].text, captures)) {
                    *capture = captures[0].len ? captures[0] : (struct oops_span){report->lines[i].text, 0};
                    return true;
                }
            }
            p += n + (p[n] == '|');
        }
    }
    return false;
}

const struct oops_form *oops_form_choose(const struct oops_report *report, struct oops_span captures[OOPS_CAPTURES],
                                         struct oops_span *later) {
    *later = (struct oops_span){"", 0};
    const struct oops_form *unfinished = NULL;
    struct form_walk walk = {.at = NULL};
    for (const struct oops_form *form; (form = next_form(&walk)) != NULL;) {
        for (unsigned c = 0; c < OOPS_CAPTURES; c++)
            captures[c] = (struct oops_span){"", 0};
        if (!form_matches(form, report->header, captures))
            continue;
        bool any_words = form->flags & OOPS_FORM_NEEDS_TRACE && strstr(form->match, ": *");
        if (unfinished && any_words)
            break;
        if (!form->later || later_matches(report, form->later, later))
            return form;
        unfinished = unfinished ? unfinished : form;
    }
    return unfinished;
}

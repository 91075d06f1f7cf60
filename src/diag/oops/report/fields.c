/*
 * The lines of a report that say who, where and what was wrong, apart from
 * registers and traces.
 *
 * Source: dump_stack_print_info() in lib/dump_stack.c, print_modules() in kernel/module/main.c,
 * show_fault_oops() in arch/x86/mm/fault.c, mem_abort_decode() in arch/arm64/mm/fault.c,
 * kernel/panic.c (print_tainted, panic), and the same functions of older releases.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

static const char *keep(struct oops_report *r, const char *s, size_t len) {
    while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
        len--;
    return oops_pool_strn(r->pool, s, len);
}

static size_t token(const char *s) {
    return strcspn(s, " \t,");
}

/* ---- CPU: 0 UID: 0 PID: 4531 Comm: insmod Tainted: G OE 3.16.0 #44 ---- */

static bool is_taint_word(const char *s, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!strchr("GPFSRMBUDAWCIOELKXTNJ-", s[i]))
            return false;
    return len > 0 && len < 24;
}

static const char *take_taint(struct oops_report *r, const char *s) {
    char letters[32];
    size_t count = 0;
    for (;;) {
        s = oops_blanks(s);
        size_t n = token(s);
        if (!is_taint_word(s, n))
            break;
        for (size_t i = 0; i < n && count < sizeof(letters) - 1; i++)
            letters[count++] = s[i];
        s += n;
    }
    r->taint = oops_pool_strn(r->pool, letters, count);
    r->tainted = r->taint_known = true;
    return s;
}

/* "5.4.0-148-generic #165-Ubuntu [PREEMPT(full)] [build id]", also "(2.6.24 #1)" */
static void take_release(struct oops_report *r, const char *s) {
    s = oops_blanks(s);
    s += *s == '(';
    size_t n = strcspn(s, " \t)");
    if (!n || !isdigit((unsigned char)*s) || r->release[0])
        return;
    r->release = oops_pool_strn(r->pool, s, n);
    const char *rest = oops_blanks(s + n);
    size_t len = strcspn(rest, ")");
    const char *last = rest + len;
    while (last > rest && isxdigit((unsigned char)last[-1]))
        last--;
    if (rest + len - last >= 32) { /* CONFIG_STACKTRACE_BUILD_ID */
        r->build_id = oops_pool_strn(r->pool, last, (size_t)(rest + len - last));
        len = (size_t)(last - rest);
    }
    r->version = keep(r, rest, len);
}

/* From "Tainted:" or "Not tainted" on. Returns false if neither is there. */
static bool take_taint_and_release(struct oops_report *r, const char *s, const char **found) {
    const char *not = strstr(s, "Not tainted"), *tainted = strstr(s, "Tainted: ");
    if (r->taint_known || (!not &&!tainted))
        return false;
    *found = not ? not : tainted;
    if (not ) {
        r->taint_known = true;
        take_release(r, not +strlen("Not tainted"));
    } else if (tainted[9] != '[') {
        take_release(r, take_taint(r, tainted + strlen("Tainted: ")));
    }
    return true;
}

void oops_take_number(const char *s, int64_t *to) {
    uint64_t value;
    s = oops_blanks(s);
    if (*to < 0 && oops_decimal(&s, &value) && value <= INT64_MAX)
        *to = (int64_t)value;
}

static bool cpu_line(struct oops_report *r, const char *text) {
    const char *pid = oops_after(text, "PID: "), *comm = oops_after(text, "Comm: ");
    const char *found = NULL;
    if (!pid || !comm) {
        pid = oops_after(text, "Pid: ");
        comm = oops_after(text, "comm: ");
        if (!pid || !comm)
            return false;
    }
    if (r->release[0]) /* of a later block */
        return true;
    const char *cpu = oops_starts(text, "CPU: ") ? text + 5 : NULL, *uid = oops_after(text, "UID: ");
    if (cpu)
        oops_take_number(cpu, &r->cpu);
    if (uid)
        oops_take_number(uid, &r->uid);
    oops_take_number(pid, &r->pid);
    take_taint_and_release(r, comm, &found);
    size_t len = found ? (size_t)(found - comm) : strlen(comm);
    const char *kdump = memmem(comm, len, " Kdump: loaded", 14);
    if (kdump)
        len = (size_t)(kdump - comm);
    if (!r->comm[0])
        r->comm = keep(r, comm, len);
    return true;
}

/* "Process insmod (pid: 4531, ti=...)" */
static bool process_line(struct oops_report *r, const char *text) {
    const char *name = oops_starts(text, "Process ") ? text + 8 : NULL, *pid = name ? oops_after(name, "(pid: ") : NULL;
    if (!pid)
        return false;
    oops_take_number(pid, &r->pid);
    if (!r->comm[0])
        r->comm = keep(r, name, (size_t)(pid - 6 - name));
    return true;
}

/* "TASK = cf8ab450[311] 'cat' THREAD: cf9a8000": powerpc up to 3.10 */
static bool powerpc_task_line(struct oops_report *r, const char *text) {
    const char *task = oops_starts(text, "TASK = ") ? strchr(text, '[') : NULL,
               *name = task ? strchr(task, '\'') : NULL;
    const char *end = name ? strstr(name + 1, "' ") : NULL;
    if (!end)
        return false;
    oops_take_number(task + 1, &r->pid);
    if (!r->comm[0])
        r->comm = keep(r, name + 1, (size_t)(end - name - 1));
    return true;
}

/* ---- Oops: 0002 [#1] SMP PTI ---- */

static void take_die_count(struct oops_report *r, const char *s) {
    uint64_t n;
    const char *p = oops_after(s, "[#");
    if (!p || r->die_count || !oops_decimal(&p, &n) || *p != ']' || n > INT32_MAX)
        return;
    r->die_count = (int)n;
    p = oops_blanks(p + 1);
    r->flags = keep(r, p, strlen(p));
}

/* The last hexadecimal word before " [#". */
static void take_die_code(struct oops_report *r, const char *text) {
    const char *end = strstr(text, " [#");
    if (!end || r->has_error_code)
        return;
    const char *s = end;
    while (s > text && isxdigit((unsigned char)s[-1]))
        s--;
    if (end - s >= 1 && s > text && s[-1] == ' ' && oops_hex(&s, &r->error_code))
        r->has_error_code = true;
}

static bool die_line(struct oops_report *r, const char *text) {
    static const char *const words[] = {"Oops",
                                        "general protection fault",
                                        "divide error",
                                        "divide_error",
                                        "invalid opcode",
                                        "stack segment",
                                        "int3:",
                                        "double fault",
                                        "alignment check",
                                        "Internal error",
                                        "Kernel BUG",
                                        "exception RIP"};
    const char *dies = strstr(text, "[#");
    if (!dies)
        return false;
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i])) {
            take_die_code(r, text);
            take_die_count(r, text);
            return true;
        }
    return false;
}

/* ---- BUG and WARNING: FILE:LINE ---- */

static bool take_source(struct oops_report *r, const char *s) {
    size_t n = strcspn(s, " \t!,");
    const char *colon = memchr(s, ':', n);
    if (r->source[0] || !colon || !isdigit((unsigned char)colon[1]))
        return false;
    r->source = oops_pool_strn(r->pool, s, n);
    return true;
}

static bool source_line(struct oops_report *r, const char *text) {
    const char *s;
    if ((s = oops_after(text, "ernel BUG at ")) != NULL)
        return take_source(r, s);
    const char *warning = strstr(text, "WARNING: ");
    if (!warning) {
        s = oops_after(text, "UBSAN: ");
        s = s ? oops_after(s, " in ") : NULL;
        return s ? take_source(r, s) : false;
    }
    const char *cpu = oops_after(warning, "CPU: "), *pid = oops_after(warning, "PID: ");
    if (cpu)
        oops_take_number(cpu, &r->cpu);
    if (pid)
        oops_take_number(pid, &r->pid);
    const char *hash = oops_after(warning, "CPU#"); /* 6.16 and later: "..., CPU#0: comm/pid" */
    if (hash) {
        const char *colon = strchr(hash, ':'), *slash = strrchr(hash, '/');
        oops_take_number(hash, &r->cpu);
        if (colon && slash > colon && !r->comm[0]) {
            r->comm = keep(r, oops_blanks(colon + 1), (size_t)(slash - oops_blanks(colon + 1)));
            oops_take_number(slash + 1, &r->pid);
        }
    }
    if ((s = oops_after(warning, " at ")) != NULL && take_source(r, s))
        return true;
    s = warning + 9;
    if (*s == '[') { /* the condition */
        const char *close = strstr(s, "] ");
        s = close ? close + 2 : s;
    }
    return take_source(r, s);
}

/* ---- Modules linked in: a(OE+) b ---- */

static void take_module(struct oops_report *r, const char *s, size_t n) {
    struct oops_module *m =
        oops_pool_push(r->pool, &r->modules, &r->module_count, sizeof(*r->modules), OOPS_MODULES_MAX);
    if (!m)
        return;
    const char *open = memchr(s, '(', n);
    size_t name = open ? (size_t)(open - s) : n;
    m->name = oops_pool_strn(r->pool, s, name);
    m->flags = "";
    if (!open)
        return;
    size_t flags = n - name - 1;
    flags -= flags && open[flags] == ')';
    m->flags = oops_pool_strn(r->pool, open + 1, flags);
    for (size_t i = 0; i < flags; i++) {
        char c = open[1 + i];
        m->proprietary |= c == 'P';
        m->out_of_tree |= c == 'O';
        m->forced |= c == 'F';
        m->staging |= c == 'C';
        m->unsigned_ |= c == 'E';
        m->live_patch |= c == 'K';
        m->loading |= c == '+';
        m->unloading |= c == '-';
    }
}

void oops_modules_line(struct oops_report *r, const char *s) {
    for (s = oops_blanks(s); *s; s = oops_blanks(s)) {
        if (*s == '[') {
            const char *unloaded = oops_after(s, "last unloaded: ");
            if (unloaded)
                r->last_unloaded = keep(r, unloaded, strcspn(unloaded, "]"));
            return;
        }
        size_t n = strcspn(s, " \t");
        if (oops_is_word(*s) && n < 80)
            take_module(r, s, n);
        s += n;
    }
}

/* ---- The rest ---- */

static bool panic_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, "Kernel panic - not syncing: ");
    if (!s || strstr(text, "---[ end"))
        return false;
    if (!r->panic[0])
        r->panic = keep(r, s, strlen(s));
    return true;
}

static bool offset_line(struct oops_report *r, const char *text) {
    const char *s = oops_after(text, "Kernel Offset: ");
    if (!s)
        return false;
    if (!r->has_kernel_offset && oops_starts(s, "0x"))
        r->has_kernel_offset = oops_hex(&s, &r->kernel_offset);
    else if (oops_starts(s, "disabled"))
        r->has_kernel_offset = true;
    return true;
}

static bool keep_behind(struct oops_report *r, const char *text, const char *words, const char **to) {
    const char *s = oops_after(text, words);
    if (!s)
        return false;
    if (!(*to)[0])
        *to = keep(r, s, strlen(s));
    return true;
}

/* "INFO: task name:123 blocked for more than", "soft lockup - CPU#0 stuck for 22s! [name:123]" */
static bool task_line(struct oops_report *r, const char *text) {
    const char *task = oops_after(text, "INFO: task "), *end = task ? strstr(task, " blocked ") : NULL;
    const char *lockup = oops_after(text, "lockup - CPU#");
    if (lockup) {
        oops_take_number(lockup, &r->cpu);
        task = strchr(lockup, '[');
        task = task ? task + 1 : NULL;
        end = task ? strrchr(task, ']') : NULL;
    }
    if (!task || !end)
        return false;
    const char *colon = memrchr(task, ':', (size_t)(end - task));
    if (!colon)
        return false;
    if (!r->comm[0])
        r->comm = keep(r, task, (size_t)(colon - task));
    oops_take_number(colon + 1, &r->pid);
    return true;
}

bool oops_field_line(struct oops_report *r, const char *text) {
    const char *found;
    if (cpu_line(r, text) || process_line(r, text) || powerpc_task_line(r, text) || panic_line(r, text) ||
        offset_line(r, text) || keep_behind(r, text, "Hardware name: ", &r->hardware) ||
        keep_behind(r, text, "Workqueue: ", &r->workqueue) || oops_access_line(r, text))
        return true;
    bool any = source_line(r, text);
    any |= oops_address_line(r, text);
    any |= die_line(r, text);
    any |= task_line(r, text);
    if (oops_starts(text, "Not tainted") || oops_starts(text, "Tainted: ") || oops_starts(text, "EFLAGS: ") ||
        oops_starts(text, "EIP: "))
        any |= take_taint_and_release(r, text, &found);
    const char *old = oops_starts(text, "EFLAGS: ") ? strchr(text, '(') : NULL; /* i386 up to 2.6.25: "(2.6.20 #1)" */
    if (old)
        take_release(r, old);
    return any;
}

/*
 * A title that is the same for the same failure: the form's own words with the
 * function in it, and whatever differs from run to run (addresses, numbers,
 * lines, processes) replaced by a word for it, with the rules that syzkaller's
 * dashboard groups by.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"

#define TITLE_MAX 120

struct text_buffer {
    char s[2048];
    size_t len;
};

static void put(struct text_buffer *b, const char *s, size_t len) {
    if (len > sizeof(b->s) - 1 - b->len)
        len = sizeof(b->s) - 1 - b->len;
    memcpy(b->s + b->len, s, len);
    b->len += len;
    b->s[b->len] = '\0';
}

static void put_str(struct text_buffer *b, const char *s) {
    put(b, s, strlen(s));
}

/* ---- Replacing what differs ---- */

static bool is_hex_lower(char c) {
    return isdigit((unsigned char)c) || (c >= 'a' && c <= 'f');
}

/* Each pass gives how many bytes of `s` it replaces, and by what; 0: nothing there. `before` is the byte before. */
typedef size_t pass_fn(const char *s, char before, const char **by);

static size_t executor(const char *s, char before, const char **by) {
    size_t n = oops_starts(s, "syz-executor") ? 12 : oops_starts(s, "syzkaller") ? 9 : 0;
    const char *p = s + n;
    if (!n)
        return 0;
    p += n == 12 && *p == '.';
    if (!isdigit((unsigned char)*p))
        return 0;
    p += strspn(p, "0123456789");
    if ((*p == '/' || *p == ':') && isdigit((unsigned char)p[1]))
        p += 1 + strspn(p + 1, "0123456789");
    *by = n == 12 ? "syz-executor" : "syzkaller";
    return (size_t)(p - s);
}

static size_t address(const char *s, char before, const char **by) {
    if (isalnum((unsigned char)before) || !before)
        return 0;
    const char *p = s + (s[0] == '0' && s[1] == 'x' && is_hex_lower(s[2]) ? 2 : 0);
    size_t n = 0;
    while (is_hex_lower(p[n]))
        n++;
    *by = "ADDR";
    return n >= 6 ? (size_t)(p - s) + n : 0;
}

static size_t ip_address(const char *s, char before, const char **by) {
    const char *p = s;
    for (int i = 0; i < 4; i++) {
        size_t n = strspn(p, "0123456789");
        if (!n || n > 3 || (i < 3 && p[n] != '.'))
            return 0;
        p += n + (i < 3);
    }
    *by = "IP";
    return (size_t)(p - s);
}

/* ":12", ":12:3" behind ".ext"; `before` is a letter of the extension. */
static size_t source_line(const char *s, char before, const char **by) {
    const char *p = s;
    while (*p == ':' && isdigit((unsigned char)p[1]))
        p += 1 + strspn(p + 1, "0123456789");
    *by = ":LINE";
    return p > s && oops_is_word(before) ? (size_t)(p - s) : 0;
}

static size_t offset(const char *s, char before, const char **by) {
    uint64_t ignored;
    const char *p = s + 1;
    if (*s != '+' || !oops_is_word(before) || !oops_starts(p, "0x") || !oops_hex(&p, &ignored) || *p++ != '/' ||
        !oops_starts(p, "0x") || !oops_hex(&p, &ignored))
        return 0;
    *by = "";
    return (size_t)(p - s);
}

static size_t cpu_number(const char *s, char before, const char **by) {
    if (!oops_starts(s, "CPU#") || !isdigit((unsigned char)s[4]))
        return 0;
    *by = "CPU";
    return 4 + strspn(s + 4, "0123456789");
}

static size_t number(const char *s, char before, const char **by) {
    size_t n = strspn(s, "0123456789");
    *by = "NUM";
    if (!n || !before || isdigit((unsigned char)before))
        return 0;
    return n >= 7 || (!oops_is_word(before) && !oops_is_word(s[n])) ? n : 0;
}

static void apply(struct text_buffer *b, pass_fn *pass) {
    struct text_buffer out = {.len = 0};
    const char *by = "";
    for (size_t i = 0; i < b->len;) {
        size_t n = pass(b->s + i, i ? b->s[i - 1] : '\0', &by);
        if (n)
            put_str(&out, by);
        else
            put(&out, b->s + i, 1);
        i += n ? n : 1;
    }
    *b = out;
}

/* A line number only behind a file's extension: "foo.c:12", not "a:12". */
static void apply_source_lines(struct text_buffer *b) {
    struct text_buffer out = {.len = 0};
    const char *by;
    for (size_t i = 0; i < b->len;) {
        size_t e = i;
        while (e > 0 && oops_is_word(b->s[e - 1]))
            e--;
        size_t n = e > 0 && e < i && b->s[e - 1] == '.' ? source_line(b->s + i, b->s[i - 1], &by) : 0;
        if (n)
            put_str(&out, ":LINE");
        else
            put(&out, b->s + i, 1);
        i += n ? n : 1;
    }
    *b = out;
}

static void squeeze(struct text_buffer *b) {
    struct text_buffer out = {.len = 0};
    for (size_t i = 0; i < b->len && i < TITLE_MAX; i++) {
        char c = b->s[i] == '\t' ? ' ' : b->s[i];
        if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f ||
            (c == ' ' && (!out.len || out.s[out.len - 1] == ' ')))
            continue;
        put(&out, &c, 1);
    }
    while (out.len && out.s[out.len - 1] == ' ')
        out.s[--out.len] = '\0';
    *b = out;
}

static void normalise(struct text_buffer *b) {
    squeeze(b);
    apply(b, executor);
    apply(b, address);
    apply(b, ip_address);
    apply_source_lines(b);
    apply(b, offset);
    apply(b, cpu_number);
    apply(b, number);
}

/* ---- Filling the form ---- */

static const char *line_after_header(const struct oops_report *report) {
    return report->line_count > 1 ? report->lines[1].text : "";
}

static const char *header_words(const struct oops_report *report, const struct oops_form *form) {
    char first[64];
    size_t n = strcspn(form->match, "*");
    if (n >= sizeof(first))
        return report->header;
    memcpy(first, form->match, n);
    first[n] = '\0';
    const char *at = strstr(report->header, first);
    return at ? at : report->header;
}

static void fill(struct text_buffer *b, const struct oops_report *report, const struct oops_form *form,
                 const struct oops_span captures[OOPS_CAPTURES], struct oops_span later) {
    for (const char *p = form->title; *p; p++) {
        if (*p != '%') {
            put(b, p, 1);
            continue;
        }
        switch (*++p) {
        case 'f':
            put_str(b, report->function[0] ? oops_demangle(report->pool, report->function) : "corrupted");
            break;
        case 'm':
            put(b, later.s, later.len);
            break;
        case 'n':
            put_str(b, line_after_header(report));
            break;
        case 'a':
            put_str(b, report->access == OOPS_ACCESS_WRITE ? "Write" : "Read");
            break;
        case '0':
            put_str(b, header_words(report, form));
            break;
        default:
            put(b, captures[*p - '1'].s, captures[*p - '1'].len);
        }
    }
}

/* Old arm kernels print frames without words before them, where no form looks for them. */
static bool bare_arm_trace(const struct oops_report *report) {
    for (unsigned t = 0; t < report->trace_count; t++)
        if (report->traces[t].count && report->traces[t].frames[0].inner[0])
            return true;
    return false;
}

/* The function that the header names, whatever it is. */
static const char *header_symbol(struct oops_report *report) {
    struct oops_symbol sym;
    for (const char *at = report->header; at; at = strchr(at, ' ')) {
        const char *p = at = oops_blanks(at);
        if (oops_symbol(report->pool, &p, &sym) && sym.name[0])
            return oops_pool_strn(report->pool, sym.name, oops_plain_length(sym.name));
    }
    return "";
}

/*
 * Who asked for memory where the text ends in the allocator: the guess behind it, else what stands between it and the
 * caller, as __napi_alloc_skb() does.
 */
static const char *allocating(struct oops_report *report, const struct oops_form *form) {
    static const char *const core[] = {
        "alloc_pages", "alloc_frozen_page", "get_page_from",  "^warn_alloc", "slab", "kmalloc",
        "kmem_cache",  "cache_alloc",       "fallback_alloc", "cache_grow",  NULL};
    const struct oops_trace *trace = oops_report_trace(report);
    struct oops_span found = {"", 0};
    bool guessed = false;
    for (unsigned i = 0; trace && i < trace->count; i++) {
        const struct oops_frame *frame = &trace->frames[i];
        struct oops_span name = {frame->sym.name, oops_plain_length(frame->sym.name)};
        bool helper = oops_is_helper(name) || oops_span_in_list(name, form->recipe.skip);
        if (!name.len || oops_only_reports(frame->sym.name) || (frame->guess && (helper || guessed)))
            continue;
        guessed = frame->guess;
        found = !guessed && oops_span_in_list(name, core) ? (struct oops_span){"", 0} : name;
    }
    return oops_pool_strn(report->pool, found.s, found.len);
}

/*
 * Where only helpers are sure: the innermost of them, else the best of the frames that the kernel calls guesses; of a
 * stalled CPU what it did before what stopped it.
 */
static const char *any_frame(struct oops_report *report, const struct oops_form *form) {
    static const struct pass { bool guesses, helpers; } passes[] = {{false, true}, {true, false}, {true, true}};
    const struct oops_trace *trace = oops_report_trace(report);
    bool panicked = form->kind == OOPS_PANIC && strstr(report->header, "LOCKUP");
    bool stall = form->recipe.pick == OOPS_PICK_STALL || panicked;
    for (unsigned p = 0; trace && p < sizeof(passes) / sizeof(passes[0]); p++)
        for (unsigned i = 0; i < trace->count; i++) {
            const char *s = trace->frames[i].sym.name;
            struct oops_span name = {s, oops_plain_length(s)};
            bool helper = oops_is_helper(name) || oops_span_in_list(name, form->recipe.skip);
            bool stopped = stall && oops_span_in_list(name, oops_interrupts) && !oops_starts(s, "rcu_gp_");
            if (name.len && trace->frames[i].guess == passes[p].guesses && (passes[p].helpers || !helper) && !stopped &&
                !oops_only_reports(s) && !oops_starts(s, "__pfx_"))
                return oops_pool_strn(report->pool, s, name.len);
        }
    return "";
}

/*
 * Where it was all the same, if the form's own way leads nowhere: what helpers
 * are passed over matters less than saying something.
 */
static const char *any_function(struct oops_report *report, const struct oops_form *form) {
    bool named = strstr(report->header, "+0x") != NULL;
    bool stopped = form->recipe.pick == OOPS_PICK_STALL || form->kind == OOPS_PANIC;
    const struct oops_form plain = {.kind = form->kind,
                                    .recipe = {named ? "RcS|hcS|HS" : "RcS|cS",
                                               stopped ? oops_interrupts : form->recipe.skip,
                                               form->recipe.pick == OOPS_PICK_HANG ? OOPS_PICK_HANG : OOPS_PICK_FIRST}};
    const struct oops_state *fault = oops_report_fault(report);
    const struct oops_form counter = {.recipe = {"r", NULL, OOPS_PICK_FIRST}};
    const struct oops_form locked = {.recipe = {"A|a", form->recipe.skip, OOPS_PICK_FIRST}};
    static const char *const threads[] = {"^kthread$", "^worker_thread$", "^ret_from_", NULL}; /* all of them do */
    const char *found = oops_blame(report, &plain);
    if (form->recipe.pick == OOPS_PICK_STALL && oops_in_list(found, threads))
        found = "";
    if (!found[0] && form->kind == OOPS_LOCKDEP)
        found = oops_blame(report, &locked);
    if (found[0])
        return found;
    if (fault && fault->pc.name[0])
        return oops_pool_strn(report->pool, fault->pc.name, oops_plain_length(fault->pc.name));
    bool watchdogs = form->recipe.pick == OOPS_PICK_STALL; /* name whoever watches */
    if (named && !watchdogs && (found = header_symbol(report))[0])
        return found;
    if (form->recipe.skip && form->kind == OOPS_OUT_OF_MEMORY)
        return allocating(report, form);
    found = any_frame(report, form);
    return found[0] ? found : oops_blame(report, &counter);
}

void oops_title(struct oops_report *report) {
    struct oops_span captures[OOPS_CAPTURES] = {{"", 0}}, later = {"", 0};
    struct text_buffer b = {.len = 0};
    const struct oops_form *form =
        report->headless ? oops_headless_form(report, captures) : oops_form_choose(report, captures, &later);
    if (!form) {
        report->title = oops_pool_str(report->pool, report->header);
        return;
    }
    report->kind = form->kind;
    bool unfinished = form->later && !later.s[0]; /* cut before what the form needs */
    report->function = form->recipe.steps ? oops_blame(report, form) : "";
    if (form->kind == OOPS_PANIC && form->recipe.steps && *form->recipe.steps == 'H' &&
        !report->function[0]) /* a helper is what is meant */
        report->function = header_symbol(report);
    bool found = !form->recipe.steps || report->function[0];
    if (!form->recipe.steps && later.len && form->title[strlen(form->title) - 1] == 'm')
        report->function = oops_pool_strn(report->pool, later.s, oops_plain_length(later.s));
    if (!report->function[0])
        report->function = any_function(report, form);
    if (form->flags & OOPS_FORM_LOST)
        report->corrupted = "what was printed before it is missing";
    else if (unfinished || (!found && !(report->function[0] && bare_arm_trace(report))))
        report->corrupted = report->function[0] ? "the function is not where it should be, but elsewhere in it"
                                                : "no function is to be found where it should be";
    if (unfinished)
        put_str(&b, header_words(report, form));
    else
        fill(&b, report, form, captures, later);
    normalise(&b);
    report->title = oops_pool_strn(report->pool, b.s, b.len);
}

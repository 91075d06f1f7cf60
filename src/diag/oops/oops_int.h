/*
 * Between the files of the decoder: text spans, lines of a log, the tables of
 * report kinds and the steps of parsing.
 */
#ifndef DRIVELAB_DIAG_OOPS_OOPS_INT_H
#define DRIVELAB_DIAG_OOPS_OOPS_INT_H

#include <string.h>

#include "diag/oops/log/reader.h"
#include "diag/oops/verdict/verdict.h"

/* ---- Looking at text (match.c) ---- */

struct oops_span {
    const char *s;
    size_t len;
};

#define OOPS_CAPTURES 4

/*
 * The literal pieces of `pattern`, which stars part, occur in `text` in this
 * order, each at the first place after the one before. `captures` (may be NULL)
 * gets what the stars stand for; a star at the end takes the rest. Linear.
 */
bool oops_match(const char *pattern, const char *text, struct oops_span captures[OOPS_CAPTURES]);

static inline bool oops_starts(const char *text, const char *prefix) {
    return *text == *prefix && strncmp(text, prefix, strlen(prefix)) == 0;
}
const char *oops_after(const char *text, const char *needle); /* behind its first occurrence, or NULL */
const char *oops_blanks(const char *text);                    /* behind leading blanks */
/* Of a C identifier; whatever the locale. */
static inline bool oops_is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool oops_starts_within(const char *s, const char *end, const char *words) {
    size_t n = strlen(words);
    return (size_t)(end - s) >= n && !memcmp(s, words, n);
}

/* Hexadecimal digits, with or without 0x; moves `*text` behind them. False: none, or more than 16. */
bool oops_hex(const char **text, uint64_t *value);
bool oops_decimal(const char **text, uint64_t *value);

/*
 * "f+0x1/0x2 [mod build-id]", ":mod:f+0x1/0x2", "0xffff...", "[<addr>] f+0x1/0x2" (once or twice),
 * "{f+12}". Moves `*text` behind it. False: nothing of the kind, `*text` unchanged.
 */
bool oops_symbol(struct oops_pool *pool, const char **text, struct oops_symbol *sym);
void oops_symbol_clear(struct oops_symbol *sym); /* strings to "" */
/* "f (kernel/a.c:12)", "? f (kernel/a.c:12)": a frame that decode_stacktrace.sh rewrote. */
bool oops_decoded_frame(const char *text);

/* The length of a function's name without the compiler's suffixes (.isra.0, .cold). */
size_t oops_plain_length(const char *name);

/* ---- Lines of a log (lines.c) ---- */

#define OOPS_GLUED_MAX 8 /* printk records found in one line */

struct oops_log_line {
    char *text;      /* prefixes stripped; NUL-terminated, in the buffer given */
    uint64_t number; /* from 1 */
    bool has_time;
    int64_t time_us;
    bool kernel; /* it had a prefix that only kernel messages have */
    char caller; /* 'T' task, 'C' CPU, 0: not printed */
    uint32_t caller_id;
    bool prose;    /* a header that stands in a title or sentence */
    bool replay;   /* "replaying previous printk message": the line before was cut */
    bool bare;     /* '?' or "(unreliable)" frame */
    char wall[40]; /* wall-clock time, as printed */
};

/* The bytes of a line into what the kernel printed, NUL-terminated; at most `len`. Returns their number. clean.c */
size_t oops_clean_bytes(const char *s, size_t len, char *to);
/*
 * Where the first line of `len` bytes without a newline ends: pages and programs
 * have other marks for that, or none: `*flat` is kept from one call to the next.
 * `*next` is where the next one begins. ends.c
 */
size_t oops_line_end(const char *s, size_t len, bool *flat, size_t *next);
bool oops_names_tag(const char *s, const char *end, const char *tag); /* behind "<" */

/* Behind a date or a clock in any of the known forms, NULL: none. dates.c */
const char *oops_date_end(const char *s);
const char *oops_long_date(const char *s); /* "Mon Apr 17 10:00:00 2023" */
const char *oops_clock_end(const char *s); /* "17:53:41.123456+02:00" */
const char *oops_digits_end(const char *s);
bool oops_two_digits(const char *s);

/* What stands before every line of a log and is no known prefix; learned from a header. Numbers in it vary. */
struct oops_foreign {
    char text[64]; /* "": nothing */
};
/* `text` is a line whose header begins at `header`: learn what is before it, if that is a prefix. */
void oops_foreign_learn(struct oops_foreign *foreign, const char *text, size_t header);
/* Behind the prefix, or `text` itself. */
const char *oops_foreign_skip(const struct oops_foreign *foreign, const char *text);

/*
 * A raw line (without its newline) into the records in it. `buffer` has room for
 * `len` + OOPS_GLUED_MAX bytes. Returns how many, at least 1.
 */
unsigned oops_line_clean(const char *raw, size_t len, char *buffer, struct oops_log_line lines[OOPS_GLUED_MAX]);
void oops_line_skip_foreign(const struct oops_foreign *foreign, struct oops_log_line *lines, unsigned count);

/* ---- Finding a report quickly (scan.c) ---- */

#define OOPS_SCAN_WORDS_MAX 128
#define OOPS_SCAN_GROUPS    64

struct oops_scanner {
    uint64_t table[3][256];          /* bit n: this byte can be the first, second, third of a key of group n */
    uint8_t first[OOPS_SCAN_GROUPS]; /* of a group's words, plus 1; 0: none */
    uint8_t next[OOPS_SCAN_WORDS_MAX];
};
void oops_scanner_init(struct oops_scanner *scanner);

/* A place from `data` on inside of the first word of a report's header, or NULL. */
const char *oops_scan(const struct oops_scanner *scanner, const char *data, size_t len);
uint64_t oops_count_newlines(const char *data, size_t len);

/* ---- Kinds of reports (kinds.c; the tables: kinds_*.c) ---- */

/* How to find the function to blame (blame.c). */
struct oops_recipe {
    const char *steps;       /* see blame.c */
    const char *const *skip; /* functions to pass over, beside the general ones; NULL: none */
    enum {
        OOPS_PICK_FIRST,
        OOPS_PICK_STALL,
        OOPS_PICK_HANG,
        OOPS_PICK_PC, /* the program counter's function if it is to blame, else as for a stall */
    } pick;
};

/* One form of one kind of report. */
struct oops_form {
    const char *match; /* oops_match() on the header line */
    enum oops_kind kind;
    const char *title;         /* %f: the function; %1 ... %4: captures of `match`; %m: of `later` */
    const char *later;         /* a pattern that a later line must match for this form; NULL: none */
    struct oops_recipe recipe; /* steps NULL: no function */
    unsigned flags;
};
#define OOPS_FORM_NO_TRACE    1u  /* comes without a trace */
#define OOPS_FORM_CONTINUES   2u  /* a part of a report that is open, if one is */
#define OOPS_FORM_NEEDS_TRACE 4u  /* words that occur elsewhere too: a report only with a trace behind it */
#define OOPS_FORM_LOST        8u  /* only what was printed behind the real header */
#define OOPS_FORM_ADJACENT    32u /* common words, said before a trace: nothing may stand between */
#define OOPS_FORM_HERE        16u /* the line names the function itself, at the first capture */

/* The form that a line starts, or NULL. */
const struct oops_form *oops_form_of(const struct oops_scanner *scanner, const char *text);
/* The header that the n-th form is known by; NULL: no more. */
const char *oops_form_match(unsigned n);
/*
 * The best form for a whole report, as some need what follows. A form whose
 * `later` is nowhere is the last resort.
 */
const struct oops_form *oops_form_choose(const struct oops_report *report, struct oops_span captures[OOPS_CAPTURES],
                                         struct oops_span *later);

/* ---- Traces without a header (headless.c) ---- */

/* Whether a trace or a block of registers begins here, with words that nothing but a kernel prints. */
bool oops_headless_begins(const char *text);
bool oops_headless_trace(const char *text); /* a trace */
/* Functions that print nothing but a trace of themselves: where its heading is missing. */
bool oops_headless_frame(const char *text);
/* What is known to be said before a trace, or NULL. */
const struct oops_form *oops_message_form(const char *text, struct oops_span captures[OOPS_CAPTURES]);
/* The form of a report whose header is none; never NULL. */
const struct oops_form *oops_headless_form(const struct oops_report *report, struct oops_span captures[OOPS_CAPTURES]);
bool oops_task_line(const char *text);                      /* sched_show_task() prints one before each trace */
bool oops_headless_tells(const struct oops_report *report); /* there is enough of it to be a report */

/*
 * Whether `line`, of `columns` bytes before it was cleaned, goes on in the line
 * `next` because a program wrapped it. wrapped.c
 */
bool oops_line_wraps(const struct oops_scanner *scanner, const struct oops_log_line *line, size_t columns,
                     const struct oops_log_line *next);

/* Whether the word that two lines give together was cut in the first, of `n` bytes: an address, a byte, a symbol. */
bool oops_line_cut_in_word(const char *text, size_t n, const char *next);

/* Whether a line ends with words behind which a header goes on. */
bool oops_line_ends_early(const char *text);

/* Whether a line may be a header of which only the next line tells. */
bool oops_line_may_go_on(const char *text);

/* ---- A report from its lines (parse.c) ---- */

/* A new report that `line` starts; NULL: no memory. */
struct oops_report *oops_report_new(const struct oops_log_line *line);
void oops_report_add(struct oops_report *report, const struct oops_log_line *line);
/*
 * Reports opened one behind the other whose lines may be mixed: all lines of the
 * others are in the last one. If they are, each gets its own; else false, and
 * nothing is changed. Not parsed yet. mixed.c
 */
#define OOPS_MIXED_MAX 8
bool oops_separate(struct oops_report *const *reports, unsigned count);
/*
 * The machine that a line is of, UNKNOWN if it does not tell or is x86; the step of
 * printing a report that a line is, -1: none; and the one that a header stands for.
 * order.c
 */
enum {
    OOPS_ORDER_REGISTERS = 30,
    OOPS_ORDER_STACK = 70,
    OOPS_ORDER_TRACE,
    OOPS_ORDER_FRAME,
    OOPS_ORDER_NESTED,
    OOPS_ORDER_CODE,
    OOPS_ORDER_WORDS,
    OOPS_ORDER_END,
    OOPS_ORDER_STEPS
};
enum oops_arch oops_order_arch(const char *text);
int oops_order_step(enum oops_arch arch, struct oops_pool *pool, const char *text);
int oops_order_last(enum oops_arch arch, const char *text, int step); /* of the line's last register */
int oops_order_nested(enum oops_arch arch);                           /* before the registers of what was interrupted */
int oops_order_start(enum oops_arch arch, const char *header);
/* All its lines are there: fill everything else. */
void oops_report_parse(struct oops_report *report);
/* The rest of it, when its lines are read; `guess` is the machine by the names of registers. conclude.c */
void oops_report_conclude(struct oops_report *report, enum oops_arch guess);

/* A frame, or a stack marker ("<IRQ>"), if the line is one. trace.c */
struct oops_frame_line {
    struct oops_frame frame;
    bool has_frame;
    int marker; /* enum oops_stack, -1: none */
    bool marker_ends;
};
bool oops_frame_line(struct oops_pool *pool, const char *text, struct oops_frame_line *out);
/* "Call Trace: [<addr>] f+0x1/0x2": m68k, mips; NULL: no frame there. */
const char *oops_frame_behind_heading(const char *text);
/* A line that introduces a trace. */
bool oops_trace_start(const char *text, enum oops_trace_kind *kind);

/* Whether a line can only be one of a report. body.c */
bool oops_body_line(const char *text);
bool oops_body_begins(const char *text); /* by its first words alone */

/* Register names and values of a line; returns how many were added. regs.c */
unsigned oops_regs_line(const char *text, struct oops_state *state, enum oops_arch *arch);
/* "Code: ..." code.c */
void oops_code_line(struct oops_pool *pool, const char *text, struct oops_state *state, enum oops_arch arch);

/* Each of these returns whether the line was of its kind. fields.c */
bool oops_field_line(struct oops_report *report, const char *text);
/* Which address was touched, and how; the second: of lines that say nothing else. access.c */
bool oops_address_line(struct oops_report *report, const char *text);
bool oops_access_line(struct oops_report *report, const char *text);
void oops_take_number(const char *text, int64_t *to); /* unless it has a value */
void oops_modules_line(struct oops_report *report, const char *text);

/* The function to blame, "" if none is found; and the title. blame.c, title.c */
const char *oops_blame(struct oops_report *report, const struct oops_form *form);
/* Patterns of names, the last one NULL. reporter_names.c, helper_names.c, helper_paths.c */
extern const char *const oops_reporters[];   /* say that something happened */
extern const char *const oops_handlers[];    /* of exceptions */
extern const char *const oops_helpers[];     /* carry out what others ask for */
extern const char *const oops_culprits[];    /* names like a helper's, but what a report may be about */
extern const char *const oops_dispatchers[]; /* what they called is what a stall is about */
extern const char *const oops_beginnings[];  /* every path begins there */
extern const char *const oops_interrupts[];  /* how a stalled CPU came to print its trace */
extern const char *const oops_exceptions[];  /* the frame behind is where it failed */
extern const char *const oops_waiting[];     /* what a hung task does while it waits */

/* helpers.c */
bool oops_span_in_list(struct oops_span name, const char *const *list);
bool oops_in_list(const char *name, const char *const *list); /* without the compiler's suffixes */
bool oops_only_reports(const char *name);                     /* a function that does nothing but say what happened */
bool oops_is_reporter(struct oops_span name);
bool oops_is_helper(struct oops_span name);
void oops_title(struct oops_report *report);

/* The architecture that a line, or the frames of a report, tell; UNKNOWN: they do not. machine.c */
enum oops_arch oops_arch_of_line(const char *text);
enum oops_arch oops_arch_of_frames(const struct oops_report *report);

/* ---- Program counters (pc.c) ---- */

struct oops_pc {
    struct oops_symbol sym;
    unsigned selector; /* x86; 0: none */
    const char *words; /* what introduces it, as in the table of pc.c */
    const char *rest;  /* the line from the place on */
};
/* The program counter that a line of any architecture names ("RIP: 0010:f+0x1/0x2", "PC is at f+.."). */
bool oops_pc_of(struct oops_pool *pool, const char *text, struct oops_pc *pc);
/* The same, and it says something by itself; interruptions within a trace too. */
bool oops_pc_line(struct oops_pool *pool, const char *text, struct oops_symbol *sym);
/* A function that a register of return addresses names ("LR is at f+..", " ra : f+.."). */
bool oops_lr_of(struct oops_pool *pool, const char *text, struct oops_symbol *sym);

#endif

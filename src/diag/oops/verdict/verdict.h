/*
 * What a report means: found in stages that add to one struct oops_verdict.
 *
 *   oops_verdict_text()     from the text alone                 (cause_text.c)
 *   oops_symbols_explain()  with a vmlinux, modules, BTF, DWARF (symbols.h)
 *
 * A later stage knows more and may replace what an earlier one said. The
 * printers (text.c, json.c) show what is there and leave out what is not.
 * Everything lives in the report's pool. Strings are never NULL after
 * oops_verdict_text(); "" is "not known".
 */
#ifndef DRIVELAB_DIAG_OOPS_VERDICT_VERDICT_H
#define DRIVELAB_DIAG_OOPS_VERDICT_VERDICT_H

#include <stdio.h>

#include "diag/oops/report/report.h"

struct json_t;

/* Sentences, the most important first. */
struct oops_notes {
    const char **s;
    unsigned count;
};
#define OOPS_NOTES_MAX 64

/* How far to trust the headline. */
enum oops_confidence { OOPS_CONFIDENCE_NONE, OOPS_CONFIDENCE_LOW, OOPS_CONFIDENCE_MEDIUM, OOPS_CONFIDENCE_HIGH };
const char *oops_confidence_name(enum oops_confidence confidence); /* "low" ... */

/* What an address or a value looks like: a row of the table of patterns. */
enum oops_pattern {
    OOPS_PATTERN_NONE,
    OOPS_PATTERN_NULL,          /* exactly 0 */
    OOPS_PATTERN_NULL_OFFSET,   /* a small offset from NULL */
    OOPS_PATTERN_NULL_NEGATIVE, /* a small negative offset: container_of() of NULL */
    OOPS_PATTERN_ERR_PTR,       /* -4095..-1 */
    OOPS_PATTERN_LIST_POISON,
    OOPS_PATTERN_SLAB_POISON,   /* 6b, 5a, a5, bb, cc ... */
    OOPS_PATTERN_PAGE_POISON,   /* aa */
    OOPS_PATTERN_OTHER_POISON,  /* timers, mutexes, spinlock magic ... */
    OOPS_PATTERN_NON_CANONICAL, /* none of the above */
    OOPS_PATTERN_FLIPPED_BIT,   /* one bit away from a canonical kernel address */
    OOPS_PATTERN_ASCII,         /* the bytes are text */
    OOPS_PATTERN_KASAN_SHADOW,  /* an address of KASAN's shadow: `near` is what was really meant */
    OOPS_PATTERN_USER,          /* of user space */
    OOPS_PATTERN_STACK_GUARD,
    OOPS_PATTERN_KERNEL, /* an ordinary kernel address */
    OOPS_PATTERN_VMALLOC,
    OOPS_PATTERN_MODULE,
    OOPS_PATTERN_TEXT, /* the kernel image */
};

struct oops_value {
    enum oops_pattern pattern;
    const char *name; /* "LIST_POISON1", "-EINVAL", "freed slab object" ... */
    int64_t offset;   /* from the pattern's own value: LIST_POISON1 + 8 */
    uint64_t near;    /* the address meant: repaired bit, KASAN's real address */
};

/* `value` as an address in a report of this architecture. Fills `v`. pattern.c */
void oops_value_classify(const struct oops_report *report, uint64_t value, struct oops_value *v);

/* One line of the disassembly around the trap. */
struct oops_asm_line {
    int off; /* of its first byte from the trapping instruction's */
    unsigned len;
    const char *text; /* "lock cmpxchg %edx,(%rdi)" */
    const char *note; /* beside it: "rdi = 8", source line; "" */
    bool trapping;
    bool stop; /* the bytes cannot be decoded from here on */
};

/*
 * The operand that touched memory. Register names as in struct oops_reg; "" none.
 */
struct oops_operand {
    bool there;
    const char *base, *index, *segment;
    unsigned scale;
    int64_t disp;
    unsigned bytes; /* of the access; 0: not known */
    bool read, write;
    bool implicit; /* stack or string operand */
    bool ea_known; /* all registers were in the log and `segment` adds nothing unknown */
    uint64_t ea;
    bool ea_matches; /* it is the fault address, or the access that starts at `ea` covers it */
};

/* The instruction that trapped. */
struct oops_insn {
    bool decoded;
    const char *text; /* AT&T for x86 */
    const char *mnemonic;
    unsigned len;
    bool is_bug; /* ud2, brk, ebreak: a check in the source, no accident of memory */
    bool is_call, is_jump, is_return;
    uint8_t it;               /* Thumb: the IT state behind it */
    struct oops_operand mem;  /* the operand that faulted, or the first */
    struct oops_operand mem2; /* movs and the like have two */
};

/* A function at a place of the source; inlined ones innermost first. */
struct oops_place {
    const char *function;
    const char *file; /* "" without DWARF */
    const char *text; /* of that line, where the source is to be had; NULL or "": it is not */
    unsigned line, column;
    bool inlined; /* into the next one of the chain */
};

/* What is known of frames[i] of the main trace; or of the program counter. */
struct oops_resolved {
    struct oops_place *places; /* innermost first, the last one is the function of the symbol itself */
    unsigned count;
    bool found;                 /* the symbol was found in a file */
    unsigned candidates;        /* > 1: as many symbols fit; the best is shown */
    const char *object;         /* file it came from, or "" */
    uint64_t address;           /* in that file */
    const char *note;           /* "reached by a tail call", "rounded size", ... ; "" */
    struct oops_place *missing; /* functions between this frame and its caller that left no frame */
    unsigned missing_count;
    const char *missing_why; /* "inlined", "tail call", "called through a pointer" */
    struct oops_reg *regs;   /* callers: what registers held there, as far as unwinding tells; by DWARF's names */
    unsigned reg_count;
};

/* A variable whose value is known, of the function that failed or of a caller. */
struct oops_local {
    const char *function, *name, *type;
    uint64_t value;
    unsigned bytes;
    bool pointer, is_signed;
    bool parameter;
    const char *note; /* "NULL", "LIST_POISON1", "&nvme_ops"; "" */
    unsigned frame;   /* as struct oops_blame's */
};
#define OOPS_LOCALS_MAX 96

/* Which variable was bad, found by walking from the instruction to its source. */
struct oops_blame {
    bool there;
    const char *function; /* where the variable lives */
    const char *variable; /* "x" */
    const char *type;     /* "struct completion *" */
    const char *member;   /* "wait.lock"; "" */
    int64_t member_offset;
    const char *member_type;
    uint64_t value; /* of the variable */
    bool value_known;
    unsigned frame;  /* 0: the faulting function; n: n-th caller */
    const char *how; /* the reasoning in a sentence or two */
};

/* A register worth showing, and why. */
struct oops_reg_note {
    const char *reg;
    uint64_t value;
    const char *note; /* "base of the operand; NULL + 8" */
};

struct oops_verdict {
    const char *headline; /* one sentence: what happened, where, to what */
    enum oops_confidence confidence;
    struct oops_notes reasons; /* for the confidence and the headline */
    struct oops_notes facts;   /* error code in words, taint, module out of tree ... */
    struct oops_notes misfits; /* "what does not fit" */
    struct oops_notes next;    /* next steps */
    struct oops_notes symbols; /* which files were used, or why they were not */

    struct oops_value address; /* of the fault address */
    struct oops_insn insn;
    struct oops_asm_line *listing;
    unsigned listing_count;
    struct oops_reg_note *regs;
    unsigned reg_count;

    struct oops_resolved pc;      /* where it failed; count 0: not resolved */
    struct oops_resolved lr;      /* the caller that only the link register tells, not the trace; count 0: none */
    struct oops_resolved *frames; /* as many as the main trace has, or NULL */
    unsigned frame_count;
    struct oops_local *locals; /* innermost function first */
    unsigned local_count;
    struct oops_blame blame;
    struct oops_blame *chain; /* the same thing in callers, outwards */
    unsigned chain_count;

    bool has_slide; /* KASLR: added to the addresses of the vmlinux */
    uint64_t slide;
    const char *slide_how; /* "printed at the panic", "from the bytes of Code:" */
    bool wrong_kernel;     /* the vmlinux given is not of this kernel; `misfits` has the evidence */
};

/* Append a printf-style sentence, unless it is there already or there are too many. */
void oops_note(struct oops_pool *pool, struct oops_notes *notes, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* All that the text alone allows; `v` is filled from zero. Never fails; it may find little. */
void oops_verdict_text(const struct oops_report *report, struct oops_verdict *v);

/*
 * Decode the instruction at `code` (`len` bytes of memory, at least one) as of
 * `state` (registers; may be NULL) and report->arch; Thumb, if the address is odd.
 * False: not decodable.
 */
bool oops_insn_decode(const struct oops_report *report, const struct oops_state *state, const uint8_t *code,
                      unsigned len, uint64_t address, struct oops_insn *insn);

/* The title, with the best place known where it says "corrupted" to be grouped right. In the report's pool. */
const char *oops_shown_title(const struct oops_report *report);

/* For people: at most `columns` wide; `colour`: with ANSI colours. */
struct oops_print {
    unsigned columns; /* 80 */
    bool colour;
    bool all; /* the rarely needed too: every register block, every trace */
};
void oops_print(FILE *out, const struct oops_report *report, const struct oops_verdict *v,
                const struct oops_print *how);

/* Lines of a text, folded into as many as it takes for at most `columns`. */
void oops_fold(FILE *out, const char *text, unsigned columns);

/* As a new JSON object (the caller owns it; NULL: no memory). The schema is in docs/oops.md. */
struct json_t *oops_json(const struct oops_report *report, const struct oops_verdict *v);

#endif

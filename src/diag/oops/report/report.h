/*
 * One report of a Linux kernel (an oops, BUG, WARNING, a finding of a sanitizer,
 * a lockup, a panic) as its text says it, nothing more: what was parsed, with
 * the numbers of the log's lines. What it means is in verdict.h.
 *
 * Everything a report points to lives in its pool and dies with it. Strings are
 * never NULL: "" is "not in the log". Numbers that may be absent have a flag or
 * a count beside them. The text came from a stranger: strings may hold any bytes
 * but NUL, newline and other control characters.
 */
#ifndef DRIVELAB_DIAG_OOPS_REPORT_REPORT_H
#define DRIVELAB_DIAG_OOPS_REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "diag/oops/pool.h"

#define OOPS_CODE_MAX    128 /* bytes of a Code: line */
#define OOPS_REGS_MAX    64  /* of one register block */
#define OOPS_FRAMES_MAX  512 /* of one trace */
#define OOPS_TRACES_MAX  128 /* of one report (lockdep has many) */
#define OOPS_STATES_MAX  16  /* register blocks of one report */
#define OOPS_MODULES_MAX 2048
#define OOPS_LINES_MAX   4096 /* of a report; what follows is dropped and counted */

enum oops_arch {
    OOPS_ARCH_UNKNOWN,
    OOPS_ARCH_X86_64,
    OOPS_ARCH_I386,
    OOPS_ARCH_ARM64,
    OOPS_ARCH_ARM,
    OOPS_ARCH_RISCV, /* 64 bits */
    OOPS_ARCH_PPC64, /* this and those below: recognised, their instructions not decoded */
    OOPS_ARCH_PPC,
    OOPS_ARCH_S390X,
    OOPS_ARCH_MIPS,
    OOPS_ARCH_LOONGARCH,
    OOPS_ARCH_PARISC,
    OOPS_ARCH_SPARC,
    OOPS_ARCH_M68K,
    OOPS_ARCH_ALPHA,
    OOPS_ARCH_SH,
    OOPS_ARCH_XTENSA,
    OOPS_ARCH_ARC,
    OOPS_ARCH_OPENRISC,
    OOPS_ARCH_MICROBLAZE,
    OOPS_ARCH_CSKY,
    OOPS_ARCH_IA64,
    OOPS_ARCHES
};
const char *oops_arch_name(enum oops_arch arch); /* "x86_64" ... "unknown" */
bool oops_arch_is_32bit(enum oops_arch arch);    /* false: of 64 bits, of both, unknown */

/* The forms that a report's body took over the years; told from the text, not from the release. */
enum oops_era {
    OOPS_ERA_UNKNOWN,
    OOPS_ERA_BRACKETED, /* frames are "[<address>] f+0x1/0x2": up to 4.9 */
    OOPS_ERA_BARE,      /* frames are "f+0x1/0x2": 4.10 and later */
};
const char *oops_era_name(enum oops_era era); /* "bracketed" ... */

enum oops_kind {
    OOPS_UNKNOWN,
    OOPS_NULL_DEREF, /* the kernel says NULL pointer */
    OOPS_PAGE_FAULT, /* paging request, NX, SMAP and so on */
    OOPS_GPF,        /* general protection fault: mostly a non-canonical address */
    OOPS_DOUBLE_FAULT,
    OOPS_STACK_GUARD,    /* stack overflow: guard page hit */
    OOPS_TRAP,           /* divide error, int3, stack segment, undefined instruction ... */
    OOPS_EXTERNAL_ABORT, /* SError, synchronous external abort, machine check */
    OOPS_BUG,            /* kernel BUG at FILE:LINE! */
    OOPS_WARNING,        /* WARN_ON and its kin */
    OOPS_KASAN,
    OOPS_KCSAN,
    OOPS_KMSAN,
    OOPS_KFENCE,
    OOPS_UBSAN,
    OOPS_MEMORY_LEAK,  /* kmemleak */
    OOPS_LOCKDEP,      /* circular locking, inconsistent lock state, RCU usage ... */
    OOPS_ATOMIC_SLEEP, /* sleeping function called from invalid context, scheduling while atomic */
    OOPS_PREEMPTIBLE,  /* using smp_processor_id() in preemptible code */
    OOPS_HUNG_TASK,
    OOPS_SOFT_LOCKUP,
    OOPS_HARD_LOCKUP,
    OOPS_RCU_STALL,
    OOPS_WORKQUEUE_LOCKUP,
    OOPS_LIST_CORRUPTION,
    OOPS_REFCOUNT,
    OOPS_DEBUG_OBJECT,  /* ODEBUG */
    OOPS_BAD_PAGE,      /* bad page state, bad page map, bad rss counter */
    OOPS_SLAB,          /* SLUB's own checks, bad usercopy */
    OOPS_OUT_OF_MEMORY, /* page allocation failure, vmalloc's failures, the OOM killer */
    OOPS_KOBJECT,       /* sysfs, kobjects: names taken twice, objects initialised twice */
    OOPS_IRQ,           /* nobody cared, flags of two users that do not fit */
    OOPS_FILESYSTEM,    /* one's own check of what is on the medium or in memory */
    OOPS_NETDEV_HELD,   /* unregister_netdevice: waiting for */
    OOPS_PANIC,         /* a panic by itself, with no oops before it */
    OOPS_STACK_DUMP,    /* a trace that somebody asked for, or with a message of no other kind */
    OOPS_OTHER,         /* a "BUG:" or "INFO:" of no other kind */
    OOPS_KINDS
};
const char *oops_kind_name(enum oops_kind kind); /* "null-dereference", as in the JSON */

/* "f+0x1c/0x40 [mod 0123...]", in any spelling. */
struct oops_symbol {
    const char *name;     /* with its suffixes (.isra.0, .cold); "": none, only an address */
    const char *module;   /* as printed; "": the kernel itself */
    const char *build_id; /* hexadecimal, of the module; "": not printed */
    uint64_t off, size;
    bool has_off, has_size;
    uint64_t address; /* as printed: raw addresses of old formats, or all that is known */
    bool has_address;
};

/* What a frame's place in the code is. */
enum oops_frame_kind {
    OOPS_FRAME_RETURN, /* a return address: look up address - 1 */
    OOPS_FRAME_PC,     /* exact: interrupted there, or marked (P) */
};

/* On which stack; "<IRQ>" ... "</IRQ>". */
enum oops_stack {
    OOPS_STACK_NONE,
    OOPS_STACK_TASK,
    OOPS_STACK_IRQ,
    OOPS_STACK_NMI,
    OOPS_STACK_SOFTIRQ,
    OOPS_STACK_OTHER
};
const char *oops_stack_name(enum oops_stack stack); /* "task", "irq" ... */

struct oops_frame {
    struct oops_symbol sym;
    bool guess; /* '?': found by scanning the stack, not by the unwinder */
    enum oops_frame_kind kind;
    enum oops_stack stack;
    int state;          /* index into oops_report.states: those registers are of this frame; -1: none */
    const char *inner;  /* arm32 "Backtrace": the function called ("f" of "f from [<ret>] (g+..)"); "" */
    const char *source; /* "FILE:LINE" if the log was decoded already; "" */
    uint64_t line;      /* of the log, from 1 */
};

enum oops_trace_kind {
    OOPS_TRACE_MAIN,    /* how the kernel got to where it failed */
    OOPS_TRACE_ALLOC,   /* "Allocated by task" */
    OOPS_TRACE_FREE,    /* "Freed by task" */
    OOPS_TRACE_ACCESS,  /* KCSAN: one of the racing accesses */
    OOPS_TRACE_LOCK,    /* lockdep: how a lock of the chain was taken */
    OOPS_TRACE_ORIGIN,  /* KMSAN: where the bytes came from or were stored */
    OOPS_TRACE_CPU,     /* NMI backtrace of a CPU; `title` says which */
    OOPS_TRACE_TASK,    /* of another task */
    OOPS_TRACE_RELATED, /* any other; `title` says which */
};
const char *oops_trace_kind_name(enum oops_trace_kind kind); /* "main" ... */

struct oops_trace {
    enum oops_trace_kind kind;
    const char *title; /* the line that introduces it: "Freed by task 12:" */
    struct oops_frame *frames;
    unsigned count;
    uint64_t line;
};

struct oops_reg {
    char name[12]; /* lower case, without padding: "rdi", "eax", "r8", "x0", "lr", "a0", "cr2", "rflags", "cs" */
    uint64_t value;
};

/* Of which moment a block of registers is. */
enum oops_state_role {
    OOPS_STATE_FAULT,       /* where it failed */
    OOPS_STATE_INTERRUPTED, /* kernel code that was interrupted further out */
    OOPS_STATE_USER,        /* user space that called or was interrupted */
    OOPS_STATE_OTHER_CPU,   /* NMI backtraces, other tasks */
    OOPS_STATE_FIRST_OOPS,  /* printed after "end trace": of the first oops since boot, if that is another one */
};
const char *oops_state_role_name(enum oops_state_role role); /* "fault" ... */

/* Registers, program counter and the bytes there. */
struct oops_state {
    enum oops_state_role role;
    struct oops_symbol pc; /* RIP, EIP, pc, epc */
    struct oops_symbol lr; /* lr, ra; name "" if the architecture has none */
    bool has_pc;
    uint16_t cs; /* x86: selector printed before RIP; 0 otherwise */
    struct oops_reg regs[OOPS_REGS_MAX];
    unsigned reg_count;
    /* Code: bytes in memory order for x86; instruction words or halfwords as printed otherwise, put into memory order.
     */
    uint8_t code[OOPS_CODE_MAX];
    uint8_t code_known[OOPS_CODE_MAX]; /* 0: printed as ?? */
    unsigned code_len;
    int code_trap;            /* index of the byte at the pc; -1: not marked */
    unsigned code_unit;       /* bytes of one printed item: 1, 2 or 4 */
    const char *code_trouble; /* "Bad RIP value.", "Unable to access opcode bytes at ..." */
    uint64_t line, code_line;
};

struct oops_module {
    const char *name;
    const char *flags; /* "OE+" */
    bool out_of_tree, proprietary, unsigned_, staging, loading, unloading, live_patch, forced;
    uint64_t base, size; /* if printed (old formats) */
};

enum oops_access { OOPS_ACCESS_UNKNOWN, OOPS_ACCESS_READ, OOPS_ACCESS_WRITE, OOPS_ACCESS_EXEC };
const char *oops_access_name(enum oops_access access); /* "read" ... */

struct oops_text_line {
    uint64_t number;  /* in the log, from 1 */
    const char *text; /* prefixes stripped */
};

struct oops_report {
    struct oops_pool *pool; /* owns all of this, itself included */

    enum oops_kind kind;
    enum oops_arch arch;
    enum oops_era era;
    bool big_endian;
    bool compat;          /* the task ran 32-bit code */
    const char *title;    /* normalised, so that duplicates are equal: "WARNING in f" */
    const char *function; /* the one to blame by the text: where it failed, without helpers */
    const char *header;   /* the first line that started it, prefixes stripped */
    bool headless;        /* no known header came before its trace: `header` is the best there is */
    const char *message;  /* a line printed before "cut here" that belongs to it, or ""  */
    const char *source;   /* "FILE:LINE" of a BUG or WARNING, or "" */
    const char *reason; /* the kind in the kernel's own words: "slab-use-after-free", "possible circular locking ..." */
    const char *corrupted; /* why not all of it can be trusted ("cut after the header"); "": whole */

    bool has_time;
    int64_t time_us;       /* printk time of the header */
    const char *wall_time; /* "Apr 09 17:53:41" or ISO, if the log has it */

    int64_t cpu, pid, uid; /* -1: not printed */
    char caller;           /* who printed it: 'T' task, 'C' CPU (in an interrupt); 0: not printed */
    uint32_t caller_id;
    const char *comm;
    const char *hardware;  /* "Hardware name:" */
    const char *workqueue; /* "Workqueue:" */

    bool tainted; /* false with taint "" and taint_known: "Not tainted" */
    bool taint_known;
    const char *taint; /* letters without blanks: "GOE" */

    const char *release;  /* "5.4.0-148-generic" */
    const char *version;  /* "#165-Ubuntu", as far as the line has it */
    const char *build_id; /* of the kernel, hexadecimal; "" */
    const char *banner;   /* "Linux version ..." of the same boot, if the log has it; "" */
    const char *flags;    /* of the die line: "SMP PTI" */

    bool has_fault_address;
    uint64_t fault_address;
    enum oops_access access; /* as the kernel says it */
    bool has_error_code;
    uint64_t error_code;    /* x86: of the die line; arm64: ESR; arm32: FSR; riscv: cause */
    int die_count;          /* [#1]; 0: not printed */
    bool access_size_known; /* KASAN, KFENCE, KMSAN */
    uint64_t access_size;

    struct oops_state *states; /* [fault_state] is where it failed */
    unsigned state_count;
    int fault_state; /* -1: none */

    struct oops_trace *traces;
    unsigned trace_count;
    int main_trace; /* -1: none */

    struct oops_module *modules;
    unsigned module_count;
    bool modules_cut; /* the list ends in the middle */
    const char *last_unloaded;

    const char *panic;      /* "Fatal exception in interrupt", if it came to that; "" */
    bool has_kernel_offset; /* KASLR, printed at a panic */
    uint64_t kernel_offset;

    struct oops_text_line *lines; /* of this report alone, others' taken out */
    unsigned line_count;
    uint64_t lines_dropped;
    uint64_t first_line, last_line; /* in the log, from 1 */
    unsigned number;                /* of the report in the log, from 1 */
    unsigned follows;               /* the number of an earlier one of the same event; 0: none */
    const char *follows_why;        /* "": none */
};

/* A register by its lower-case name, or NULL. */
const struct oops_reg *oops_state_reg(const struct oops_state *state, const char *name);

/* The register block of the fault, or NULL; the main trace, or NULL. */
const struct oops_state *oops_report_fault(const struct oops_report *report);
const struct oops_trace *oops_report_trace(const struct oops_report *report);

void oops_report_free(struct oops_report *report);

#endif

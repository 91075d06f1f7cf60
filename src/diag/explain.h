/*
 * What an NVMe status means and what a host makes of it: text in (a number in
 * any of the spellings that tools use, a completion entry, a line of a log),
 * structured explanation out. Everything known is a row of a table; names come
 * from nvme/status.c.
 *
 * Input is untrusted: any bytes are allowed. No function prints but those that
 * take a FILE; none keeps what it was given.
 */
#ifndef DRIVELAB_DIAG_EXPLAIN_H
#define DRIVELAB_DIAG_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "nvme/nvme.h"

struct json_t;

/* What is known beforehand. Start from EXPLAIN_NOTHING_KNOWN. */
struct explain_hint {
    bool raw;   /* numbers are raw status fields with the phase bit, or whole completion entries */
    bool asked; /* the line was given by a person: forms that occur in other logs too count as well */
    int kind;   /* enum nvme_opcode_kind of the command that failed, or -1 */
    int opcode; /* or -1; of fabrics commands the FCTYPE */
};
#define EXPLAIN_NOTHING_KNOWN ((struct explain_hint){.kind = -1, .opcode = -1})

/* How a number was taken. */
enum explain_form {
    EXPLAIN_HEX,         /* hexadecimal, 15 bits: without the phase bit */
    EXPLAIN_DECIMAL,     /* the same in decimal */
    EXPLAIN_RAW,         /* 16 bits with the phase bit, as told */
    EXPLAIN_RAW_BY_SIZE, /* the same, as it is above 7fffh */
    EXPLAIN_RAW_GUESS,   /* the same, as nothing is known with that number as it stands */
    EXPLAIN_PAIR,        /* type and code apart */
    EXPLAIN_CODE_ALONE,  /* a status code without its type */
    EXPLAIN_DWORD3,      /* dword 3 of a completion entry */
    EXPLAIN_ENTRY,       /* a completion entry */
    EXPLAIN_ENTRY_WORDS, /* the same, given as four dwords */
    EXPLAIN_FORMS
};
const char *explain_form_text(enum explain_form form);

struct explain_about;   /* what is known of a status beside its name */
struct explain_place;   /* where a status stands in a line */
struct explain_message; /* a line known by its words */
struct explain_blk;     /* the block layer's view of a failure */

struct explain_reading {
    uint16_t status;                   /* SCT << 8 | SC, CRD in bits 12:11, NVME_MORE, NVME_DNR */
    int8_t phase;                      /* 0 or 1; -1: not told */
    uint8_t form;                      /* enum explain_form */
    uint8_t set;                       /* enum nvme_status_set */
    const struct nvme_status_row *row; /* NULL: no table has it */
    const struct explain_about *about; /* NULL with row */
};

#define EXPLAIN_READINGS 6

struct explanation {
    unsigned count; /* of readings, the likeliest first */
    struct explain_reading reading[EXPLAIN_READINGS];
    int error;                             /* an errno stood where a status could have been; 0: none */
    int kind, opcode;                      /* of the command, told or found; -1 unknown */
    int64_t cid, qid;                      /* -1 unknown */
    const struct explain_place *place;     /* NULL: a value by itself */
    const struct explain_message *message; /* NULL: not a line known by its words */
    const struct explain_blk *blk;         /* a line of the block layer; else NULL */
};

/*
 * A value by itself: "0x41b9", "41b9", "16825", "(01/b9)", "sct 0x1 / sc 0xb9
 * DNR", with hint->raw "0x8373" or the 16 bytes of an entry. Returns 0, or
 * -EINVAL with `e` naming the forms.
 */
int explain_value(const char *text, const struct explain_hint *hint, struct explanation *x, struct err *e);

/* A line of a log. False: nothing in it is known. */
bool explain_line(const char *line, size_t len, const struct explain_hint *hint, struct explanation *x);

/* "zone-append", "Zone Append", "0x7d", "125", of hint->kind if that is set. Fills kind and opcode; 0 or -EINVAL. */
int explain_opcode(const char *text, struct explain_hint *hint, struct err *e);

/* What Linux's driver does with a command that failed so. */
enum explain_fate { EXPLAIN_DONE, EXPLAIN_GIVES_UP, EXPLAIN_RETRIES, EXPLAIN_FAILS_OVER, EXPLAIN_AUTHENTICATES };
enum explain_fate explain_fate(uint16_t status);
const char *explain_fate_name(enum explain_fate fate);
const struct explain_blk *explain_blk_of(uint16_t status);
const char *explain_errno_name(int number);

/*
 * Lines that Linux's driver logs for it, without newline; `which` from 0. False: no more. `since` says which kernels.
 */
bool explain_dmesg(const struct explanation *x, unsigned which, char *text, size_t size, const char **since);

/* For people, and as a new JSON object (caller owns it, NULL: no memory). */
void explain_print(FILE *out, const struct explanation *x);
struct json_t *explain_json(const struct explanation *x);

/* A log, line by line: what is alike is explained once and counted. NULL: no memory. */
struct explain_log *explain_log_new(const struct explain_hint *hint);
void explain_log_free(struct explain_log *log);
int explain_log_line(struct explain_log *log, const char *line, size_t len); /* 0 or -ENOMEM */
unsigned explain_log_found(const struct explain_log *log);                   /* different ones */
void explain_log_print(FILE *out, const struct explain_log *log);
struct json_t *explain_log_json(const struct explain_log *log); /* new array */

/* The tables as Markdown. */
void explain_doc(FILE *out);

#endif

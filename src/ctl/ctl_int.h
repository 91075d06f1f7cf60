/*
 * What the files of the control socket share: rows of methods, checked
 * parameters, errors.
 *
 * A method is a row in the table of its family; families stand in
 * ctl_families[]. A new method needs a row and a handler, a new family one more
 * line there. Parameters are checked against the rows before a handler runs;
 * help, documentation and the messages of errors come from the rows, too.
 */
#ifndef DRIVELAB_CTL_INT_H
#define DRIVELAB_CTL_INT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/session.h"

#define CTL_PARAMS 7

/* JSON-RPC 2.0, section 5.1; below -32000 ours. */
enum ctl_code {
    CTL_PARSE_ERROR = -32700,
    CTL_INVALID_REQUEST = -32600,
    CTL_NO_METHOD = -32601,
    CTL_INVALID_PARAMS = -32602,
    CTL_INTERNAL = -32603,
    CTL_REFUSED = -32000,     /* not as things are now */
    CTL_UNSUPPORTED = -32001, /* never on this drive */
    CTL_TOO_LARGE = -32002,   /* the reply */
    CTL_BUSY = -32003,        /* too many clients */
};

struct ctl_error {
    int code; /* 0: none */
    char text[ERR_TEXT_MAX];
    json_t *data; /* or NULL */
};

/* Fill the error; returns NULL, so that a handler can `return ctl_fail(...)`. `data` may be NULL and is taken. */
json_t *ctl_fail(struct ctl_error *error, int code, json_t *data, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

enum ctl_type {
    CTL_INT,    /* min..max; a number, or text: decimal or 0x hexadecimal */
    CTL_BOOL,   /* true, false, or text: yes, no */
    CTL_TIME,   /* min..max ns; a number, or text with a suffix: "10ms" */
    CTL_STRING, /* text */
    CTL_CHOICE, /* one of choices; .number is its index */
    CTL_SCALAR, /* a number, boolean or text; .text is what a person would write */
};

struct ctl_param {
    const char *name; /* NULL: no more */
    enum ctl_type type;
    bool required;
    int64_t min, max;
    const char *const *choices; /* NULL-terminated */
    const char *def;            /* as a person would write it; NULL: it matters that it was not given */
    const char *help;
};

struct ctl_value {
    bool given; /* or has a default */
    int64_t number;
    char text[OPT_STRING_MAX];
};

/* A new object, the result; or NULL with the error filled. `arg` has a value for each row of params, in their order. */
typedef json_t *ctl_handler(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *error);

struct ctl_method {
    const char *name; /* NULL ends a family's table */
    const char *help; /* one line */
    const char *result;
    bool acts; /* changes something: said in the log */
    ctl_handler *run;
    struct ctl_param params[CTL_PARAMS];
};

struct ctl_family {
    const char *title;
    const struct ctl_method *methods;
};
extern const struct ctl_family ctl_families[]; /* ended by title == NULL */

extern const struct ctl_method ctl_drive_methods[], ctl_option_methods[], ctl_zone_methods[], ctl_report_methods[],
    ctl_fault_methods[], ctl_target_methods[], ctl_queue_methods[];

struct ctl_client;

struct ctl {
    struct ctl_config config;
    uint32_t last_fault; /* numbers faults */
    struct log_limit log;
    /* socket.c */
    struct sim_watch listener;
    struct ctl_client *clients;
    unsigned client_count;
    uint64_t accepted, refused, requests;
    uint64_t inode, device; /* of the socket's file, to remove no other */
    bool listening;
};

/* The row of a method; NULL if there is none. */
const struct ctl_method *ctl_method_find(const char *name);
/* Names of all methods, as a new array; and the one nearest to a word, or NULL. */
json_t *ctl_method_names(void);
const char *ctl_method_nearest(const char *name);
json_t *ctl_method_json(const struct ctl_method *method);

/* Check `params` (object, array or NULL) against the rows. False with the error filled. */
bool ctl_params_check(const struct ctl_method *method, const json_t *params, struct ctl_value *arg,
                      struct ctl_error *error);
/* What a parameter may be: "1..4096", "one of a, b". Returns buf. */
const char *ctl_param_range(const struct ctl_param *param, char *buf, size_t size);
const char *ctl_type_name(enum ctl_type type);

/* Answer one request: a new object, or NULL if it was a notification. */
json_t *ctl_answer(struct ctl *ctl, const json_t *request);
/* The reply that is an error. `id` may be NULL; the error's data is taken. */
json_t *ctl_error_reply(const json_t *id, struct ctl_error *error);

/* json_integer() of what may exceed it; new reference. */
json_t *ctl_u64(uint64_t value);
/* json_string() of text that came from outside and may not be UTF-8. */
json_t *ctl_text(const char *text);

#endif

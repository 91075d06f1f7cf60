/* The table of methods, and what is made from it: help and docs/control.md. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/ctl_int.h"

const struct ctl_family ctl_families[] = {
    {"The drive", ctl_drive_methods},    {"Zones", ctl_zone_methods},
    {"The queue", ctl_queue_methods},    {"Statistics, errors", ctl_report_methods},
    {"Options", ctl_option_methods},     {"Faults", ctl_fault_methods},
    {"The program", ctl_target_methods}, {NULL, NULL},
};

#define METHODS_MAX 128

/* All rows in the order of the families; returns how many. */
static unsigned all_methods(const struct ctl_method *rows[METHODS_MAX]) {
    unsigned n = 0;
    for (const struct ctl_family *f = ctl_families; f->title; f++)
        for (const struct ctl_method *m = f->methods; m->name && n < METHODS_MAX; m++)
            rows[n++] = m;
    return n;
}

const struct ctl_method *ctl_method_find(const char *name) {
    const struct ctl_method *rows[METHODS_MAX];
    unsigned n = all_methods(rows);
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(rows[i]->name, name))
            return rows[i];
    return NULL;
}

const char *ctl_method_name(unsigned i, const char **help) {
    const struct ctl_method *rows[METHODS_MAX];
    if (i >= all_methods(rows))
        return NULL;
    *help = rows[i]->help;
    return rows[i]->name;
}

json_t *ctl_method_names(void) {
    const struct ctl_method *rows[METHODS_MAX];
    unsigned n = all_methods(rows);
    json_t *names = json_array();
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(names, json_string(rows[i]->name));
    return names;
}

const char *ctl_method_nearest(const char *name) {
    const struct ctl_method *rows[METHODS_MAX];
    const char *names[METHODS_MAX + 1] = {0};
    unsigned n = all_methods(rows);
    for (unsigned i = 0; i < n; i++)
        names[i] = rows[i]->name;
    return text_nearest(name, names);
}

static json_t *param_json(const struct ctl_param *p) {
    char range[400];
    json_t *json = json_pack("{s:s,s:s,s:b,s:s}", "name", p->name, "type", ctl_type_name(p->type), "required",
                             p->required, "help", p->help);
    if (*ctl_param_range(p, range, sizeof range))
        json_object_set_new(json, "allowed", json_string(range));
    if (p->def)
        json_object_set_new(json, "default", json_string(p->def));
    return json;
}

json_t *ctl_method_json(const struct ctl_method *m) {
    json_t *params = json_array();
    for (unsigned i = 0; i < CTL_PARAMS && m->params[i].name; i++)
        json_array_append_new(params, param_json(&m->params[i]));
    return json_pack("{s:s,s:s,s:s,s:o}", "name", m->name, "help", m->help, "result", m->result, "params", params);
}

/* ---- docs/control.md ---- */

static void doc_method(const struct ctl_method *m, FILE *out) {
    char range[400];
    fprintf(out, "\n### %s\n\n%s.\n", m->name, m->help);
    if (m->params[0].name)
        fputs("\n| parameter | type | default | meaning |\n|---|---|---|---|\n", out);
    for (unsigned i = 0; i < CTL_PARAMS && m->params[i].name; i++) {
        const struct ctl_param *p = &m->params[i];
        ctl_param_range(p, range, sizeof range);
        bool closed = p->type == CTL_BOOL || p->type == CTL_CHOICE;
        fprintf(out, "| %s | %s%s%s | %s | %s |\n", p->name, closed ? "" : ctl_type_name(p->type),
                range[0] && !closed ? ", " : "", range,
                p->required ? "required"
                : p->def    ? p->def
                            : "",
                p->help);
    }
    fprintf(out, "\nResult: %s.\n", m->result);
}

static const char protocol[] =
    "# The control socket\n"
    "\n"
    "Made from the tables of methods and parameters; a test compares.\n"
    "\n"
    "`drivelab serve DRIVE --control PATH` listens on a Unix socket (mode 0600) for\n"
    "[JSON-RPC 2.0](https://www.jsonrpc.org/specification). `drivelab ctl PATH METHOD [name=value]...` calls a method "
    "and\n"
    "prints its result; any other program can do the same:\n"
    "\n"
    "```\n"
    "$ echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"drive.pause\"}' | nc -U -N drive.sock\n"
    "{\"jsonrpc\":\"2.0\",\"result\":{\"paused\":true,\"held\":0},\"id\":1}\n"
    "```\n"
    "\n"
    "Requests stand one after the other, with or without newlines between them; each reply is one line. Batches and\n"
    "notifications work as specified. Parameters are given by name or in the order of the tables below. Numbers may be "
    "given\n"
    "as text, decimal or hexadecimal with 0x, and times as text with a suffix (`\"10ms\"`) or as nanoseconds.\n"
    "\n"
    "A request has at most %u bytes and %u levels, a batch %u requests, a reply %u bytes; what is longer is answered "
    "with an\n"
    "error and skipped. The next request of a client is looked at when it has taken the last reply. The socket is "
    "served by\n"
    "the drive's own thread: what is asked takes time from the drive, a few microseconds as a rule; `zone.list` of "
    "many\n"
    "zones and `stats.get` of a large drive take more.\n"
    "\n"
    "| error | meaning |\n"
    "|---|---|\n"
    "| %d | not JSON, or too long or too deep to be read |\n"
    "| %d | not a request |\n"
    "| %d | no such method; `data` has all, and the nearest |\n"
    "| %d | a parameter is unknown, missing or out of range; `data` says which and what is allowed |\n"
    "| %d | internal: no memory |\n"
    "| %d | refused: not as things are now |\n"
    "| %d | not possible on this drive |\n"
    "| %d | the reply would be too large |\n"
    "| %d | too many clients |\n";

void ctl_methods_doc(FILE *out) {
    fprintf(out, protocol, CTL_REQUEST_MAX, CTL_DEPTH_MAX, CTL_BATCH_MAX, CTL_REPLY_MAX, CTL_PARSE_ERROR,
            CTL_INVALID_REQUEST, CTL_NO_METHOD, CTL_INVALID_PARAMS, CTL_INTERNAL, CTL_REFUSED, CTL_UNSUPPORTED,
            CTL_TOO_LARGE, CTL_BUSY);
    for (const struct ctl_family *f = ctl_families; f->title; f++) {
        fprintf(out, "\n## %s\n", f->title);
        for (const struct ctl_method *m = f->methods; m->name; m++)
            doc_method(m, out);
    }
}

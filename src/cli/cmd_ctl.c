/*
 * drivelab ctl: ask a served drive over its control socket.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/text.h"
#include "cli/commands.h"
#include "ctl/ctl.h"

#define TIMEOUT_MS_MAX 3600000

struct arguments {
    int timeout_ms, words; /* words: left at the beginning of argv, after the command's name */
    bool text, help;
};

/* ---- Text instead of JSON ---- */

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static void print_param(const json_t *p) {
    const char *allowed = json_string_value(json_object_get(p, "allowed"));
    const char *def = json_string_value(json_object_get(p, "default"));
    printf("      %-12s %s", text_of(p, "name"), text_of(p, "help"));
    bool closed = allowed && !strcmp(text_of(p, "type"), "choice");
    printf(" (%s%s%s", closed ? "" : text_of(p, "type"), allowed && !closed ? ", " : "", allowed ? allowed : "");
    if (json_is_true(json_object_get(p, "required")))
        printf("; required");
    if (def)
        printf("; default %s", def);
    puts(")");
}

static void print_method(const json_t *m) {
    const json_t *p;
    size_t i;
    printf("  %s\n    %s\n", text_of(m, "name"), text_of(m, "help"));
    json_array_foreach(json_object_get(m, "params"), i, p) {
        print_param(p);
    }
}

static void text_help(const json_t *result) {
    const json_t *family, *method;
    size_t i, j;
    if (json_object_get(result, "name")) {
        print_method(result);
        printf("    Result: %s\n", text_of(result, "result"));
    }
    json_array_foreach(json_object_get(result, "families"), i, family) {
        printf("%s%s\n", i ? "\n" : "", text_of(family, "title"));
        json_array_foreach(json_object_get(family, "methods"), j, method) {
            print_method(method);
        }
    }
}

/* Position in blocks, hexadecimal as nvme-cli shows them. */
static const char *position(const json_t *zone, const char *key, char buf[24]) {
    const json_t *value = json_object_get(zone, key);
    snprintf(buf, 24, json_is_integer(value) ? "0x%" PRIx64 : "-", (uint64_t)json_integer_value(value));
    return buf;
}

static void text_zones(const json_t *result) {
    const json_t *zone, *attribute, *next = json_object_get(result, "next");
    size_t i, j;
    char start[24], pointer[24], capacity[24];
    printf("%6s  %-18s %14s %14s %14s  %s\n", "zone", "state", "start", "write pointer", "capacity", "attributes");
    json_array_foreach(json_object_get(result, "list"), i, zone) {
        printf("%6" JSON_INTEGER_FORMAT "  %-18s %14s %14s %14s ", number_of(zone, "zone"), text_of(zone, "state"),
               position(zone, "start", start), position(zone, "write_pointer", pointer),
               position(zone, "capacity", capacity));
        json_array_foreach(json_object_get(zone, "attributes"), j, attribute) {
            printf(" %s", json_string_value(attribute));
        }
        putchar('\n');
    }
    if (json_is_integer(next))
        printf("more: from=%" JSON_INTEGER_FORMAT "\n", json_integer_value(next));
}

static void text_errors(const json_t *result) {
    const json_t *error;
    size_t i;
    printf("%" JSON_INTEGER_FORMAT " commands failed so far\n", number_of(result, "total"));
    json_array_foreach(json_object_get(result, "errors"), i, error) {
        printf("%5" JSON_INTEGER_FORMAT "  %12s  %s (%s) of %s, queue %" JSON_INTEGER_FORMAT
               " cid %" JSON_INTEGER_FORMAT ", %s\n       %s\n",
               number_of(error, "number"), text_time(number_of(error, "at_ns")).s, text_of(error, "name"),
               text_of(error, "status"), text_of(error, "command"), number_of(error, "queue"), number_of(error, "cid"),
               text_of(error, "peer"), text_of(error, "reason"));
    }
}

/* A stage's time after the start, or nothing if the command has not come so far. */
static void print_stage(const json_t *command, const char *stage) {
    const json_t *at = json_object_get(command, stage);
    printf(" %10s", json_is_integer(at) ? text_time(json_integer_value(at)).s : "-");
}

static void text_commands(const json_t *commands) {
    const json_t *c, *status;
    size_t i;
    json_array_foreach(commands, i, c) {
        printf("%12s  %4" JSON_INTEGER_FORMAT " %5" JSON_INTEGER_FORMAT "  %-24s", text_time(number_of(c, "started")).s,
               number_of(c, "qid"), number_of(c, "cid"), text_of(c, "command"));
        print_stage(c, "submitted");
        print_stage(c, "returned");
        print_stage(c, "sent");
        status = json_object_get(c, "status");
        if (json_object_get(c, "stage"))
            printf("  %s for %s", text_of(c, "stage"), text_time(number_of(c, "age")).s);
        else if (json_integer_value(status))
            printf("  0x%" PRIx64 " %s", (uint64_t)json_integer_value(status), text_of(c, "reason"));
        putchar('\n');
    }
}

static void text_history(const json_t *result) {
    printf("%12s  %4s %5s  %-24s %10s %10s %10s\n", "started", "qid", "cid", "command", "submitted", "returned",
           "sent");
    text_commands(json_object_get(result, "commands"));
    puts("in flight:");
    text_commands(json_object_get(result, "in_flight"));
}

/* ---- The queue, as cat and echo would show it ---- */

static void text_attribute(const char *name, const char *value, const char *allowed) {
    printf("%-28s %-*s%s%s\n", name, *allowed ? 20 : 0, value, *allowed ? " " : "", allowed);
}

static void text_queue_list(const json_t *result) {
    const json_t *a;
    size_t i;
    text_attribute("attribute", "value", "allowed");
    json_array_foreach(json_object_get(result, "attributes"), i, a) {
        bool writable = json_is_true(json_object_get(a, "writable"));
        text_attribute(text_of(a, "name"), text_of(a, "value"), writable ? text_of(a, "allowed") : "");
        printf("    %s%s\n", text_of(a, "help"), writable ? "" : " (read only)");
    }
}

static void text_queue_get(const json_t *result) {
    const json_t *values = json_object_get(result, "values"), *value;
    const char *name;
    if (!values)
        puts(text_of(result, "value"));
    json_object_foreach((json_t *)(uintptr_t)values, name, value) {
        text_attribute(name, json_string_value(value), "");
    }
}

static void text_queue_set(const json_t *result) {
    puts(text_of(result, "value"));
    if (*text_of(result, "note"))
        fprintf(stderr, "drivelab: note: %s\n", text_of(result, "note"));
}

/* "a.b.c   value" for each number or word, however deep. */
static void text_tree(const json_t *json, char *path, size_t used, size_t size) {
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        int n = snprintf(path + used, size - used, "%s%s", used ? "." : "", key);
        text_tree(value, path, used + (size_t)n < size ? used + (size_t)n : size - 1, size);
    }
    json_array_foreach(json, i, value) {
        int n = snprintf(path + used, size - used, "[%zu]", i);
        text_tree(value, path, used + (size_t)n < size ? used + (size_t)n : size - 1, size);
    }
    path[used] = '\0';
    if (json_is_object(json) || json_is_array(json))
        return;
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    printf("%-56s %s\n", path, text ? text : "");
    free(text);
}

static void text_any(const json_t *result) {
    char path[512] = "";
    text_tree(result, path, 0, sizeof path);
}

static const struct {
    const char *method;
    void (*print)(const json_t *result);
} text_forms[] = {
    {"help", text_help},           {"zone.list", text_zones},       {"errors.list", text_errors},
    {"history.get", text_history}, {"queue.list", text_queue_list}, {"queue.get", text_queue_get},
    {"queue.set", text_queue_set},
};

static void print_result(const char *method, const json_t *result, bool text) {
    void (*print)(const json_t *) = text_any;
    for (unsigned i = 0; i < sizeof text_forms / sizeof *text_forms; i++)
        if (!strcmp(method, text_forms[i].method))
            print = text_forms[i].print;
    if (text) {
        print(result);
    } else {
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        putchar('\n');
    }
}

/* ---- The call ---- */

static bool by_order(const char *method, const char *word) {
    return !strncmp(method, "queue.", 6) && !strchr(word, '=');
}

/* The words of `queue.set sda nr_requests 64`, which name files as a shell would: in the order of the parameters. */
static json_t *words_of(int argc, char **argv, struct err *e) {
    json_t *params = json_array();
    for (int i = 0; i < argc; i++)
        if (json_array_append_new(params, json_string(argv[i])))
            err_set(e, EINVAL, "parameter %d can't be anything but UTF-8", i + 1);
    if (!e->code)
        return params;
    json_decref(params);
    return NULL;
}

/* name=value arguments as an object of text; a second of the same name is an error, as is text that is not UTF-8. */
static json_t *params_of(int argc, char **argv, struct err *e) {
    json_t *params = json_object();
    for (int i = 0; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        char name[64];
        if (!equals || equals == argv[i] || equals - argv[i] >= (ptrdiff_t)sizeof name) {
            err_set(e, EINVAL, "\"%s\": parameters are given as name=value", argv[i]);
            break;
        }
        snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
        if (json_object_get(params, name))
            err_set(e, EINVAL, "%s is given twice", name);
        else if (json_object_set_new(params, name, json_string(equals + 1)))
            err_set(e, EINVAL, "%s: neither name nor value can be anything but UTF-8", name);
        if (e->code)
            break;
    }
    if (!e->code)
        return params;
    json_decref(params);
    return NULL;
}

/* "help METHOD" as people write it. */
static bool is_help_of(const char *method, int argc, char **argv) {
    return !strcmp(method, "help") && argc == 1 && !strchr(argv[0], '=');
}

/* No such method and wrong parameters are the caller's, the rest is the drive's. */
static int report_error(const json_t *error) {
    json_int_t code = number_of(error, "code");
    fprintf(stderr, "drivelab: %s\n", text_of(error, "message"));
    return code == -32601 || code == -32602 ? CLI_USAGE : CLI_FAILED;
}

static int call(const struct arguments *a, int argc, char **argv) {
    const char *path = argv[0], *method = argc > 1 ? argv[1] : "help";
    struct ctl_reply reply = {0};
    struct err e = {0};
    json_t *params = argc > 2 && is_help_of(method, argc - 2, argv + 2) ? json_pack("{s:s}", "method", argv[2])
                     : argc > 2 && by_order(argv[1], argv[2])           ? words_of(argc - 2, argv + 2, &e)
                     : argc > 2                                         ? params_of(argc - 2, argv + 2, &e)
                                                                        : NULL;
    if (e.code)
        return cli_bad_input(&e);
    int ret = ctl_request(path, method, params, a->timeout_ms, &reply, &e);
    json_decref(params);
    if (ret)
        return e.code == -ETIMEDOUT || e.code == -ECONNRESET ? cli_bad_input(&e), CLI_FAILED : cli_bad_input(&e);
    ret = reply.error ? report_error(reply.error) : CLI_OK;
    if (!reply.error)
        print_result(method, reply.result, a->text || !strcmp(method, "help"));
    json_decref(reply.result);
    json_decref(reply.error);
    return ret;
}

/* A value of queue.set, not an option. */
static bool negative(const char *word) {
    return word[0] == '-' && isdigit((unsigned char)word[1]);
}

/* Words and options may be mixed. */
static int next_option(int argc, char **argv, const struct option *options, struct arguments *a) {
    for (;;) {
        while (optind < argc && negative(argv[optind]))
            argv[++a->words] = argv[optind++];
        int c = getopt_long(argc, argv, "-:h", options, NULL);
        if (c != 1)
            return c;
        argv[++a->words] = optarg;
    }
}

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {
        {"text", no_argument, 0, 't'},
        {"timeout", required_argument, 0, 'T'},
        {"help", no_argument, 0, 'h'},
        {0},
    };
    int64_t ns;
    for (int c; (c = next_option(argc, argv, options, a)) != -1;)
        switch (c) {
        case 't':
            a->text = true;
            break;
        case 'T':
            if (opt_parse_time(optarg, &ns) || ns < 1000000 || ns > TIMEOUT_MS_MAX * 1000000ll)
                return cli_bad_usage(self, "--timeout %s: a time from 1ms to 3600s", optarg);
            a->timeout_ms = (int)(ns / 1000000);
            break;
        case 'h':
            a->help = true;
            return cli_help(self);
        default:
            return cli_bad_option(self, argv, c, options);
        }
    while (optind < argc)
        argv[++a->words] = argv[optind++];
    if (!a->words)
        return cli_bad_usage(self, "the path of a control socket is missing");
    return CLI_OK;
}

static int run_ctl(const struct cli_command *self, int argc, char **argv) {
    struct arguments a = {.timeout_ms = 10000};
    int ret = parse(self, argc, argv, &a);
    return ret || a.help ? ret : call(&a, a.words, argv + 1);
}

const struct cli_command cmd_ctl = {
    .name = "ctl",
    .synopsis =
        "PATH [METHOD [name=value]... | queue.METHOD [sda] [NAME [VALUE]] | help [METHOD]] [--text] [--timeout T]",
    .summary = "look into a drive served with --control PATH, change its live options, break it on purpose",
    .options = "  METHOD [name=value]    call a method and print its result as JSON; docs/control.md has them all\n"
               "  queue.get [sda] NAME   what a file of /sys/block/sda/queue says: queue.get sda scheduler\n"
               "  queue.set [sda] NAME VALUE  write it: queue.set sda iosched/fifo_batch 8\n"
               "  help [METHOD]          the methods of this drive with their parameters, or one\n"
               "  --text                 tables and lines instead of JSON\n"
               "  --timeout T            wait this long for the answer, default 10s\n"
               "exit status 1: the drive refused or did not answer; 2: no such socket, method or parameter.\n",
    .run = run_ctl,
};

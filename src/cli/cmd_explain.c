/*
 * drivelab explain: what an NVMe status, or a log full of them, means.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "diag/explain.h"

struct arguments {
    struct explain_hint hint;
    const char *opcode;
    bool json, markdown, help;
};

/* What was explained so far: text goes out at once, JSON at the end. */
struct output {
    json_t *json; /* array, or NULL for text */
    unsigned found, blocks;
};

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a, struct err *e) {
    static const struct option options[] = {
        {"raw", no_argument, 0, 'r'},      {"opcode", required_argument, 0, 'o'}, {"admin", no_argument, 0, 'a'},
        {"fabrics", no_argument, 0, 'f'},  {"kv", no_argument, 0, 'k'},           {"json", no_argument, 0, 'j'},
        {"markdown", no_argument, 0, 'm'}, {"help", no_argument, 0, 'h'},         {0},
    };
    a->hint = EXPLAIN_NOTHING_KNOWN;
    for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            a->hint.raw = true;
            break;
        case 'o':
            a->opcode = optarg;
            break;
        case 'a':
            a->hint.kind = NVME_KIND_ADMIN;
            break;
        case 'f':
            a->hint.kind = NVME_KIND_FABRICS;
            break;
        case 'k':
            a->hint.kind = NVME_KIND_KV;
            break;
        case 'j':
            a->json = true;
            break;
        case 'm':
            a->markdown = true;
            break;
        case 'h':
            a->help = true;
            return 0;
        default:
            return cli_bad_option(self, argv, c, options);
        }
    }
    if (a->opcode && explain_opcode(a->opcode, &a->hint, e))
        return cli_bad_input(e);
    return 0;
}

/* ---- One thing ---- */

static void emit(struct output *out, const struct explanation *x, const char *text) {
    out->found++;
    if (out->json) {
        json_t *object = explain_json(x);
        json_t *input = json_string(text); /* NULL: not UTF-8 */
        json_object_set_new(object, "input", input ? input : json_null());
        json_array_append_new(out->json, object);
        return;
    }
    if (out->blocks++)
        putchar('\n');
    explain_print(stdout, x);
}

static int read_log(struct output *out, FILE *in, const char *name, const struct explain_hint *hint, struct err *e) {
    struct explain_log *log = explain_log_new(hint);
    char *line = NULL;
    size_t room = 0;
    int rc = log ? 0 : -ENOMEM;
    for (ssize_t len; !rc && (len = getline(&line, &room, in)) >= 0;)
        rc = explain_log_line(log, line, (size_t)len);
    if (!rc && ferror(in))
        rc = -errno;
    free(line);
    if (!rc) {
        out->found += explain_log_found(log);
        json_t *items = out->json ? explain_log_json(log) : NULL;
        if (items)
            json_array_extend(out->json, items);
        else
            explain_log_print(stdout, log);
        json_decref(items);
    }
    explain_log_free(log);
    return rc ? err_set(e, -rc, "%s: %s", name, strerror(-rc)) : 0;
}

static int read_file(struct output *out, const char *path, const struct explain_hint *hint, struct err *e) {
    struct stat st;
    FILE *in = fopen(path, "re");
    if (!in)
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    int rc = fstat(fileno(in), &st) || S_ISDIR(st.st_mode) ? err_set(e, EISDIR, "%s: is a directory", path)
                                                           : read_log(out, in, path, hint, e);
    fclose(in);
    return rc;
}

/* A value, else a file, else a line of a log. Returns 0 or -errno with `e`; nothing known in a line is no error. */
static int explain_argument(struct output *out, const char *text, const struct explain_hint *hint, struct err *e) {
    struct explanation x;
    if (strcmp(text, "-") == 0)
        return read_log(out, stdin, "standard input", hint, e);
    int rc = explain_value(text, hint, &x, e);
    if (!rc) {
        emit(out, &x, text);
        return 0;
    }
    if (access(text, F_OK) == 0)
        return read_file(out, text, hint, e);
    if (!strpbrk(text, " \t(:")) /* one word: neither a status nor a line */
        return rc;
    struct explain_hint asked = *hint;
    asked.asked = true;
    if (explain_line(text, strlen(text), &asked, &x))
        emit(out, &x, text);
    return 0;
}

/* "sct 0x1 / sc 0xb9" or the bytes of an entry, without quotes around them. */
static bool explain_joined(struct output *out, int argc, char **argv, const struct explain_hint *hint) {
    char text[128] = "";
    struct explanation x;
    struct err e = {0};
    for (int i = 0; i < argc; i++) {
        if (strlen(text) + strlen(argv[i]) + 2 > sizeof text)
            return false;
        strcat(strcat(text, i ? " " : ""), argv[i]);
    }
    if (argc < 2 || explain_value(text, hint, &x, &e))
        return false;
    emit(out, &x, text);
    return true;
}

static int explain_all(const struct cli_command *self, int argc, char **argv, const struct arguments *a,
                       struct output *out) {
    struct err e = {0};
    if (argc == 0 && isatty(STDIN_FILENO))
        return cli_bad_usage(self, "a status, a line of a log, a file, or a log on standard input is needed");
    if (argc == 0 && read_log(out, stdin, "standard input", &a->hint, &e))
        return cli_bad_input(&e);
    if (argc == 0 || explain_joined(out, argc, argv, &a->hint))
        return CLI_OK;
    for (int i = 0; i < argc; i++)
        if (explain_argument(out, argv[i], &a->hint, &e))
            return cli_bad_input(&e);
    return CLI_OK;
}

static int run_explain(const struct cli_command *self, int argc, char **argv) {
    struct arguments a = {0};
    struct output out = {0};
    struct err e = {0};
    int ret = parse(self, argc, argv, &a, &e);
    if (ret)
        return ret;
    if (a.help)
        return cli_help(self);
    if (a.markdown) {
        explain_doc(stdout);
        return CLI_OK;
    }
    out.json = a.json ? json_array() : NULL;
    ret = explain_all(self, argc - optind, argv + optind, &a, &out);
    if (ret == CLI_OK && out.json) {
        json_dumpf(out.json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(out.json);
    if (ret == CLI_OK && !out.found) {
        fprintf(stderr, "drivelab: nothing there is known as an NVMe status or message\n");
        ret = CLI_FAILED;
    }
    return ret;
}

const struct cli_command cmd_explain = {
    .name = "explain",
    .synopsis = "[--opcode NAME | --admin | --fabrics] [--raw] [--json] STATUS | LINE | FILE...",
    .summary = "explain an NVMe status, or those in the log of a kernel, an emulator or a tool",
    .options = "  STATUS         0x41b9, 41b9, 16825, \"(01/b9)\", \"sct 0x1 / sc 0xb9\"; a file of that\n"
               "                 name is given as ./41b9\n"
               "  LINE           of dmesg, nvme-cli, SPDK, QEMU, FEMU or drivelab, in quotes\n"
               "  FILE           lines of such a log; - or nothing is standard input. What is alike is\n"
               "                 explained once, with its count and first line\n"
               "  --raw          numbers have the phase bit (0x8373), or are dword 3 or all 16 bytes of a\n"
               "                 completion entry in hexadecimal\n"
               "  --opcode NAME  the command that failed, as numbers are reused: zone-append, 0x7d\n"
               "  --admin        it was an admin command\n"
               "  --fabrics      it was a fabrics command (Connect and so on)\n"
               "  --kv           it was a command of the key value command set\n"
               "  --json         as a JSON array\n"
               "  --markdown     print all that is known: docs/nvme-status.md\n"
               "\n"
               "Exit code 0: explained; 1: nothing known in there; 2: no such form.\n",
    .run = run_explain,
};

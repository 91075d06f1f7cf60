/*
 * Reports of each era and architecture: what is parsed, and the verdict.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

static unsigned sure_frames(const struct oops_report *r) {
    const struct oops_trace *trace = oops_report_trace(r);
    unsigned count = 0;
    for (unsigned i = 0; trace && i < trace->count; i++)
        count += !trace->frames[i].guess;
    return count;
}

static bool in_notes(const struct oops_notes *notes, const char *part) {
    for (unsigned i = 0; i < notes->count; i++)
        if (strstr(notes->s[i], part))
            return true;
    return false;
}

static const char *text_of(struct oops_report *r, const struct oops_verdict *v, const char *key) {
    const struct oops_state *state = oops_report_fault(r);
    struct {
        const char *key, *value;
    } texts[] = {{"kind", oops_kind_name(r->kind)},
                 {"arch", oops_arch_name(r->arch)},
                 {"era", oops_era_name(r->era)},
                 {"title", r->title},
                 {"function", r->function},
                 {"message", r->message},
                 {"source", r->source},
                 {"release", r->release},
                 {"comm", r->comm},
                 {"taint", r->taint},
                 {"panic", r->panic},
                 {"access", oops_access_name(r->access)},
                 {"confidence", oops_confidence_name(v->confidence)},
                 {"pc", state ? state->pc.name : ""},
                 {"module", state ? state->pc.module : ""}};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!strcmp(texts[i].key, key))
            return texts[i].value;
    return NULL;
}

static bool number_of(const struct oops_report *r, const char *key, uint64_t *value) {
    struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"fault", r->fault_address}, {"frames", sure_frames(r)},      {"cpu", (uint64_t)r->cpu},
                   {"pid", (uint64_t)r->pid},   {"die", (uint64_t)r->die_count}, {"size", r->access_size},
                   {"traces", r->trace_count}};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (!strcmp(numbers[i].key, key)) {
            *value = numbers[i].value;
            return true;
        }
    return false;
}

static bool in_listing(const struct oops_verdict *v, const char *want) {
    for (unsigned i = 0; i < v->listing_count; i++)
        if (!strcmp(v->listing[i].text, want))
            return true;
    return false;
}

static void check_want(const struct golden *golden, struct oops_report *r, const struct oops_verdict *v,
                       const char *key, const char *want) {
    const char *text = text_of(r, v, key);
    uint64_t number = 0;
    bool right = false;
    if (text)
        right = !strcmp(text, want);
    else if (number_of(r, key, &number))
        right = number == strtoull(want, NULL, 0);
    else if (!strcmp(key, "headline"))
        right = strstr(text = v->headline, want) != NULL;
    else if (!strcmp(key, "misfit"))
        right = in_notes(&v->misfits, want);
    else if (!strcmp(key, "fact"))
        right = in_notes(&v->facts, want);
    else if (!strcmp(key, "code"))
        right = in_listing(v, want);
    else if (!strcmp(key, "unsaid")) /* neither a reason nor a next step */
        right = !in_notes(&v->reasons, want) && !in_notes(&v->next, want);
    else
        fail_msg("%s: what is \"%s\"?", golden->name, key);
    if (!right)
        fail_msg("%s: %s is \"%s\" (%llu), wanted is \"%s\"", golden->name, key, text ? text : "",
                 (unsigned long long)number, want);
}

/* Both kinds of output are whole. */
static void check_output(const struct golden *golden, struct oops_report *r, const struct oops_verdict *v) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    oops_print(out, r, v, &(struct oops_print){.columns = 80, .all = true});
    fclose(out);
    assert_non_null(strstr(text, r->title));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 80 && strchr(line, ' '))
            if (strncmp(line, "    ", 4) != 0) /* a symbol longer than the line */
                fail_msg("%s: longer than 80 columns: %s", golden->name, line);
    free(text);
    json_t *json = oops_json(r, v);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "title")), r->title);
    json_decref(json);
}

static void test_oops_golden_logs(void **state) {
    static struct golden goldens[BED_GOLDENS_MAX];
    unsigned count = bed_goldens(goldens);
    for (unsigned i = 0; i < count; i++) {
        struct oops_report *reports[4];
        int found = oops_read_text(goldens[i].log, strlen(goldens[i].log), reports, 4);
        if (found != 1)
            fail_msg("%s: %d reports", goldens[i].name, found);
        struct oops_verdict v;
        oops_verdict_text(reports[0], &v);
        for (unsigned w = 0; w < goldens[i].want_count; w++)
            check_want(&goldens[i], reports[0], &v, goldens[i].wants[w].key, goldens[i].wants[w].value);
        check_output(&goldens[i], reports[0], &v);
        oops_report_free(reports[0]);
    }
    bed_goldens_free(goldens, count);
}

/* The registers of a report are those of the moment it failed, not of the user's or the interrupted code. */
static void test_oops_states(void **state) {
    static struct golden goldens[BED_GOLDENS_MAX];
    unsigned count = bed_goldens(goldens);
    for (unsigned i = 0; i < count; i++) {
        struct oops_report *r;
        if (strcmp(goldens[i].name, "x86_64-6.1-null-member.txt") != 0)
            continue;
        assert_int_equal(oops_read_text(goldens[i].log, strlen(goldens[i].log), &r, 1), 1);
        assert_int_equal(r->state_count, 2); /* what is told again behind "end trace" is not another one */
        assert_int_equal(r->states[0].role, OOPS_STATE_FAULT);
        assert_int_equal(r->states[1].role, OOPS_STATE_USER);
        assert_true(oops_state_reg(&r->states[0], "r12")->value == 0xffff9a1e04b3c600);
        assert_int_equal(r->states[0].code_len, 64);
        assert_int_equal(r->states[0].code_trap, 42);
        assert_true(r->modules[0].out_of_tree);
        assert_string_equal(r->last_unloaded, "ledger(OE)");
        oops_report_free(r);
    }
    bed_goldens_free(goldens, count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_golden_logs),
        cmocka_unit_test(test_oops_states),
    };
    return cmocka_run_group_tests_name("oops_golden", tests, NULL, NULL);
}

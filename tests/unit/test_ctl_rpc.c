/* The control socket's protocol: where values end, JSON-RPC 2.0, bounds on what a client can ask. */
#include "ctl_bed.h"

#include "base/rng.h"

#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"drive.resume\"}"
#define PONG "{\"jsonrpc\":\"2.0\",\"result\":{\"paused\":false,\"held\":0},\"id\":1}\n"

/* ---- Frames ---- */

/* The values of a stream, each followed by '|'; input in pieces of `piece` bytes. */
static void frames(const char *text, size_t piece, char *out) {
    struct ctl_frame f = {0};
    size_t bytes = strlen(text), from = 0, at = 0, used = 0;
    for (size_t given = 0; at < bytes;) {
        given = given < at + piece ? at + piece : given;
        if (given > bytes)
            given = bytes;
        size_t n;
        enum ctl_frame_end end = ctl_frame_scan(&f, text + at, given - at, &n);
        at += n;
        if (end == CTL_FRAME_VALUE)
            used += (size_t)sprintf(out + used, "%.*s|", (int)(at - from), text + from);
        if (end == CTL_FRAME_DEEP) {
            used += (size_t)sprintf(out + used, "deep|");
            f.skipping = true;
        }
        if (end != CTL_FRAME_MORE)
            from = at;
    }
    out[used] = '\0';
}

static void test_ctl_frames_end_where_values_end(void **state) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"{}{}", "{}|{}|"},
        {" \n{\"a\":[1,{}]} [2]\n", "{\"a\":[1,{}]}|[2]|"},
        {"{\"}\":\"]\\\"}\"}[]", "{\"}\":\"]\\\"}\"}|[]|"},
        {"5 6\n{}", "5 6\n|{}|"},
        {"hello {\n{}", "hello {\n|{}|"},
        {"{\"open\n{}", "{\"open\n|{}|"},
        {"[\"\\\\\"]{}", "[\"\\\\\"]|{}|"},
        {"}\n{}", "}\n|{}|"},
        {"{]{}", "{]|{}|"},
        {"{\"a\"", ""},
        {"[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "deep|]]]]]]]]]]]]]]]]]|"},
    };
    char out[256];
    for (unsigned i = 0; i + 1 < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 8; piece++) {
            frames(cases[i].in, piece, out);
            assert_string_equal(out, cases[i].out);
        }
    frames(cases[sizeof cases / sizeof *cases - 1].in, 3, out);
    assert_memory_equal(out, "deep|", 5);
}

/* ---- Requests ---- */

static void answers(struct ctl_bed *b, const char *in, const char *out) {
    char *text = ctl_bed_talk(b, in, strlen(in));
    assert_string_equal(text, out);
    free(text);
}

/* One error reply with this code and id, and nothing else. */
static void fails(struct ctl_bed *b, const char *in, int code, const char *id) {
    char *text = ctl_bed_talk(b, in, strlen(in)), start[64], end[64];
    snprintf(start, sizeof start, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":%d,\"message\":\"", code);
    snprintf(end, sizeof end, "\"id\":%s}\n", id);
    size_t n = strlen(text);
    if (strncmp(text, start, strlen(start)) != 0 || n < strlen(end) || strcmp(text + n - strlen(end), end) != 0 ||
        strchr(text, '\n') != text + n - 1)
        fail_msg("%s -> %s", in, text);
    free(text);
}

static void test_ctl_answers_requests(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    answers(b, PING, PONG);
    answers(b, PING PING "\n \t" PING, PONG PONG PONG);
    answers(b, "{\"method\":\"drive.resume\",\"id\":\"x\\u00e4\",\"jsonrpc\":\"2.0\",\"more\":1}",
            "{\"jsonrpc\":\"2.0\",\"result\":{\"paused\":false,\"held\":0},\"id\":\"x\xc3\xa4\"}\n");
    answers(b, "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"drive.resume\",\"params\":[]}",
            "{\"jsonrpc\":\"2.0\",\"result\":{\"paused\":false,\"held\":0},\"id\":null}\n");
    answers(b, "{\"jsonrpc\":\"2.0\",\"method\":\"drive.pause\"}", "");
    assert_true(nvme_paused(b->bed->target));
    answers(b, "{\"jsonrpc\":\"2.0\",\"method\":\"drive.hold\"}", "");
    answers(b, "{\"jsonrpc\":\"2.0\",\"method\":\"zone.get\",\"params\":{\"x\":1}}", "");
    ctl_bed_free(b);
}

static void test_ctl_refuses_what_is_no_request(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    fails(b, "hello\n", CTL_PARSE_ERROR, "null");
    fails(b, "{\"jsonrpc\":}", CTL_PARSE_ERROR, "null");
    fails(b, "{\"a\":1,\"a\":1}", CTL_PARSE_ERROR, "null");
    fails(b, "{\"a\":\"\\u0000\"}", CTL_PARSE_ERROR, "null");
    fails(b, "{\"a\":\"\xff\"}", CTL_PARSE_ERROR, "null");
    fails(b, "{\"a\":1e999}", CTL_PARSE_ERROR, "null");
    fails(b, "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", CTL_PARSE_ERROR, "null");
    fails(b, "5\n", CTL_INVALID_REQUEST, "null");
    fails(b, "{}", CTL_INVALID_REQUEST, "null");
    fails(b, "[]", CTL_INVALID_REQUEST, "null");
    fails(b, "{\"jsonrpc\":\"1.0\",\"id\":3,\"method\":\"help\"}", CTL_INVALID_REQUEST, "3");
    fails(b, "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"help\"}", CTL_INVALID_REQUEST, "null");
    fails(b, "{\"jsonrpc\":\"2.0\",\"id\":3}", CTL_INVALID_REQUEST, "3");
    fails(b, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"help\",\"params\":4}", CTL_INVALID_REQUEST, "3");
    answers(b, PING, PONG);
    ctl_bed_free(b);
}

static void test_ctl_says_what_is_wrong_with_a_call(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    json_t *reply = ctl_bed_call(b, "drive.inof", NULL),
           *data = json_object_get(json_object_get(reply, "error"), "data");
    assert_string_equal(json_string_value(json_object_get(data, "nearest")), "drive.info");
    assert_true(json_array_size(json_object_get(data, "methods")) > 20);
    json_decref(reply);
    ctl_bed_refused(b, "drive.inof", NULL, CTL_NO_METHOD, "did you mean drive.info?");
    ctl_bed_refused(b, "", NULL, CTL_NO_METHOD, "\"\"");
    ctl_bed_refused(b, "drive.info", "{\"x\":1}", CTL_INVALID_PARAMS, "no parameter \"x\"; it has: none");
    ctl_bed_refused(b, "drive.info", "[1]", CTL_INVALID_PARAMS, "has 0 parameters, not 1");
    ctl_bed_refused(b, "errors.list", "{\"cuont\":1}", CTL_INVALID_PARAMS, "did you mean count?");
    ctl_bed_refused(b, "errors.list", "{\"count\":0}", CTL_INVALID_PARAMS, "1..256");
    ctl_bed_refused(b, "errors.list", "{\"count\":257}", CTL_INVALID_PARAMS, "count: 257 is not possible");
    ctl_bed_refused(b, "errors.list", "{\"count\":1.5}", CTL_INVALID_PARAMS, "1..256");
    ctl_bed_refused(b, "errors.list", "{\"count\":true}", CTL_INVALID_PARAMS, "count");
    ctl_bed_refused(b, "errors.list", "{\"count\":null}", CTL_INVALID_PARAMS, "count");
    ctl_bed_refused(b, "errors.list", "{\"count\":[]}", CTL_INVALID_PARAMS, "count");
    ctl_bed_refused(b, "errors.list", "{\"count\":\"0x1g\"}", CTL_INVALID_PARAMS, "0x1g");
    ctl_bed_refused(b, "errors.list", "{\"count\":\"99999999999999999999\"}", CTL_INVALID_PARAMS, "count");
    ctl_bed_refused(b, "options.get", NULL, CTL_INVALID_PARAMS, "needs \"name\"");
    ctl_bed_refused(b, "options.get", "{\"name\":5}", CTL_INVALID_PARAMS, "name: 5");
    ctl_bed_refused(b, "stats.get", "{\"section\":\"x\"}", CTL_INVALID_PARAMS, "all, drive, nvme");
    ctl_bed_refused(b, "fault.delay_die", "{\"die\":1,\"time\":\"2 hours\"}", CTL_INVALID_PARAMS, "time: 2 hours");
    json_decref(ctl_bed_result(b, "errors.list", "{\"count\":\"0x10\"}"));
    json_decref(ctl_bed_result(b, "errors.list", "[\"12\",0]"));
    ctl_bed_free(b);
}

static void test_ctl_answers_batches(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    char many[80 * 70] = "[";
    answers(b, "[" PING "]", "[{\"jsonrpc\":\"2.0\",\"result\":{\"paused\":false,\"held\":0},\"id\":1}]\n");
    answers(b, "[{\"jsonrpc\":\"2.0\",\"method\":\"drive.resume\"}]", "");
    answers(b, "[{\"jsonrpc\":\"2.0\",\"method\":\"drive.resume\"}," PING "]" PING,
            "[{\"jsonrpc\":\"2.0\",\"result\":{\"paused\":false,\"held\":0},\"id\":1}]\n" PONG);
    answers(b, "[1,[]]",
            "[{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"not a request: a request is an object\"},"
            "\"id\":null},{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"not a request: a request is an "
            "object\"},\"id\":null}]\n");
    for (unsigned i = 0; i < CTL_BATCH_MAX; i++)
        strcat(many, i ? "," PING : PING);
    size_t n = strlen(many);
    strcpy(many + n, "]");
    char *text = ctl_bed_talk(b, many, strlen(many));
    json_t *replies = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(replies), CTL_BATCH_MAX);
    json_decref(replies);
    free(text);
    strcpy(many + n, "," PING "]");
    fails(b, many, CTL_INVALID_REQUEST, "null");
    ctl_bed_free(b);
}

/* The same input gives the same output however it is cut, and whenever output is taken. */
static void test_ctl_does_not_care_how_input_is_cut(void **state) {
    static const char in[] =
        PING "[" PING "," PING "] nonsense\n{\"a\n" PING "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]" PING "\n";
    struct ctl_bed *b = ctl_bed_new(NULL);
    struct rng rng;
    rng_init(&rng, 1, 0);
    char *whole = ctl_bed_talk(b, in, sizeof in - 1);
    for (unsigned round = 0; round < 200; round++) {
        size_t used = 0, room = strlen(whole) + 1;
        char *all = calloc(1, room);
        for (size_t at = 0; at < sizeof in - 1 || ctl_session_step(&b->session);) {
            size_t piece = 1 + rng_next(&rng) % 9, bytes;
            piece = piece < sizeof in - 1 - at ? piece : sizeof in - 1 - at;
            at += ctl_session_put(&b->session, in + at, piece);
            for (unsigned steps = rng_next(&rng) % 4; steps; steps--)
                ctl_session_step(&b->session);
            const char *out = ctl_session_out(&b->session, &bytes);
            size_t take = out ? 1 + rng_next(&rng) % bytes : 0;
            assert_true(used + take < room);
            memcpy(all + used, out ? out : "", take);
            ctl_session_sent(&b->session, take);
            used += take;
        }
        size_t bytes;
        const char *out;
        while ((out = ctl_session_out(&b->session, &bytes)) != NULL) {
            assert_true(used + bytes < room);
            memcpy(all + used, out, bytes);
            used += bytes;
            ctl_session_sent(&b->session, bytes);
            while (ctl_session_step(&b->session)) {
            }
        }
        assert_string_equal(all, whole);
        free(all);
    }
    free(whole);
    ctl_bed_free(b);
}

/* ---- Bounds ---- */

/* `count` times a piece, between a start and an end; the errors that come are as many as said. */
static void flood(struct ctl_bed *b, const char *start, const char *piece, size_t count, const char *end,
                  unsigned errors) {
    char block[16384];
    size_t n = strlen(piece), fill = sizeof block / n * n;
    for (size_t i = 0; i < fill; i++)
        block[i] = piece[i % n];
    char *text = ctl_bed_talk(b, start, strlen(start));
    unsigned seen = 0;
    for (size_t sent = 0; sent < count; sent++) {
        char *more = ctl_bed_talk(b, block, fill);
        seen += strstr(more, "-32700") != NULL;
        free(more);
        assert_true(b->session.out_room <= CTL_REPLY_MAX && b->session.in_to <= CTL_REQUEST_MAX);
    }
    assert_int_equal(seen, errors);
    free(text);
    text = ctl_bed_talk(b, end, strlen(end));
    free(text);
    answers(b, PING, PONG);
}

static void test_ctl_skips_what_is_too_long(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    flood(b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"", "x", 6400, "\"}", 1); /* 100 MB */
    flood(b, "[", PING ",", 200, PING "]", 1);
    flood(b, "{\"a\":", "[", 200, "\"\n", 1);
    flood(b, "", " \n", 200, "", 0);
    flood(b, "x", "y", 200, "\n", 1);
    flood(b, "{\"a\":\"", "\\\"", 200, "\"}", 1);
    ctl_bed_free(b);
}

static void test_ctl_takes_requests_of_the_largest_size(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    char *big = malloc(CTL_REQUEST_MAX + 2);
    for (unsigned over = 0; over < 2; over++) {
        size_t size = CTL_REQUEST_MAX + over, n = strlen(PING) - 1;
        memset(big, ' ', size);
        memcpy(big, PING, n);
        big[size - 1] = '}';
        char *text = ctl_bed_talk(b, big, size);
        if (over)
            assert_non_null(strstr(text, "at most 65536 bytes"));
        else
            assert_string_equal(text, PONG);
        free(text);
    }
    answers(b, PING, PONG);
    free(big);
    ctl_bed_free(b);
}

static void test_ctl_works_no_further_than_the_client_reads(void **state) {
    static const char help[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"help\"}";
    struct ctl_bed *b = ctl_bed_new(NULL);
    size_t first = 0, bytes;
    for (unsigned i = 0; i < 5000; i++) {
        ctl_session_put(&b->session, help, sizeof help - 1);
        while (ctl_session_step(&b->session)) {
        }
        ctl_session_out(&b->session, &bytes);
        first = first ? first : bytes;
        assert_int_equal(bytes, first); /* one reply waits, never two */
    }
    assert_int_equal(ctl_session_room(&b->session), 0);
    assert_true(b->ctl.requests < 3);
    ctl_bed_free(b);
}

static void test_ctl_bounds_replies(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    char batch[CTL_REQUEST_MAX] = "[";
    b->ctl.config.transports = NULL;
    for (unsigned i = 0; i < CTL_BATCH_MAX; i++)
        sprintf(batch + strlen(batch), "%s{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"options.list\"}", i ? "," : "",
                i);
    strcat(batch, "]");
    char *text = ctl_bed_talk(b, batch, strlen(batch));
    json_t *replies = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(replies), CTL_BATCH_MAX);
    for (unsigned i = 0; i < CTL_BATCH_MAX; i++)
        assert_int_equal(json_integer_value(json_object_get(json_array_get(replies, i), "id")), i);
    assert_true(strlen(text) < CTL_REPLY_MAX + CTL_BATCH_MAX * 256);
    json_decref(replies);
    free(text);
    ctl_bed_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ctl_frames_end_where_values_end),
        cmocka_unit_test(test_ctl_answers_requests),
        cmocka_unit_test(test_ctl_refuses_what_is_no_request),
        cmocka_unit_test(test_ctl_says_what_is_wrong_with_a_call),
        cmocka_unit_test(test_ctl_answers_batches),
        cmocka_unit_test(test_ctl_does_not_care_how_input_is_cut),
        cmocka_unit_test(test_ctl_skips_what_is_too_long),
        cmocka_unit_test(test_ctl_takes_requests_of_the_largest_size),
        cmocka_unit_test(test_ctl_works_no_further_than_the_client_reads),
        cmocka_unit_test(test_ctl_bounds_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

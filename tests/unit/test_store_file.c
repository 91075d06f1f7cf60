/*
 * The file store: what outlives the process, what is refused, full file
 * systems, images that shrink, killed writers, flushes.
 */
#include "store_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/rng.h"
#include "store/image.h"
#include "store/reserve.h"

static void test_file_keeps_payload_and_state(void **state) {
    struct fixture *f = *state;
    struct err e = {0};
    bool created, fresh;
    struct store *s = fixture_open(&f->config, NULL, &created);
    assert_true(created);
    assert_true(store_was_clean(s));
    assert_int_equal(store_reserve(s, 1000, 5000), 0);
    memset(store_map(s, 1000, 5000), 'p', 5000);
    memset(store_state(s, "wear", 1, 300, &fresh, &e), 'w', 300);
    memset(store_state(s, "l2p", 4, 3 << 20, &fresh, &e), 'l', 3 << 20);
    store_close(s);
    for (unsigned again = 0; again < 2; again++) {
        s = fixture_open(&f->config, NULL, &created);
        assert_false(created);
        assert_true(store_was_clean(s));
        const char *p = store_map(s, 0, 8192), *l = store_state(s, "l2p", 4, 3 << 20, &fresh, &e);
        assert_false(fresh);
        const char *w = store_state(s, "wear", 1, 300, &fresh, &e);
        assert_false(fresh);
        assert_true(p[999] == 0 && p[1000] == 'p' && p[5999] == 'p' && p[6000] == 0);
        assert_true(w[0] == 'w' && w[299] == 'w' && l[0] == 'l' && l[(3 << 20) - 1] == 'l');
        store_close(s);
    }
}

static void test_file_refuses_another_state(void **state) {
    struct fixture *f = *state;
    struct err e = {0};
    bool created, fresh;
    struct store *s = fixture_open(&f->config, NULL, &created);
    assert_non_null(store_state(s, "wear", 1, 300, &fresh, &e));
    store_close(s);
    s = fixture_open(&f->config, NULL, &created);
    assert_null(store_state(s, "wear", 2, 300, &fresh, &e));
    assert_non_null(strstr(e.text, "version 1 and 300 bytes"));
    assert_non_null(strstr(e.text, "version 2 and 300 bytes"));
    assert_non_null(strstr(e.text, f->path));
    assert_null(store_state(s, "wear", 1, 301, &fresh, &e));
    assert_non_null(store_state(s, "wear", 1, 300, &fresh, &e));
    store_close(s);
}

static void test_file_refuses_in_use_image(void **state) {
    struct fixture *f = *state;
    bool created;
    struct store *s = fixture_open(&f->config, NULL, &created);
    REFUSED(&f->config, "/disk.img: image is in use by another process");
    store_close(s);
    store_close(fixture_open(&f->config, NULL, &created));
}

static void test_file_refuses_another_drive(void **state) {
    struct fixture *f = *state;
    struct store_config c = f->config;
    bool created;
    store_close(fixture_open(&c, NULL, &created));
    c.bytes = 4 << 20;
    REFUSED(&c, f->path, "3145728", "4194304");
    c = f->config;
    c.identity = "ssd capacity=3145728 nand.channels=4 nand.luns=4";
    REFUSED(&c, f->path, "nand.channels=8", "nand.channels=4");
}

static void poke(const char *path, off_t at, const void *bytes, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

static void test_file_refuses_foreign_newer_and_truncated(void **state) {
    struct fixture *f = *state;
    bool created;
    poke(f->path, 0, "#!/bin/sh\n", 10);
    REFUSED(&f->config, f->path, "not a drivelab image");
    assert_int_equal(truncate(f->path, 100000), 0);
    REFUSED(&f->config, f->path, "not a drivelab image");
    unlink(f->path);
    store_close(fixture_open(&f->config, NULL, &created));
    poke(f->path, 8, "\7", 1);
    REFUSED(&f->config, f->path, "version 7", "up to 1");
    poke(f->path, 8, "\1", 1);
    assert_int_equal(truncate(f->path, 1000000), 0);
    REFUSED(&f->config, f->path, "truncated", "1000000", "4194304");
    assert_int_equal(truncate(f->path, 1000), 0);
    REFUSED(&f->config, f->path, "truncated", "1000");
}

static void test_file_refusal_changes_nothing(void **state) {
    struct fixture *f = *state;
    static const off_t places[] = {0, 9, 16, 24, 31, 40, 45, 2000, 4095, 4096, 4099, 8192, 8300, 12288, 12300};
    struct image_header *before = malloc(sizeof(*before)), *after = malloc(sizeof(*after));
    bool created, fresh;
    struct store *s = fixture_open(&f->config, NULL, &created);
    assert_non_null(store_state(s, "wear", 1, 300, &fresh, NULL));
    assert_non_null(store_state(s, "l2p", 1, 300, &fresh, NULL));
    store_close(s);
    int fd = open(f->path, O_RDWR);
    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
        assert_int_equal(pread(fd, before, sizeof(*before), 0), sizeof(*before));
        uint8_t was = ((uint8_t *)before)[places[i]];
        ((uint8_t *)before)[places[i]] ^= 0x55;
        assert_int_equal(pwrite(fd, before, sizeof(*before), 0), sizeof(*before));
        REFUSED(&f->config, f->path);
        assert_int_equal(pread(fd, after, sizeof(*after), 0), sizeof(*after));
        assert_memory_equal(before, after, sizeof(*before));
        assert_int_equal(pwrite(fd, &was, 1, places[i]), 1);
    }
    close(fd);
    store_close(fixture_open(&f->config, NULL, &created));
    assert_false(created);
    free(before);
    free(after);
}

static void test_file_refuses_what_is_no_file(void **state) {
    struct fixture *f = *state;
    struct store_config c = f->config;
    char path[300];
    c.path = f->dir;
    REFUSED(&c, f->dir);
    c.path = "/dev/null";
    REFUSED(&c, "/dev/null", "regular file");
    snprintf(path, sizeof(path), "%s/no/such/disk.img", f->dir);
    c.path = path;
    REFUSED(&c, path, "No such file");
}

static void test_file_is_made_where_an_empty_one_is(void **state) {
    struct fixture *f = *state;
    bool created;
    poke(f->path, 0, "", 0);
    store_close(fixture_open(&f->config, NULL, &created));
    assert_true(created);
}

/* What a kill in the middle of making an image or a state area leaves behind. */
static void test_file_accepts_what_a_killed_maker_left(void **state) {
    struct fixture *f = *state;
    char path[300];
    bool created, fresh;
    snprintf(path, sizeof(path), "%s.new", f->path);
    poke(path, 5000000, "rubbish", 7);
    struct store *s = fixture_open(&f->config, NULL, &created);
    assert_true(created);
    store_close(s);
    poke(f->path, 4 << 20, "rubbish", 7); /* grown and written, entry not committed */
    poke(f->path, 8192 + 4, "rubbish", 7);
    s = fixture_open(&f->config, NULL, &created);
    const char *area = store_state(s, "wear", 1, 300, &fresh, NULL);
    assert_non_null(area);
    assert_true(fresh);
    assert_int_equal(area[0], 0);
    store_close(s);
}

static uint64_t blocks_bytes(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void test_file_discard_gives_space_back(void **state) {
    struct fixture *f = *state;
    bool created;
    struct store *s = fixture_open(&f->config, NULL, &created);
    uint64_t empty = blocks_bytes(f->path);
    assert_int_equal(store_reserve(s, 100, 2 << 20), 0);
    assert_true(blocks_bytes(f->path) >= empty + (2 << 20));
    memset(store_map(s, 0, 2 << 20), 1, 2 << 20);
    assert_int_equal(store_discard(s, 0, 3 << 20), 0);
    assert_true(blocks_bytes(f->path) < empty + (1 << 20));
    assert_int_equal(store_reserve(s, 0, 1), 0); /* not taken for reserved any more */
    assert_true(blocks_bytes(f->path) >= empty + (1 << 20));
    store_close(s);
}

/* Scanning by holes finds every byte of a sparse area, and mostly nothing else. */
static void test_file_state_holes_hide_nothing(void **state) {
    struct fixture *f = *state;
    static const uint64_t places[] = {0, 4095, 1 << 20, (40 << 20) + 17, STORE_RESERVED_MAX + 99};
    const uint64_t bytes = STORE_RESERVED_MAX + 100;
    bool created, fresh;
    for (unsigned round = 0; round < 2; round++) {
        struct store *s = fixture_open(&f->config, NULL, &created);
        char *area = store_state(s, "sparse", 1, bytes, &fresh, NULL);
        uint64_t found = 0;
        assert_non_null(area);
        for (unsigned i = 0; fresh && i < sizeof places / sizeof *places; i++)
            area[places[i]] = 1;
        for (uint64_t at = 0; at < bytes;) {
            uint64_t hole = store_state_hole(s, area + at, bytes - at);
            assert_true(hole <= bytes - at);
            at += hole;
            for (uint64_t i = 0; at < bytes && i < 4096; i++, at++)
                found += area[at];
        }
        assert_int_equal(found, sizeof places / sizeof *places);
        store_close(s);
    }
}

static void test_file_reserve_by_writing_changes_no_byte(void **state) {
    struct fixture *f = *state;
    bool by_writing = true;
    char buf[100000] = "", want[100000] = "";
    memcpy(want + 5000, "here", 4);
    poke(f->path, 5000, "here", 4);
    assert_int_equal(truncate(f->path, sizeof(buf)), 0);
    int fd = open(f->path, O_RDWR);
    assert_int_equal(reserve_blocks(fd, 0, sizeof(buf), &by_writing), 0);
    assert_int_equal(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
    assert_memory_equal(buf, want, sizeof(buf));
    assert_true(blocks_bytes(f->path) >= sizeof(buf) - 4096);
    close(fd);
}

/* Exit status of a function in a child. */
static int in_child(int (*run)(struct fixture *), struct fixture *f) {
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run(f));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define CHILD_SKIP 77

static int make_and_end(struct fixture *f, bool made) {
    bool created, fresh;
    struct store *s = store_open(&f->config, NULL, &created, NULL);
    char *area = s ? store_state(s, "wear", 1, 300, &fresh, NULL) : NULL;
    if (!area || !created || !fresh)
        return 1;
    memset(area, 7, 300);
    memset(store_map(s, 5000, 300), 7, 300);
    return made && store_made(s, NULL) ? 2 : 0;
}

static int make_half(struct fixture *f) {
    return make_and_end(f, false);
}

static int make_whole(struct fixture *f) {
    return make_and_end(f, true);
}

/* What its maker never finished counts for nothing; what he finished is there, also without a close. */
static void test_file_makes_anew_what_was_never_finished(void **state) {
    struct fixture *f = *state;
    bool created, fresh;
    struct store_config other = f->config;
    other.identity = "another drive";
    assert_int_equal(in_child(make_half, f), 0);
    store_close(fixture_open(&other, NULL, &created));
    assert_true(created);
    unlink(f->path);
    for (unsigned whole = 0; whole < 2; whole++) {
        assert_int_equal(in_child(whole ? make_whole : make_half, f), 0);
        assert_int_equal(access(f->path, F_OK), 0);
        struct store *s = fixture_open(&f->config, NULL, &created);
        const char *area = store_state(s, "wear", 1, 300, &fresh, NULL);
        assert_non_null(area);
        assert_int_equal(created, !whole);
        assert_int_equal(fresh, !whole);
        assert_int_equal(area[299], whole ? 7 : 0);
        assert_int_equal(*(char *)store_map(s, 5000, 1), whole ? 7 : 0);
        assert_int_equal(store_was_clean(s), !whole);
        store_close(s);
        unlink(f->path);
    }
}

static int make_too_large_a_file(struct fixture *f) {
    bool created;
    struct err e = {0};
    char path[300];
    snprintf(path, sizeof(path), "%s.new", f->path);
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20}))
        return CHILD_SKIP;
    if (store_open(&f->config, NULL, &created, &e))
        return 1;
    if (!strstr(e.text, f->path) || !strstr(e.text, "cannot make an image of 4194304 bytes"))
        return 2;
    return access(f->path, F_OK) == 0 || access(path, F_OK) == 0 ? 3 : 0; /* nothing is left behind */
}

static void test_file_refuses_more_than_a_file_may_have(void **state) {
    assert_int_equal(in_child(make_too_large_a_file, *state), 0);
}

static int fill_small_file_system(struct fixture *f) {
    uid_t uid = geteuid();
    if ((unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) ||
        (uid == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) || mount("none", f->dir, "tmpfs", 0, "size=1m"))
        return CHILD_SKIP;
    bool created, fresh;
    struct err e = {0};
    f->config.bytes = 64 << 20;
    struct store *s = store_open(&f->config, NULL, &created, &e);
    if (!s)
        return 1;
    if (store_state(s, "wear", 1, 4 << 20, &fresh, &e) || !strstr(e.text, "No space"))
        return 2;
    char *small = store_state(s, "small", 1, 100000, &fresh, &e);
    if (!small)
        return 3;
    char *large = store_state(s, "large", 1, STORE_RESERVED_MAX + 1, &fresh, &e);
    if (!large || store_state_reserve(s, large + 5, 1) != -ENOSPC)
        return 4;
    memset(small, 1, 100000);
    if (store_reserve(s, 0, 1) != -ENOSPC || store_reserve(s, 63 << 20, 1 << 20) != -ENOSPC)
        return 5;
    if (*(char *)store_map(s, 5 << 20, 1) != 0 || store_discard(s, 0, 64 << 20) != 0)
        return 6; /* reading and discarding need no space */
    store_close(s);
    s = store_open(&f->config, NULL, &created, &e);
    if (!s || created || !store_was_clean(s))
        return 7;
    store_close(s);
    return 0;
}

static void test_file_survives_a_full_file_system(void **state) {
    int status = in_child(fill_small_file_system, *state);
    if (status == CHILD_SKIP)
        skip(); /* mounting is not allowed here */
    assert_int_equal(status, 0);
}

static int touch_truncated(struct fixture *f) {
    bool created;
    struct store *s = store_open(&f->config, NULL, &created, NULL);
    int quiet = open(f->dir, O_TMPFILE | O_RDWR, 0600);
    char said[300] = "";
    if (!s || quiet < 0)
        return 2;
    dup2(quiet, STDERR_FILENO);
    if (fork() == 0) {
        if (truncate(f->path, IMAGE_HEADER_BYTES))
            _exit(3);
        _exit(*(volatile char *)store_map(s, 1 << 20, 1) + 4);
    }
    int status;
    wait(&status);
    ssize_t got = pread(quiet, said, sizeof(said) - 1, 0);
    return got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 1 && strstr(said, f->path) ? 0 : 5;
}

static void test_file_cut_short_in_use_ends_with_a_line(void **state) {
    assert_int_equal(in_child(touch_truncated, *state), 0);
}

/* ---- killed writers ---- */

#define RECORD 4096u

static void record_fill(uint8_t *to, uint64_t number) {
    struct rng rng;
    rng_init(&rng, number, 1);
    for (unsigned i = 0; i < RECORD / 8; i++) {
        uint64_t word = rng_next(&rng);
        memcpy(to + 8 * i, &word, 8);
    }
}

/* Write record after record, count it in the state, report it, until killed. */
static void write_until_killed(struct fixture *f, int report) {
    bool created, fresh;
    struct store *s = store_open(&f->config, NULL, &created, NULL);
    uint64_t *count = s ? store_state(s, "count", 1, 8, &fresh, NULL) : NULL;
    if (count && created && store_made(s, NULL))
        count = NULL;
    while (count) {
        uint64_t slots = f->config.bytes / RECORD, at = *count % slots * RECORD;
        if (store_reserve(s, at, RECORD))
            break;
        record_fill(store_map(s, at, RECORD), *count + 1);
        ++*count;
        if (write(report, count, 8) != 8)
            break;
    }
    _exit(1);
}

/* Let a writer run until it has reported `reports` records, then kill it. Returns the last record reported. */
static uint64_t kill_a_writer(struct fixture *f, uint64_t reports) {
    int fds[2], status;
    uint64_t last = 0, got;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        write_until_killed(f, fds[1]);
    }
    close(fds[1]);
    for (uint64_t i = 0; i < reports && read(fds[0], &got, 8) == 8; i++)
        last = got;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &got, 8) == 8)
        last = got;
    close(fds[0]);
    return last;
}

static void check_records(struct store *s, uint64_t count) {
    uint64_t slots = store_bytes(s) / RECORD, first = count > slots - 1 ? count - (slots - 1) : 0;
    uint8_t want[RECORD];
    for (uint64_t number = first; number < count; number++) {
        record_fill(want, number + 1);
        assert_memory_equal(store_map(s, number % slots * RECORD, RECORD), want, RECORD);
    }
}

static void test_file_keeps_what_a_killed_writer_reported(void **state) {
    struct fixture *f = *state;
    struct rng rng;
    bool created, fresh;
    uint64_t last = 0;
    rng_init(&rng, 11, 0);
    for (unsigned round = 0; round < 6; round++) {
        uint64_t reported = kill_a_writer(f, rng_below(&rng, 400) + (round > 0 ? 0 : 1));
        last = reported ? reported : last;
        struct store *s = fixture_open(&f->config, NULL, &created);
        uint64_t *count = store_state(s, "count", 1, 8, &fresh, NULL);
        assert_non_null(count);
        if (last > 0 && reported > 0) {
            assert_false(created);
            assert_false(store_was_clean(s));
        }
        assert_true(*count == last || *count == last + 1); /* one may be counted and not yet reported */
        check_records(s, *count);
        last = *count;
        store_close(s);
    }
    assert_true(last > 0);
}

/* Killed while making the image and its areas, thousands of places apart: the next start always accepts it. */
static void test_file_accepts_a_kill_while_made(void **state) {
    struct fixture *f = *state;
    bool created, fresh;
    for (unsigned i = 0; i < 8; i++) {
        int go[2], status;
        assert_int_equal(pipe(go), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            char c = 'x';
            ssize_t put = write(go[1], &c, 1);
            struct store *s = put == 1 ? store_open(&f->config, NULL, &created, NULL) : NULL;
            for (char name[] = "a"; s && name[0] <= 'z'; name[0]++)
                store_state(s, name, 1, 5000, &fresh, NULL);
            pause();
        }
        char c;
        assert_int_equal(read(go[0], &c, 1), 1);
        usleep(i * i * 50);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        close(go[0]);
        close(go[1]);
        struct store *s = fixture_open(&f->config, NULL, &created);
        for (char name[] = "a"; name[0] <= 'z'; name[0]++)
            assert_non_null(store_state(s, name, 1, 5000, &fresh, NULL));
        store_close(s);
        unlink(f->path);
    }
}

/* ---- flushes ---- */

struct flush_case {
    struct store_flush flush;
    struct store *store;
    struct sim *sim;
    unsigned *order, at, left;
};

static void flush_note(struct store_flush *flush, int error) {
    struct flush_case *c = (struct flush_case *)flush;
    assert_int_equal(error, 0);
    c->at = ++*c->order;
    if (c->left-- > 0)
        store_flush(c->store, flush); /* again, from its own answer */
}

static void test_file_flushes_in_order_on_the_loop(void **state) {
    struct fixture *f = *state;
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_WALL}, NULL);
    bool created;
    struct store *s = fixture_open(&f->config, sim, &created);
    struct flush_case c[20];
    unsigned order = 0;
    for (unsigned i = 0; i < 20; i++) {
        c[i] = (struct flush_case){.flush.done = flush_note, .store = s, .sim = sim, .order = &order, .left = i == 7};
        *(char *)store_map(s, i * 4096, 1) = 'x';
        store_flush(s, &c[i].flush);
    }
    assert_int_equal(order, 0);
    sim_run(sim, SIM_NEVER); /* ends by itself when no flush is under way */
    assert_int_equal(order, 21);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(c[i].at, i == 7 ? 21 : i + 1);
    store_close(s);
    sim_free(sim);
}

static void test_file_close_forgets_flushes_under_way(void **state) {
    struct fixture *f = *state;
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_WALL}, NULL);
    bool created;
    struct store *s = fixture_open(&f->config, sim, &created);
    unsigned order = 0;
    struct flush_case *c = malloc(sizeof(*c));
    *c = (struct flush_case){.flush.done = flush_note, .store = s, .sim = sim, .order = &order};
    store_flush(s, &c->flush);
    free(c); /* its owner may go first */
    store_close(s);
    sim_run(sim, SIM_NEVER);
    assert_int_equal(order, 0);
    sim_free(sim);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
#define QUICK(name) cmocka_unit_test_setup_teardown(name, fixture_make_quick, fixture_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_file_keeps_payload_and_state),
        QUICK(test_file_refuses_another_state),
        QUICK(test_file_refuses_in_use_image),
        QUICK(test_file_refuses_another_drive),
        QUICK(test_file_refuses_foreign_newer_and_truncated),
        TEST(test_file_refusal_changes_nothing),
        QUICK(test_file_refuses_what_is_no_file),
        TEST(test_file_is_made_where_an_empty_one_is),
        QUICK(test_file_accepts_what_a_killed_maker_left),
        TEST(test_file_discard_gives_space_back),
        QUICK(test_file_makes_anew_what_was_never_finished),
        TEST(test_file_state_holes_hide_nothing),
        TEST(test_file_reserve_by_writing_changes_no_byte),
        QUICK(test_file_refuses_more_than_a_file_may_have),
        TEST(test_file_survives_a_full_file_system),
        TEST(test_file_cut_short_in_use_ends_with_a_line),
        QUICK(test_file_keeps_what_a_killed_writer_reported),
        QUICK(test_file_accepts_a_kill_while_made),
        TEST(test_file_flushes_in_order_on_the_loop),
        TEST(test_file_close_forgets_flushes_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

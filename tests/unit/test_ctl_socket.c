/* The control socket from outside: who may connect, what happens to its file, clients that behave badly. */
#include "ctl_bed.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"drive.resume\"}\n"
#define PONG "{\"jsonrpc\":\"2.0\",\"result\":{\"paused\":false,\"held\":0},\"id\":1}\n"
#define MAX  16 /* clients */

struct place {
    struct ctl_bed *b;
    struct ctl_config config;
    struct ctl *ctl;
    char folder[64], path[96];
};

static struct place place_new(void) {
    struct place p = {.b = ctl_bed_new(NULL), .folder = "/tmp/drivelab-ctl-XXXXXX"};
    assert_non_null(mkdtemp(p.folder));
    snprintf(p.path, sizeof p.path, "%s/s", p.folder);
    p.config = p.b->ctl.config;
    return p;
}

static void place_open(struct place *p) {
    struct err e = {0};
    p->config.path = p->path;
    p->ctl = ctl_open(&p->config, &e);
    if (!p->ctl)
        fail_msg("%s", e.text);
}

static void place_free(struct place *p) {
    ctl_close(p->ctl);
    unlink(p->path);
    assert_int_equal(rmdir(p->folder), 0);
    ctl_bed_free(p->b);
}

static void turns(struct place *p, unsigned n) {
    for (; n; n--)
        sim_run(p->b->bed->sim, sim_now(p->b->bed->sim) + 100000);
}

static int dial(const char *path) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    strcpy(sa.sun_path, path);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* What the other end has sent so far. */
static size_t take(int fd, char *buf, size_t size) {
    ssize_t n = recv(fd, buf, size - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static void ping(struct place *p, int fd) {
    char buf[256];
    assert_int_equal(send(fd, PING, strlen(PING), MSG_NOSIGNAL), strlen(PING));
    turns(p, 4);
    take(fd, buf, sizeof buf);
    assert_string_equal(buf, PONG);
}

/* ---- The file ---- */

static void test_ctl_socket_is_private_and_goes_at_the_end(void **state) {
    struct place p = place_new();
    struct stat st;
    mode_t mask = umask(0);
    place_open(&p);
    umask(mask);
    assert_int_equal(stat(p.path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = dial(p.path);
    ping(&p, fd);
    ctl_close(p.ctl);
    p.ctl = NULL;
    assert_int_equal(stat(p.path, &st), -1);
    close(fd);
    place_free(&p);
}

static void test_ctl_socket_replaces_a_dead_one(void **state) {
    struct place p = place_new();
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    strcpy(sa.sun_path, p.path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&sa, sizeof sa), 0);
    close(dead);
    place_open(&p);
    int fd = dial(p.path);
    ping(&p, fd);
    close(fd);
    place_free(&p);
}

static void refused(struct place *p, const char *path, const char *words) {
    struct err e = {0};
    p->config.path = path;
    assert_null(ctl_open(&p->config, &e));
    if (!strstr(e.text, words) || !e.code)
        fail_msg("%s", e.text);
}

static void test_ctl_socket_refuses_what_is_in_use(void **state) {
    struct place p = place_new();
    char file[128], longer[200];
    struct stat st;
    place_open(&p);
    refused(&p, p.path, "another process listens");
    int fd = dial(p.path);
    ping(&p, fd); /* it goes on */
    close(fd);
    snprintf(file, sizeof file, "%s/f", p.folder);
    fclose(fopen(file, "w"));
    refused(&p, file, "is not a socket");
    assert_int_equal(stat(file, &st), 0);
    unlink(file);
    refused(&p, p.folder, "is not a socket");
    snprintf(file, sizeof file, "%s/none/s", p.folder);
    refused(&p, file, "No such file");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    refused(&p, longer, "1 to 107 bytes");
    refused(&p, "", "1 to 107 bytes");
    place_free(&p);
}

static void test_ctl_socket_leaves_the_file_of_another(void **state) {
    struct place p = place_new();
    struct stat st;
    place_open(&p);
    struct ctl *first = p.ctl;
    unlink(p.path);
    place_open(&p);
    ctl_close(first);
    assert_int_equal(stat(p.path, &st), 0);
    int fd = dial(p.path);
    ping(&p, fd);
    close(fd);
    place_free(&p);
}

/* ---- Clients ---- */

static void test_ctl_socket_serves_many_up_to_a_limit(void **state) {
    struct place p = place_new();
    char buf[256];
    int fd[MAX + 1];
    place_open(&p);
    for (unsigned i = 0; i < MAX; i++) {
        fd[i] = dial(p.path);
        assert_true(fd[i] >= 0);
        ping(&p, fd[i]);
    }
    fd[MAX] = dial(p.path);
    turns(&p, 4);
    take(fd[MAX], buf, sizeof buf);
    assert_non_null(strstr(buf, "-32003"));
    assert_non_null(strstr(buf, "16 clients"));
    assert_int_equal(recv(fd[MAX], buf, sizeof buf, 0), 0);
    close(fd[MAX]);
    close(fd[3]);
    turns(&p, 4);
    fd[3] = dial(p.path);
    ping(&p, fd[3]);
    for (unsigned i = 0; i < MAX; i++)
        close(fd[i]);
    turns(&p, 4);
    assert_int_equal(p.ctl->client_count, 0);
    place_free(&p);
}

static void test_ctl_socket_answers_before_it_hangs_up(void **state) {
    struct place p = place_new();
    char buf[1024];
    place_open(&p);
    int fd = dial(p.path);
    assert_int_equal(send(fd, PING PING PING, 3 * strlen(PING), 0), 3 * strlen(PING));
    shutdown(fd, SHUT_WR);
    turns(&p, 6);
    assert_int_equal(take(fd, buf, sizeof buf), 3 * strlen(PONG));
    assert_int_equal(recv(fd, buf, sizeof buf, 0), 0);
    assert_int_equal(p.ctl->client_count, 0);
    close(fd);
    fd = dial(p.path); /* goes with its request half said */
    assert_int_equal(send(fd, PING, 10, 0), 10);
    turns(&p, 4);
    close(fd);
    fd = dial(p.path); /* goes without taking its reply */
    assert_int_equal(send(fd, PING, strlen(PING), 0), strlen(PING));
    close(fd);
    turns(&p, 6);
    assert_int_equal(p.ctl->client_count, 0);
    place_free(&p);
}

static void test_ctl_socket_works_for_who_has_hung_up(void **state) {
    static const char resume[] = "{\"jsonrpc\":\"2.0\",\"method\":\"drive.resume\"}",
                      pause[] = "{\"jsonrpc\":\"2.0\",\"method\":\"drive.pause\"}";
    char all[501 * sizeof resume];
    struct place p = place_new();
    place_open(&p);
    int fd = dial(p.path);
    size_t n = 0;
    for (unsigned i = 0; i < 500; i++, n += sizeof resume - 1)
        memcpy(all + n, resume, sizeof resume - 1);
    memcpy(all + n, pause, sizeof pause);
    assert_int_equal(send(fd, all, strlen(all), 0), strlen(all));
    close(fd);
    turns(&p, 200);
    assert_int_equal(p.ctl->requests, 501);
    assert_true(nvme_paused(p.b->bed->target));
    assert_int_equal(p.ctl->client_count, 0);
    place_free(&p);
}

/* Fill what the kernel takes, and go on as it takes more. */
static size_t push(int fd, const char *text, size_t bytes) {
    size_t all = 0;
    for (ssize_t n; (n = send(fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0;)
        all += (size_t)n;
    return all;
}

static void test_ctl_socket_bounds_a_client_that_does_not_read(void **state) {
    static const char help[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"help\"}\n";
    struct place p = place_new();
    place_open(&p);
    int deaf = dial(p.path), other = dial(p.path);
    uint64_t asked = 0;
    for (unsigned i = 0; i < 200; i++) {
        push(deaf, help, sizeof help - 1);
        turns(&p, 1);
        if (i == 150)
            asked = p.ctl->requests;
    }
    assert_int_equal(p.ctl->requests, asked); /* it is not worked for any more */
    ping(&p, other);
    assert_int_equal(p.ctl->client_count, 2);
    sim_run(p.b->bed->sim, sim_now(p.b->bed->sim) + 40000000000);
    assert_int_equal(p.ctl->client_count, 1);
    ping(&p, other);
    close(deaf);
    close(other);
    place_free(&p);
}

static void test_ctl_socket_bounds_endless_input(void **state) {
    struct place p = place_new();
    char block[65536];
    place_open(&p);
    int loud = dial(p.path), other = dial(p.path);
    memset(block, 'x', sizeof block);
    block[0] = '"';
    assert_int_equal(send(loud, "[", 1, 0), 1);
    for (unsigned i = 0; i < 500; i++) {
        push(loud, block, sizeof block);
        turns(&p, 1);
        if (i % 100 == 0)
            ping(&p, other);
    }
    assert_int_equal(p.ctl->client_count, 2);
    close(loud);
    turns(&p, 4);
    ping(&p, other);
    close(other);
    place_free(&p);
}

static void test_ctl_socket_shares_the_loop(void **state) {
    struct place p = place_new();
    place_open(&p);
    int busy = dial(p.path), other = dial(p.path);
    for (unsigned i = 0; i < 1000; i++)
        if (send(busy, PING, strlen(PING), MSG_DONTWAIT) < 0)
            break;
    uint64_t before = p.ctl->requests;
    assert_int_equal(send(other, PING, strlen(PING), 0), strlen(PING));
    char buf[256];
    for (unsigned i = 0; i < 20 && !take(other, buf, sizeof buf); i++)
        turns(&p, 1);
    assert_string_equal(buf, PONG);
    assert_true(p.ctl->requests - before < 400); /* long before the busy one was done */
    close(busy);
    close(other);
    place_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ctl_socket_is_private_and_goes_at_the_end),
        cmocka_unit_test(test_ctl_socket_replaces_a_dead_one),
        cmocka_unit_test(test_ctl_socket_refuses_what_is_in_use),
        cmocka_unit_test(test_ctl_socket_leaves_the_file_of_another),
        cmocka_unit_test(test_ctl_socket_serves_many_up_to_a_limit),
        cmocka_unit_test(test_ctl_socket_answers_before_it_hangs_up),
        cmocka_unit_test(test_ctl_socket_works_for_who_has_hung_up),
        cmocka_unit_test(test_ctl_socket_bounds_a_client_that_does_not_read),
        cmocka_unit_test(test_ctl_socket_bounds_endless_input),
        cmocka_unit_test(test_ctl_socket_shares_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

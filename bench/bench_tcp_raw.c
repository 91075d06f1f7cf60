/*
 * What the kernel's loopback allows: an exchange over TCP of the messages that
 * 4 KiB reads over NVMe/TCP consist of (72 bytes there, 24 + 4096 back), at the
 * same queue depths and with the same batching, without any NVMe in between.
 * No target can be faster than this by much.
 *
 *   bench_tcp_raw [seconds]
 *
 * Two threads, pinned to processors 0 and 1 where there are two.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST = 72,
    HEADER = 24,
    PAYLOAD = 4096,
    REPLY = HEADER + PAYLOAD,
    IOV_MAX_USED = 1024,
    BUFFER = 1 << 20,
    PATIENCE = 2
};

struct server {
    int fd;
    uint8_t *store;
    size_t store_bytes;
};

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sysconf(_SC_NPROCESSORS_ONLN) > cpu)
        sched_setaffinity(0, sizeof(set), &set);
}

/* Send all of it, spinning while the socket is full. -1: the other side is gone. */
static int send_all(int fd, struct iovec *iov, int count) {
    while (count > 0) {
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count < IOV_MAX_USED ? (size_t)count : IOV_MAX_USED};
        ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n < 0)
            sched_yield(); /* the kernel's own threads may have to move it on */
        for (; n > 0; n -= (ssize_t)iov->iov_len, iov++, count--) {
            if ((size_t)n < iov->iov_len) {
                iov->iov_base = (char *)iov->iov_base + n;
                iov->iov_len -= (size_t)n;
                break;
            }
        }
    }
    return 0;
}

/* As the target does it: everything that has come is answered in one call. */
static void *serve(void *arg) {
    struct server *s = arg;
    static uint8_t in[BUFFER], header[HEADER];
    static struct iovec iov[2 * BUFFER / REQUEST];
    size_t have = 0, at = 0;
    pin(0);
    for (;;) {
        ssize_t n = recv(s->fd, in + have, sizeof(in) - have, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return NULL;
        if (n < 0)
            continue;
        have += (size_t)n;
        int count = 0;
        for (; have >= REQUEST; have -= REQUEST) {
            at = (at * 6364136223846793005u + 1442695040888963407u) % (s->store_bytes / PAYLOAD);
            iov[count++] = (struct iovec){header, HEADER};
            iov[count++] = (struct iovec){s->store + at * PAYLOAD, PAYLOAD};
        }
        if (send_all(s->fd, iov, count) != 0)
            return NULL;
    }
}

static double exchange(int fd, unsigned depth, double seconds) {
    static uint8_t in[BUFFER], request[REQUEST];
    static struct iovec iov[IOV_MAX_USED];
    uint64_t done = 0, bytes = 0;
    double start = seconds_now(), now = start;
    unsigned send = depth, inflight = 0;
    while (now - start < seconds || (inflight > 0 && now - start < seconds + PATIENCE)) {
        if (now - start >= seconds)
            send = 0;
        for (unsigned i = 0; i < send; i++)
            iov[i] = (struct iovec){request, REQUEST};
        if (send && send_all(fd, iov, (int)send) != 0)
            break;
        inflight += send;
        send = 0;
        ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
        if (n > 0) {
            bytes += (uint64_t)n;
            send = (unsigned)(bytes / REPLY - done);
            done += send;
            inflight -= send;
        }
        now = seconds_now();
    }
    return (double)done / (now - start);
}

static int connect_pair(int fd[2]) {
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(sa);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&sa, &length))
        return -1;
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd[0], (struct sockaddr *)&sa, sizeof(sa)))
        return -1;
    fd[1] = accept(listener, NULL, NULL);
    close(listener);
    for (int i = 0; i < 2; i++)
        setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd[1] < 0 ? -1 : 0;
}

int main(int argc, char **argv) {
    static const unsigned depths[] = {1, 32, 128};
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    struct server server = {.store_bytes = 64u << 20};
    server.store = malloc(server.store_bytes);
    if (!server.store)
        return 1;
    memset(server.store, 1, server.store_bytes);
    pin(1);
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        int fd[2];
        pthread_t thread;
        if (connect_pair(fd) != 0) {
            perror("loopback connection");
            return 1;
        }
        server.fd = fd[1];
        if (pthread_create(&thread, NULL, serve, &server) != 0)
            return 1;
        printf("raw TCP, 72 B for 24+4096 B, depth %3u: %9.0f exchanges/s\n", depths[i],
               exchange(fd[0], depths[i], seconds));
        fflush(stdout);
        shutdown(fd[0], SHUT_RDWR);
        pthread_join(thread, NULL);
        close(fd[0]);
        close(fd[1]);
    }
    free(server.store);
    return 0;
}

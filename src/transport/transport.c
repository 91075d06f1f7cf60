/*
 * The table of transports, and finding a row by the scheme of a URL.
 */
#include "transport/transport.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/inproc/inproc.h"
#include "transport/tcp/tcp.h"

const struct transport_ops *const transports[] = {&tcp_transport, &inproc_transport, NULL};

static void list_schemes(char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; transports[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s://", i ? ", " : "", transports[i]->scheme);
}

const struct transport_ops *transport_find(const char *url, const char **address, struct err *e) {
    const char *sep = strstr(url, "://");
    size_t length = sep ? (size_t)(sep - url) : 0;
    for (unsigned i = 0; sep && transports[i]; i++) {
        if (strlen(transports[i]->scheme) == length && memcmp(url, transports[i]->scheme, length) == 0) {
            *address = sep + 3;
            return transports[i];
        }
    }
    char valid[128];
    list_schemes(valid, sizeof(valid));
    err_set(e, EINVAL, "listen address \"%s\": %s; valid: %s (e.g. tcp://127.0.0.1:4420, tcp://[::1]:4420)", url,
            sep ? "unknown transport" : "no transport named", valid);
    return NULL;
}

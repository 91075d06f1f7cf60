/* See frame.h. */
#include "ctl/frame.h"

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void begin(struct ctl_frame *f, char c) {
    f->begun = true;
    f->line = c != '{' && c != '[';
    f->depth = !f->line;
}

static void in_string(struct ctl_frame *f, char c) {
    if (f->escape)
        f->escape = false;
    else if (c == '\\')
        f->escape = true;
    else if (c == '"')
        f->string = false;
}

/* One more byte of a value that has begun; true if it was the last. */
static bool ends_with(struct ctl_frame *f, char c) {
    if (f->line || f->string) {
        if (f->string)
            in_string(f, c);
        return c == '\n';
    }
    if (c == '"')
        f->string = true;
    else if (c == '{' || c == '[')
        f->depth++;
    else if (c == '}' || c == ']')
        return --f->depth == 0;
    return false;
}

static size_t spaces(const char *data, size_t bytes) {
    size_t i = 0;
    while (i < bytes && is_space(data[i]))
        i++;
    return i;
}

enum ctl_frame_end ctl_frame_scan(struct ctl_frame *f, const char *data, size_t bytes, size_t *at) {
    size_t i = 0;
    if (!f->begun) {
        *at = spaces(data, bytes);
        if (*at || !bytes)
            return CTL_FRAME_SPACE;
        begin(f, data[i++]);
    }
    for (; i < bytes; i++) {
        bool last = ends_with(f, data[i]), deep = f->depth > CTL_DEPTH_MAX && !f->skipping;
        if (!last && !deep)
            continue;
        *at = i + 1;
        if (!last)
            return CTL_FRAME_DEEP;
        *f = (struct ctl_frame){0};
        return CTL_FRAME_VALUE;
    }
    *at = bytes;
    return CTL_FRAME_MORE;
}

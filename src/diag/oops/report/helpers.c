/*
 * Names of functions against lists of patterns (reporter_names.c, helper_names.c, helper_paths.c).
 */
#include <string.h>

#include "diag/oops/oops_int.h"

/* What variants of memcpy(), printk(), spin_lock(), atomic_inc() have before these words, beside underscores. */
static bool is_variant(const char *s, size_t len) {
    static const char *const prefixes[] = {
        "",
        "k",
        "v",
        "kv",
        "vk",
        "vs",
        "s",
        "vsc",
        "pi_",
        "arch_",
        "asan_",
        "msan_",
        "hwasan_",
        "sized_",
        "bstr_",
        "simple_",
        "devk",
        "hex_",
        "ip4_",
        "ip6_",
        "bitmap_",
        "uuid_",
        "symbol_",
        "widen_",
        "escaped_",
        "restricted_",
        "default_",
        "error_",
        "resource_",
        "dev_",
        "dev_v",
        "devm_",
        "devm_k",
        "do_",
        "mac_address_",
        "raw_",
        "do_raw_",
        "rt_",
        "native_",
        "queued_",
        "pv_",
        "arm_",
        "generic_",
        "instrument_",
        "class_",
        "arch_raw_",
        "console_",
        "percpu_",
        "rwsem_",
        "trace_",
        "kernel_",
        "mmap_",
        "nested_",
        "read_",
        "native_queued_",
        "pv_queued_",
        "test_and_",
        "arch_test_and_",
        "assign_",
        "skb_",
        "try_",
        "vma_",
    };
    for (; len && *s == '_'; s++, len--)
        ;
    for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strlen(prefixes[i]) == len && !memcmp(prefixes[i], s, len))
            return true;
    return false;
}

static struct oops_span without_underscores(struct oops_span name) {
    while (name.len && *name.s == '_') {
        name.s++;
        name.len--;
    }
    return name;
}

/* Both ends tied, or one, or none; `pattern` has n bytes and no signs. */
static bool words_match(struct oops_span name, const char *pattern, size_t n, bool from_start, bool to_end) {
    static const char noprof[] = "_noprof";
    size_t rest = sizeof(noprof) - 1;
    if (to_end && name.len > rest && !memcmp(name.s + name.len - rest, noprof, rest))
        name.len -= rest;
    if (n > name.len)
        return false;
    if (from_start)
        return !memcmp(name.s, pattern, n) && (!to_end || n == name.len);
    if (to_end)
        return !memcmp(name.s + name.len - n, pattern, n);
    return memmem(name.s, name.len, pattern, n) != NULL;
}

static bool name_matches(struct oops_span name, const char *pattern) {
    if (*pattern == '~') {
        size_t n = strlen(++pattern);
        bool ends = n && pattern[n - 1] == '$';
        const char *at = memmem(name.s, name.len, pattern, n - ends);
        struct oops_span rest = {at, at ? name.len - (size_t)(at - name.s) : 0};
        return at && is_variant(name.s, (size_t)(at - name.s)) && words_match(rest, pattern, n - ends, true, ends);
    }
    bool from_start = *pattern == '^';
    pattern += from_start;
    if (from_start)
        name = without_underscores(name);
    size_t n = strlen(pattern);
    bool to_end = n && pattern[n - 1] == '$';
    n -= to_end;
    const char *star = memchr(pattern, '*', n);
    if (!star)
        return words_match(name, pattern, n, from_start, to_end);
    size_t first = (size_t)(star - pattern), rest = n - first - 1;
    const char *at = memmem(name.s, name.len, pattern, first);
    if (!at || (from_start && at != name.s))
        return false;
    at += first;
    size_t left = name.len - (size_t)(at - name.s);
    return to_end ? rest <= left && !memcmp(at + left - rest, star + 1, rest)
                  : memmem(at, left, star + 1, rest) != NULL;
}

bool oops_span_in_list(struct oops_span name, const char *const *list) {
    for (; list && *list; list++)
        if (name_matches(name, *list))
            return true;
    return false;
}

bool oops_in_list(const char *name, const char *const *list) {
    return oops_span_in_list((struct oops_span){name, oops_plain_length(name)}, list);
}

bool oops_is_reporter(struct oops_span name) {
    return oops_span_in_list(name, oops_reporters) && !oops_span_in_list(name, oops_culprits);
}

bool oops_is_helper(struct oops_span name) {
    return oops_span_in_list(name, oops_helpers) && !oops_span_in_list(name, oops_culprits);
}

bool oops_only_reports(const char *name) {
    struct oops_span plain = {name, oops_plain_length(name)};
    return oops_is_reporter(plain) || oops_span_in_list(plain, oops_handlers);
}

/*
 * Passing over text that holds no report: one look at each byte for all words
 * that any report's header has.
 *
 * Each word is known by three bytes of it that are rare in ordinary logs
 * ("BUG", "Oop", "l p" of "Kernel panic"). Three tables say for a byte value
 * which words' first, second and third it can be, one bit a group of words; the
 * three ANDed leave a place to look at closely. Unlike an algorithm that skips
 * bytes, no step waits for the one before. Where a word has a blank or a colon,
 * the log may have a no-break space, an entity of HTML or a full-width colon: what
 * begins like one is taken for it, as is what differs behind that.
 *
 * Every header that kinds_*.c knows must have one of these words; a test holds
 * the two together.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

#define KEY 3 /* bytes that a word is found by */

struct word {
    const char *text;
    unsigned key; /* where in it they start */
};

static const struct word words[] = {
    {"BUG: ", 0},
    {"BUG at ", 0},
    {"BUG kmalloc", 0},
    {"BUG [#", 0},
    {"BUG (", 0},
    {"BUG kmem", 0},
    {"ernel BUG", 6},
    {"BUG ", 0},
    {"WARNING: ", 3},
    {"WARNING:\n", 3},
    {"INFO:\n", 2},
    {"BUG:\n", 0},
    {"Slab corr", 0},
    {"slab error in", 0},
    {"INFO: task", 2},
    {"INFO: rcu", 2},
    {"INFO: possi", 2},
    {"INFO: incons", 2},
    {"INFO: suspi", 2},
    {"INFO: tryin", 2},
    {"INFO: SOFTIRQ", 2},
    {"INFO: HARDIRQ", 2},
    {"INFO: lock", 2},
    {"INFO: Freed", 2},
    {"INFO: Alloc", 2},
    {"INFO: Slab", 2},
    {"nable to handle", 6},
    {"Oops: ", 0},
    {"Oops [", 0},
    {"Oops - ", 0},
    {"Oops#", 0},
    {"Kernel panic", 5},
    {"general protec", 6},
    {"double fault", 1},
    {"divide err", 1},
    {"divide_err", 1},
    {"invalid opcode", 8},
    {"stack segment", 7},
    {"int3: ", 2},
    {"UBSAN: ", 1},
    {"Internal error:", 7},
    {"Unhandled ", 1},
    {"Alignment trap", 3},
    {"alignment check", 3},
    {"unregister_net", 9},
    {"rust_kernel: ", 3},
    {"hard LOCKUP", 7},
    {"Hard LOCKUP", 7},
    {"VFS: Busy", 0},
    {"VFS: Close", 0},
    {"SError Interr", 0},
    {"Insufficient stack", 4},
    {"Bad mode in", 0},
    {"PANIC at ", 0},
    {"Kernel bug det", 7},
    {"in kernel code", 8},
    {"bus error, epc", 11},
    {"do_cpu invoked", 9},
    {" ilc:", 1},
    {"Bad Address (", 0},
    {"Code=", 0},
    {" (code ", 1},
    {"Kernel bug at", 7},
    {"Vector: ", 0},
    {"[ECR ", 0},
    {"ECR: 0x", 0},
    {"NaT consum", 0},
    {"Division by zero in", 0},
    {"BAD KERNEL", 0},
    {"Mem abort info", 0},
    {"Unaligned data", 0},
    {"Oops[#", 0},
    {"[#1]", 0},
    {"[#2]", 0},
    {"PANIC: early", 0},
    {"insn @ ", 4},
    {"Panic#", 3},
    {"stack guard page", 6},
    {"Linux version ", 4},
    {"unreferenced obj", 0},
    {"unsafe lock order", 0},
    {"bad contention", 8},
    {"lock held at", 5},
    {"detected LOCKUP", 9},
    {"INFO: RCU", 6},
    {"Call Trace:", 0},
    {"Call trace:", 0},
    {"RIP: ", 0},
    {"RIP:\n", 0},
    {"RIP  [", 0},
    {"EIP: ", 0},
    {"EIP is at", 0},
    {"PC is at", 0},
    {"pc is at", 0},
    {"pc : ", 1},
    {"NIP [", 0},
    {"unwind_backtr", 0},
    {"Stack Trace:", 6},
    {"dump_stack", 3},
    {"__schedule_bug+", 10},
    {"warn_slowpath_", 8},
    {"show_stack+", 4},
};
#define WORDS (sizeof(words) / sizeof(words[0]))
_Static_assert(WORDS <= OOPS_SCAN_WORDS_MAX, "one byte numbers a word");

/* Words with the same key share a group; groups share bits when there are more than bits. */
static unsigned group_of(unsigned w) {
    unsigned groups = 0;
    for (unsigned i = 0; i < w; i++) {
        unsigned same = 0;
        while (same < i && memcmp(words[same].text + words[same].key, words[i].text + words[i].key, KEY) != 0)
            same++;
        if (same == i) {
            if (!memcmp(words[i].text + words[i].key, words[w].text + words[w].key, KEY))
                return groups % OOPS_SCAN_GROUPS;
            groups++;
        }
    }
    return groups % OOPS_SCAN_GROUPS;
}

void oops_scanner_init(struct oops_scanner *scanner) {
    memset(scanner, 0, sizeof(*scanner));
    for (unsigned w = 0; w < WORDS; w++) {
        unsigned group = group_of(w);
        bool loose = false; /* behind a blank that may be another character: any of theirs */
        for (unsigned i = 0; i < KEY; i++) {
            char c = words[w].text[words[w].key + i];
            loose |= c == ' ' || c == ':';
            scanner->table[i][(unsigned char)c] |= 1ull << group;
            for (const char *s = loose ? "\xc2\xa0\xe2\x80\xe3\xef\xbc&n#=C\\" : ""; *s; s++)
                scanner->table[i][(unsigned char)*s] |= 1ull << group;
        }
        scanner->next[w] = scanner->first[group];
        scanner->first[group] = (uint8_t)(w + 1);
    }
}

/* Whether a byte may begin or end what stands for a blank or a colon (clean.c). */
static bool may_stand_for(char c) {
    return (unsigned char)c >= 0x80 || c == '&' || c == ';' || c == '\\' || c == '=';
}

/* Whether a word stands at `at`, as far as its characters are plain; `key` is where in it the key is. */
static bool is_word_at(const char *word, const char *at, const char *data, const char *end, unsigned key) {
    for (unsigned i = key; i-- > 0;) {
        if (at - data < (long)(key - i))
            return false;
        char c = at[-(long)(key - i)];
        if (c != word[i])
            return (word[i] == ' ' || word[i] == ':') && may_stand_for(c);
    }
    for (const char *s = word + key; *s; s++, at++) {
        if (at == end)
            return false;
        if (*at != *s)
            return (*s == ' ' || *s == ':') && may_stand_for(*at);
    }
    return true;
}

/* The word whose key stands at `at`; where it may begin, or NULL. */
static const char *word_around(const struct oops_scanner *scanner, uint64_t groups, const char *data, const char *at,
                               const char *end) {
    for (; groups; groups &= groups - 1) {
        unsigned group = (unsigned)__builtin_ctzll(groups);
        for (unsigned w = scanner->first[group]; w; w = scanner->next[w - 1])
            if (is_word_at(words[w - 1].text, at, data, end, words[w - 1].key))
                return at;
    }
    return NULL;
}

static uint64_t groups_at(const struct oops_scanner *scanner, const unsigned char *at) {
    return scanner->table[0][at[0]] & scanner->table[1][at[1]] & scanner->table[2][at[2]];
}

const char *oops_scan(const struct oops_scanner *scanner, const char *data, size_t len) {
    const char *end = data + len, *at = data;
    const unsigned char *bytes = (const unsigned char *)data;
    for (; end - at >= KEY + 3; at += 4, bytes += 4) {
        uint64_t a = groups_at(scanner, bytes), b = groups_at(scanner, bytes + 1);
        uint64_t c = groups_at(scanner, bytes + 2), d = groups_at(scanner, bytes + 3);
        if (!(a | b | c | d))
            continue;
        uint64_t groups[4] = {a, b, c, d};
        for (unsigned i = 0; i < 4; i++) {
            const char *found = groups[i] ? word_around(scanner, groups[i], data, at + i, end) : NULL;
            if (found)
                return found;
        }
    }
    for (; end - at >= KEY; at++) {
        const char *found = word_around(scanner, groups_at(scanner, (const unsigned char *)at), data, at, end);
        if (found)
            return found;
    }
    return NULL;
}

uint64_t oops_count_newlines(const char *data, size_t len) {
    uint64_t count = 0;
    while (len) { /* in pieces whose counts fit a byte, which compilers turn into vector code */
        size_t n = len < 4096 ? len : 4096;
        unsigned piece = 0;
        for (size_t i = 0; i < n; i++)
            piece += data[i] == '\n';
        count += piece;
        data += n;
        len -= n;
    }
    return count;
}

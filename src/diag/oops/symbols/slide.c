/*
 * Three kinds of voters, the surest first:
 *   - an address printed beside its symbol (old traces, "lr", "ra", "pc"),
 *   - a word of the printed stack that is a return address of the trace,
 *   - a register of x86-64 that points to the start of a symbol. One alone proves
 *     nothing: at every slide some symbol lies where it points. Two that agree do.
 * A kind that has a winner decides; a tie is said.
 *
 * Source: arch/x86/Kconfig of Linux (PHYSICAL_ALIGN, RANDOMIZE_BASE_MAX_OFFSET) for
 * what slides are possible.
 */
#include "diag/oops/symbols/slide.h"

#include <string.h>

#define OBJECT_REACH  0x1000u /* farther inside of a variable its name tells nothing */
#define BALLOTS_MAX   1024u
#define IMAGE_LOW     0xffffffff80000000u /* where x86-64 may put the kernel */
#define IMAGE_HIGH    0xffffffffc0000000u
#define ALIGN_X86_64  0x200000u
#define ALIGN_OTHERS  0x1000u
#define SLIDE_MAX     (1ull << 46)
#define SLIDE_MAX_X86 (1ull << 30)

struct ballot {
    uint64_t slide;
    unsigned votes;
};

struct vote {
    struct oops_session *session;
    uint64_t align, most;
    struct ballot *ballots;
    unsigned count;
};

static void cast(struct vote *v, uint64_t seen, uint64_t linked) {
    uint64_t slide = seen - linked;
    if (oops_word_bytes(v->session->report->arch) == 4)
        slide = (uint32_t)slide;
    if ((slide & (v->align - 1)) || slide >= v->most)
        return;
    for (unsigned i = 0; i < v->count; i++)
        if (v->ballots[i].slide == slide) {
            v->ballots[i].votes++;
            return;
        }
    if (v->count < BALLOTS_MAX)
        v->ballots[v->count++] = (struct ballot){slide, 1};
}

static bool is_of_kernel(const struct oops_session *s, const struct oops_spot *spot) {
    return spot->object && spot->object == s->kernel;
}

/* ---- The voters ---- */

static const struct oops_symbol *printed_at(const struct oops_session *s, const struct oops_spot *spot) {
    const struct oops_state *state = oops_report_fault(s->report);
    const struct oops_trace *trace = oops_report_trace(s->report);
    if (spot->frame == OOPS_SPOT_PC || spot->frame == OOPS_SPOT_LR)
        return !state ? NULL : spot->frame == OOPS_SPOT_PC ? &state->pc : &state->lr;
    return trace && (unsigned)spot->frame < trace->count ? &trace->frames[spot->frame].sym : NULL;
}

static void ask_register(struct vote *v, const struct oops_spot *spot, const char *const *names) {
    const struct oops_state *state = oops_report_fault(v->session->report);
    for (; *names; names++) {
        const struct oops_reg *r = oops_state_reg(state, *names);
        if (r)
            cast(v, r->value, spot->addr);
    }
}

static void ask_symbols(struct vote *v) {
    static const char *const pc[] = {"pc", "epc", "rip", "eip", NULL}, *const lr[] = {"lr", "x30", "ra", NULL};
    struct oops_session *s = v->session;
    for (unsigned i = 0; i < s->count; i++) {
        const struct oops_spot *spot = &s->spots[i];
        const struct oops_symbol *printed = is_of_kernel(s, spot) ? printed_at(s, spot) : NULL;
        if (printed && printed->has_address)
            cast(v, printed->address, spot->addr);
        else if (printed && spot->frame == OOPS_SPOT_PC)
            ask_register(v, spot, pc);
        else if (printed && spot->frame == OOPS_SPOT_LR)
            ask_register(v, spot, lr);
    }
}

/* The link register's symbol may be found in the trace as well. */
static void ask_link_register(struct vote *v) {
    static const char *const names[] = {"x30", "ra", "lr", NULL};
    struct oops_session *s = v->session;
    const struct oops_state *state = oops_report_fault(s->report);
    struct oops_resolved unused = {0};
    struct oops_spot spot = {.resolved = &unused};
    if (!state || !*state->lr.name || *state->lr.module || !s->kernel ||
        !oops_resolve(s, s->kernel, &state->lr, NULL, NULL, &spot))
        return;
    if (state->lr.has_address)
        cast(v, state->lr.address, spot.addr);
    else
        ask_register(v, &spot, names);
}

static void ask_stack(struct vote *v) {
    struct oops_session *s = v->session;
    struct oops_stack_words stack;
    oops_stack_read(s->report, oops_report_fault(s->report), &stack);
    for (unsigned i = 0; i < s->count; i++)
        for (unsigned k = 0; is_of_kernel(s, &s->spots[i]) && !s->spots[i].exact && k < stack.count; k++)
            cast(v, stack.words[k].value, s->spots[i].addr);
}

static bool seen_before(const struct oops_state *state, unsigned i) {
    for (unsigned k = 0; k < i; k++)
        if (state->regs[k].value == state->regs[i].value)
            return true;
    return false;
}

static void ask_registers(struct vote *v) {
    const struct oops_state *state = oops_report_fault(v->session->report);
    const struct oops_symtab *table = &v->session->kernel->symtab;
    if (v->session->report->arch != OOPS_ARCH_X86_64)
        return;
    for (unsigned i = 0; state && i < state->reg_count; i++) {
        uint64_t value = state->regs[i].value, last = 0;
        if (value < IMAGE_LOW || value >= IMAGE_HIGH || seen_before(state, i))
            continue;
        for (unsigned k = 0; k < table->count; k++) {
            const struct oops_sym *sym = &table->syms[k];
            bool named = sym->type == STT_FUNC || sym->type == STT_OBJECT;
            if (named && sym->addr != last && sym->addr >= IMAGE_LOW && ((value - sym->addr) & (v->align - 1)) == 0) {
                cast(v, value, sym->addr);
                last = sym->addr;
            }
        }
    }
}

/* ---- Counting ---- */

static const struct {
    void (*ask)(struct vote *v);
    unsigned enough;
    const char *how;
} kinds[] = {
    {ask_symbols, 1, "from the addresses in the trace"},
    {ask_link_register, 1, "from the link register"},
    {ask_stack, 1, "from return addresses on the stack"},
    {ask_registers, 2, "from registers that point to symbols"},
};

static const char *hex_of(struct oops_session *s, uint64_t slide) {
    return oops_pool_printf(s->pool, "0x%llx", (unsigned long long)slide);
}

/* True: this kind of voters has decided, or shown that nobody can. */
static bool count(struct vote *v, unsigned enough, const char *how) {
    struct oops_verdict *verdict = v->session->v;
    const struct ballot *best = NULL, *second = NULL;
    for (unsigned i = 0; i < v->count; i++) {
        const struct ballot *b = &v->ballots[i];
        if (!best || b->votes > best->votes)
            second = best, best = b;
        else if (!second || b->votes > second->votes)
            second = b;
    }
    if (!best || best->votes < enough)
        return false;
    if (second && second->votes == best->votes) {
        oops_note(v->session->pool, &verdict->facts,
                  "how far the kernel was moved (KASLR) is not certain: %s and %s have %u addresses each %s",
                  hex_of(v->session, best->slide), hex_of(v->session, second->slide), best->votes, how);
        return true;
    }
    verdict->has_slide = true;
    verdict->slide = best->slide;
    verdict->slide_how =
        oops_pool_printf(v->session->pool, best->votes > 1 ? "%s (%u of them)" : "%s", how, best->votes);
    return true;
}

void oops_slide_vote(struct oops_session *s) {
    bool wide = s->report->arch == OOPS_ARCH_X86_64;
    struct vote v = {
        .session = s, .align = wide ? ALIGN_X86_64 : ALIGN_OTHERS, .most = wide ? SLIDE_MAX_X86 : SLIDE_MAX};
    if (s->v->has_slide || !s->kernel || s->kernel->elf->type == ET_REL)
        return;
    v.ballots = oops_pool_alloc(s->pool, BALLOTS_MAX * sizeof(*v.ballots));
    for (unsigned i = 0; v.ballots && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        v.count = 0;
        kinds[i].ask(&v);
        if (count(&v, kinds[i].enough, kinds[i].how))
            return;
    }
}

const char *oops_slide_name(struct oops_session *s, uint64_t value) {
    uint64_t addr = value - s->v->slide;
    if (!s->v->has_slide || !s->kernel || value < 0x10000)
        return NULL;
    if (oops_word_bytes(s->report->arch) == 4)
        addr = (uint32_t)addr;
    const struct oops_elf_section *section = oops_elf_section_at(s->kernel->elf, addr);
    const struct oops_sym *sym = section ? oops_symtab_at(&s->kernel->symtab, addr) : NULL;
    if (!sym)
        return NULL;
    bool code = section->flags & SHF_EXECINSTR;
    unsigned long long off = addr - sym->addr;
    if (!code && off >= OBJECT_REACH)
        return NULL;
    return off == 0 ? oops_pool_printf(s->pool, "%s%s", code ? "" : "&", sym->name)
                    : oops_pool_printf(s->pool, "%s%s+0x%llx", code ? "" : "&", sym->name, off);
}

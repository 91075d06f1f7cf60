/*
 * What a bad pointer looks like. The kernel fills freed and unused memory with
 * known values, errors are encoded as pointers, and memory that broke shows as
 * one flipped bit.
 *
 * Source: include/linux/poison.h, include/linux/list.h, include/linux/err.h, include/linux/spinlock_debug,
 * Documentation/arch/x86/x86_64/mm.rst, Documentation/arch/arm64/memory.rst, arch/riscv/include/asm/kasan.h.
 * Simplified: the borders of address ranges are those of the usual page table depths; with KASLR the
 * direct map, vmalloc and vmemmap areas move within them.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "diag/oops/oops_int.h"

#define CR4_LA57         (1u << 12)
#define NULL_REACH       0x10000u            /* an offset into a structure is smaller than this */
#define NEGATIVE_REACH   0x4000u             /* container_of() of NULL */
#define POISON_REACH     0x1000u             /* an offset from a poison value */
#define FAR_REACH        0x100000u           /* NULL with an index, too; nothing is mapped there */
#define ERRNO_MAX        133u                /* EHWPOISON; behind it only those of include/linux/errno.h */
#define SHADOW_X86       0xdffffc0000000000u /* KASAN_SHADOW_OFFSET */
#define SHADOW_ARM64     0xdfff800000000000u
#define SHADOW_ARM64_OLD 0xdfffa00000000000u

struct poison {
    uint64_t value;
    enum oops_pattern pattern;
    const char *name;
};

/* Those whose upper half CONFIG_ILLEGAL_POINTER_VALUE fills are in both forms; 32-bit machines see the lower. */
static const struct poison poisons[] = {
    {0xdead000000000100, OOPS_PATTERN_LIST_POISON, "LIST_POISON1 (next of an entry that was removed from its list)"},
    {0xdead000000000122, OOPS_PATTERN_LIST_POISON, "LIST_POISON2 (prev of an entry that was removed from its list)"},
    {0xdead000000000200, OOPS_PATTERN_LIST_POISON, "LIST_POISON2 (prev of an entry that was removed from its list)"},
    {0xdead000000100100, OOPS_PATTERN_LIST_POISON, "LIST_POISON1 (next of an entry that was removed from its list)"},
    {0xdead000000200200, OOPS_PATTERN_LIST_POISON, "LIST_POISON2 (prev of an entry that was removed from its list)"},
    {0xdead000000000300, OOPS_PATTERN_OTHER_POISON, "TIMER_ENTRY_STATIC (a timer that was never initialised)"},
    {0xdead000000000400, OOPS_PATTERN_OTHER_POISON, "TAIL_MAPPING (the mapping of a page inside a compound page)"},
    {0xdead4ead, OOPS_PATTERN_OTHER_POISON, "SPINLOCK_MAGIC (the inside of a spinlock)"},
    {0xdeaf1eed, OOPS_PATTERN_OTHER_POISON, "RWLOCK_MAGIC (the inside of an rwlock)"},
    {0x6b6b6b6b6b6b6b6b, OOPS_PATTERN_SLAB_POISON, "POISON_FREE (memory that was freed)"},
    {0x6b6b6b6b6b6b6ba5, OOPS_PATTERN_SLAB_POISON, "POISON_FREE and POISON_END (the end of freed memory)"},
    {0xa56b6b6b6b6b6b6b, OOPS_PATTERN_SLAB_POISON, "POISON_FREE and POISON_END (the end of freed memory)"},
    {0x5a5a5a5a5a5a5a5a, OOPS_PATTERN_SLAB_POISON, "POISON_INUSE (memory that was never written)"},
    {0xbbbbbbbbbbbbbbbb, OOPS_PATTERN_SLAB_POISON, "SLUB_RED_INACTIVE (behind a free object)"},
    {0xcccccccccccccccc, OOPS_PATTERN_SLAB_POISON,
     "SLUB_RED_ACTIVE (behind an object in use), or memory of an init section"},
    {0xaaaaaaaaaaaaaaaa, OOPS_PATTERN_PAGE_POISON,
     "PAGE_POISON (a page that was freed) or a variable initialised to a pattern"},
    {0xa7a7a7a7a7a7a7a7, OOPS_PATTERN_OTHER_POISON, "POISON_FREE_INITMEM or ATM_POISON_FREE"},
    {0x2222222222222222, OOPS_PATTERN_OTHER_POISON, "a freed mutex (MUTEX_DEBUG_FREE)"},
    {0x0000600d600d600d, OOPS_PATTERN_OTHER_POISON, "SKB_LIST_POISON_NEXT (of a packet that left its list)"},
};

static const struct {
    int number;
    const char *name;
} errors[] = {
    {EPERM, "-EPERM or just -1"},
    {ENOENT, "-ENOENT"},
    {EIO, "-EIO"},
    {ENXIO, "-ENXIO"},
    {EAGAIN, "-EAGAIN"},
    {ENOMEM, "-ENOMEM"},
    {EACCES, "-EACCES"},
    {EFAULT, "-EFAULT"},
    {EBUSY, "-EBUSY"},
    {EEXIST, "-EEXIST"},
    {ENODEV, "-ENODEV"},
    {EINVAL, "-EINVAL"},
    {ENOSPC, "-ENOSPC"},
    {EROFS, "-EROFS"},
    {EPIPE, "-EPIPE"},
    {ENOSYS, "-ENOSYS"},
    {ENODATA, "-ENODATA"},
    {ETIMEDOUT, "-ETIMEDOUT"},
    {EOPNOTSUPP, "-EOPNOTSUPP"},
    {ECANCELED, "-ECANCELED"},
    {ESHUTDOWN, "-ESHUTDOWN"},
    {512, "-ERESTARTSYS"},
    {517, "-EPROBE_DEFER"},
    {524, "-ENOTSUPP"},
};

static bool is_64(enum oops_arch arch) {
    return !oops_arch_is_32bit(arch);
}

static const char *error_name(struct oops_pool *pool, uint64_t number) {
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if ((uint64_t)errors[i].number == number)
            return errors[i].name;
    return oops_pool_printf(pool, "error -%u", (unsigned)number);
}

/* 0 or the address, with its sign, if no error has this number: a member of an error pointer, mostly. */
static int64_t no_error(uint64_t number) {
    bool internal = number >= 512 && number <= 531;
    return number <= ERRNO_MAX || internal ? 0 : -(int64_t)number;
}

static void error_pointer(struct oops_pool *pool, uint64_t number, struct oops_value *v) {
    v->pattern = OOPS_PATTERN_ERR_PTR;
    v->offset = no_error(number);
    v->name = v->offset ? "close below 0: an error pointer or a small negative number, plus an offset"
                        : error_name(pool, number);
}

/* Page tables of five levels: CR4 says so. */
static bool has_la57(const struct oops_report *report) {
    const struct oops_state *state = report->arch == OOPS_ARCH_X86_64 ? oops_report_fault(report) : NULL;
    const struct oops_reg *cr4 = state ? oops_state_reg(state, "cr4") : NULL;
    return cr4 && (cr4->value & CR4_LA57);
}

/* The top bits that all must be equal, by the usual 48 bits (x86_64, arm64) or 39 (riscv, arm64). */
static bool canonical(const struct oops_report *report, uint64_t value) {
    enum oops_arch arch = report->arch;
    unsigned bits = arch == OOPS_ARCH_X86_64  ? (has_la57(report) ? 56 : 47)
                    : arch == OOPS_ARCH_ARM64 ? 52
                    : arch == OOPS_ARCH_RISCV ? 38
                                              : 0;
    if (!bits)
        return true;
    uint64_t top = value >> bits;
    return top == 0 || top == UINT64_MAX >> bits;
}

static bool find_poison(bool wide, uint64_t value, struct oops_value *v) {
    for (unsigned i = 0; i < sizeof(poisons) / sizeof(poisons[0]); i++) {
        uint64_t poison = wide ? poisons[i].value : poisons[i].value & 0xffffffff;
        int64_t offset = (int64_t)(value - poison);
        bool near = offset >= -(int64_t)POISON_REACH && offset <= (int64_t)POISON_REACH;
        if (poisons[i].pattern == OOPS_PATTERN_LIST_POISON) /* the two are close to each other */
            near = offset >= -0x20 && offset <= (poison & 0xff ? 0x20 : 0x22 - 1);
        if (!near || poison < NULL_REACH)
            continue;
        v->pattern = poisons[i].pattern;
        v->name = poisons[i].name;
        v->offset = offset;
        return true;
    }
    return false;
}

/* List poison with a member's offset: dead000000000100 .. dead000000000fff. */
static bool illegal_area(uint64_t value, struct oops_value *v) {
    if (value >> 16 != 0xdead00000000u)
        return false;
    v->pattern = OOPS_PATTERN_LIST_POISON;
    v->name = "LIST_POISON1 (next of an entry that was removed from its list)";
    v->offset = (int64_t)(value - 0xdead000000000100u);
    return true;
}

/* KASAN checks the shadow of an address before the address itself. */
static bool kasan_shadow(enum oops_arch arch, uint64_t value, struct oops_value *v) {
    uint64_t base = arch == OOPS_ARCH_X86_64 ? SHADOW_X86 : arch == OOPS_ARCH_ARM64 ? SHADOW_ARM64 : 0;
    if (arch == OOPS_ARCH_ARM64 && value >= SHADOW_ARM64_OLD)
        base = SHADOW_ARM64_OLD;
    if (!base || value >> 56 != 0xdf || value < base || value - base >= UINT64_C(1) << 45)
        return false;
    v->pattern = OOPS_PATTERN_KASAN_SHADOW;
    v->near = (value - base) << 3;
    v->name = "the shadow that KASAN keeps of an address";
    return true;
}

/* At least four letters, from the low byte up. */
static bool is_text(uint64_t value, bool wide) {
    unsigned letters = 0, bytes = wide ? 8 : 4;
    for (unsigned i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)(value >> 8 * i);
        if (!c)
            return letters >= 4 && !(value >> 8 * i);
        if (!isprint(c))
            return false;
        letters++;
    }
    return letters >= 4;
}

/* One bit away from a kernel address that would be usual. */
static bool flipped_bit(const struct oops_report *report, uint64_t value, struct oops_value *v) {
    bool wide = has_la57(report);
    if (report->arch != OOPS_ARCH_X86_64)
        return false;
    for (unsigned bit = 40; bit < 64; bit++) {
        uint64_t repaired = value ^ UINT64_C(1) << bit;
        bool direct_map = wide && repaired >> 56 == 0xff;
        if (direct_map || repaired >> 44 == 0xffff8 || repaired >> 44 == 0xffff9 || repaired >> 40 == 0xffffff) {
            v->pattern = OOPS_PATTERN_FLIPPED_BIT;
            v->near = repaired;
            v->name = "a kernel address with one bit flipped";
            return true;
        }
    }
    return false;
}

static enum oops_pattern x86_64_area(uint64_t value) {
    if (value >= 0xffffffffc0000000 && value < 0xffffffffff000000)
        return OOPS_PATTERN_MODULE;
    if (value >= 0xffffffff80000000 && value < 0xffffffffc0000000)
        return OOPS_PATTERN_TEXT;
    if (value >= 0xffffc90000000000 && value < 0xffffe90000000000)
        return OOPS_PATTERN_VMALLOC;
    return OOPS_PATTERN_KERNEL;
}

/* Architectures whose kernel has an address space of its own: an address alone does not tell whose it is. */
static bool spaces_apart(enum oops_arch arch) {
    return arch == OOPS_ARCH_S390X || arch == OOPS_ARCH_PARISC || arch == OOPS_ARCH_SPARC || arch == OOPS_ARCH_M68K;
}

static void area(enum oops_arch arch, uint64_t value, struct oops_value *v) {
    bool kernel = is_64(arch) ? value >> 63 : value >= 0xc0000000;
    if (arch == OOPS_ARCH_MIPS && value >> 32 == 0) /* KSEG0 to KSEG3 of 32 bits */
        kernel = value >> 31;
    if (spaces_apart(arch)) {
        v->name = "an address";
        v->pattern = OOPS_PATTERN_KERNEL;
        return;
    }
    v->name = kernel              ? "a kernel address"
              : value < FAR_REACH ? "an address close above NULL"
                                  : "an address of user space";
    v->pattern = !kernel ? OOPS_PATTERN_USER : arch == OOPS_ARCH_X86_64 ? x86_64_area(value) : OOPS_PATTERN_KERNEL;
    if (v->pattern == OOPS_PATTERN_MODULE)
        v->name = "an address of a module";
    else if (v->pattern == OOPS_PATTERN_TEXT)
        v->name = "an address of the kernel image";
    else if (v->pattern == OOPS_PATTERN_VMALLOC)
        v->name = "an address of the vmalloc area (vmalloc memory, stacks, I/O mappings)";
}

void oops_value_classify(const struct oops_report *report, uint64_t value, struct oops_value *v) {
    enum oops_arch arch = report->arch;
    bool wide = is_64(arch);
    uint64_t negative = wide ? 0 - value : (uint32_t)(0 - value);
    *v = (struct oops_value){.name = ""};
    if (value < NULL_REACH) {
        v->pattern = value ? OOPS_PATTERN_NULL_OFFSET : OOPS_PATTERN_NULL;
        v->offset = (int64_t)value;
        v->name = "NULL";
    } else if (negative <= 4095 && negative > 0x100) {
        error_pointer(report->pool, negative, v);
    } else if (negative <= NEGATIVE_REACH) {
        /* Small errors and the offset of a member before NULL look the same: -EINVAL is -22. */
        bool aligned = negative % 8 == 0;
        v->pattern = OOPS_PATTERN_NULL_NEGATIVE;
        v->offset = -(int64_t)negative;
        v->name = "NULL";
        if (negative <= 4095 && !aligned)
            error_pointer(report->pool, negative, v);
    } else if (find_poison(wide, value, v) || (wide && illegal_area(value, v)) || kasan_shadow(arch, value, v)) {
        return;
    } else if (is_text(value, wide) && !(wide && canonical(report, value) && value >> 63)) {
        v->pattern = OOPS_PATTERN_ASCII;
        v->name = "text, not an address";
    } else if (!canonical(report, value)) {
        if (flipped_bit(report, value, v))
            return;
        v->pattern = OOPS_PATTERN_NON_CANONICAL;
        v->name = "no possible address (not canonical)";
    } else {
        area(arch, value, v);
    }
}

/*
 * drivelab oops: packed names of Rust and C++. Names and what they stand for are
 * those of RFC 2603 and of rustc's own tests, without the crates' hashes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"

static const struct {
    const char *packed, *plain;
} rows[] = {
    {"_RNvC6_123foo3bar", "123foo::bar"},
    {"_RNvNtCs3o2tGsuHyou_6kernel5print9formatted", "kernel::print::formatted"},
    {"_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_", "cc::spawn::{closure#0}::{closure#0}"},
    {"_RNCINkXs25_NgCsbmNqQUJIY6D_4core5sliceINyB9_4IterhENuNgNoBb_4iter8iterator8Iterator9rpositionNCNgNpB9_"
     "6memchr7memrchrs_0E0Bb_",
     "<core::slice::Iter<u8> as core::iter::iterator::Iterator>::rposition::<core::slice::memchr::memrchr::"
     "{closure#1}>::{closure#0}"},
    {"_RINbNbCskIICzLVDPPb_5alloc5alloc8box_freeDINbNiB4_5boxed5FnBoxuEp6OutputuEL_ECs1iopQbuBiw2_3std",
     "alloc::alloc::box_free::<dyn alloc::boxed::FnBox<(), Output = ()>>"},
    {"_RMC0INtC8arrayvec8ArrayVechKj7b_E", "<arrayvec::ArrayVec<u8, 123>>"},
    {"_RINvC3foo3barFUKChPaEuE", "foo::bar::<unsafe extern \"C\" fn(u8, *const i8)>"},
    {"_RINvC3foo3barTmEAbj2_QSeE", "foo::bar::<(u32,), [bool; 2], &mut [str]>"},
    {"_RNvC3foo3bar.llvm.9D1C9369", "foo::bar"},
    {"_RNvMNtC3foo3barNtB2_3Baz3new", "<foo::bar::Baz>::new"},
    {"_ZN4testE", "test"},
    {"_ZN3foo17h05af221e174051e9E", "foo"},
    {"_ZN12test$BP$test4foobE", "test*test::foob"},
    {"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3barE",
     "<Test + 'static as foo::Bar<Test>>::bar"},
    {"_ZN4core3fmt5write17h0123456789abcdefE.llvm.123", "core::fmt::write"},
    {"_ZN3foo3barEi", "foo::bar"},
    {"_ZNK3foo3barEv", "foo::bar"},
    {"_Z3fooi", "foo"},
    {"_ZN3fooC1Ev", "foo::foo"},
    {"_ZN3fooD2Ev", "foo::~foo"},
    {"_ZN3fooIiE3barEv", NULL},
    {"_ZN3foo", NULL},
    {"_RNv", NULL},
    {"_R", NULL},
    {"_RB_", NULL},
    {"_RNvB_3foo", NULL},
    {"_RNvC3foo99bar", NULL},
    {"_Z", NULL},
    {"_raw_spin_lock_irqsave", NULL},
    {"complete.isra.0", NULL},
    {"", NULL},
};

static void test_oops_demangle_names(void **state) {
    struct oops_pool *pool = oops_pool_new();
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *plain = rows[i].plain ? rows[i].plain : rows[i].packed;
        assert_string_equal(oops_demangle(pool, rows[i].packed), plain);
    }
    oops_pool_free(pool);
}

/* References to references double with each step. */
static void test_oops_demangle_is_bounded(void **state) {
    struct oops_pool *pool = oops_pool_new();
    char name[4096] = "_RINvC1a1b";
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        strcat(name, "TB8_B8_");
    assert_string_equal(oops_demangle(pool, name), name);
    strcpy(name, "_R");
    for (unsigned i = 0; i < 1000; i++)
        strcat(name, "Nv");
    assert_string_equal(oops_demangle(pool, name), name);
    oops_pool_free(pool);
}

static void test_oops_demangle_takes_any_bytes(void **state) {
    static const char letters[] = "NvtCMXYIBsuEKRTAFDpLG_0123abchij$.";
    struct oops_pool *pool = oops_pool_new();
    uint32_t random = 11;
    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        char name[40] = "_R";
        unsigned len = 3 + (random >> 20) % 30;
        if (i & 1)
            strcpy(name, "_ZN");
        for (unsigned k = 3; k < len; k++)
            name[k - (i & 1 ? 0 : 1)] =
                letters[((random = random * 1664525 + 1013904223) >> 16) % (sizeof(letters) - 1)];
        assert_non_null(oops_demangle(pool, name));
    }
    oops_pool_free(pool);
}

static void test_oops_demangle_leaves_suffixes_out(void **state) {
    static const struct {
        const char *name;
        size_t len;
    } names[] = {
        {"f", 1},      {"f.isra.0", 1},          {"f.cold", 1},          {"f.part.0.constprop.1", 1}, {"f.llvm.77", 1},
        {"a::b.c", 6}, {"_ZN1a..b17E.cold", 11}, {"_RNvC1a1b.llvm.5", 9}};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(oops_plain_length(names[i].name), names[i].len);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_demangle_names),
        cmocka_unit_test(test_oops_demangle_is_bounded),
        cmocka_unit_test(test_oops_demangle_takes_any_bytes),
        cmocka_unit_test(test_oops_demangle_leaves_suffixes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Reports of what watches over memory: KASAN and its kin, UBSAN, kmemleak, SLUB's own checks, pages that are in a
 * wrong state.
 *
 * Source: mm/kasan/report.c, mm/kmsan/report.c, mm/kfence/report.c, kernel/kcsan/report.c, lib/ubsan.c,
 * mm/kmemleak.c, mm/slub.c, mm/slab.c, mm/page_alloc.c, mm/memory.c of 2.6.20 to 6.16.
 */
#include "diag/oops/report/kinds.h"

/* Functions that are not to blame in a kind of report, beside those of helpers.c. */
static const char *const skip_tags[] = {"kernel_fault", "tag_check", "mem_abort", "^el1_", "^el1h_", NULL};
static const char *const skip_free[] = {"slab_", "kfree", "vunmap", "vfree", NULL};
static const char *const skip_kmsan[] = {"alloc_skb", "netlink_ack", "netlink_rcv_skb", "_encrypt$", "^crypto_",
                                         "^cipher_",  "^drbg_",      "^rng_",           NULL};
static const char *const skip_usb[] = {
    "alloc_skb", "usb_submit_urb", "usb_start_wait_urb", "usb_bulk_msg", "usb_interrupt_msg", "usb_control_msg", NULL};
static const char *const skip_page[] = {"alloc",        "free_page",    "free_pages",           "free_pcp",
                                        "free_unref",   "^folio",       "qlist_free_all",       "unfreeze_partials",
                                        "put_partials", "get_page",     "page_frag_free",       "page_owner",
                                        "put_page",     "release_page", "truncate_inode_pages", "update_page",
                                        "vmap",         "^tlb_",        "^free_swap_cache",     NULL};
static const char *const skip_leak[] = {
    "kmemleak", "mmap",          "kmem",       "slab",         "alloc",       "create_object", "build_skb",
    "idr_get",  "list_lru_init", "kasprintf",  "kvasprintf",   "pcpu_create", "strdup",        "strndup",
    "memdup",   "^dev_set_name", "^skb_clone", "^sget_userns", NULL};
static const char *const skip_kmalloc[] = {"kmalloc", "krealloc", "slab", "kmem", NULL};
static const char *const skip_slab[] = {
    "object_err",       "check_bytes",       "print_trailer", "debug_processing", "slab",
    "cache_free",       "^__free_",          "cache_alloc",   "^check_poison",    "kmem_cache",
    "^kfree",           "^mempool",          "^free_debug",   "^alloc_debug",     "on_freelist",
    "free_consistency", "alloc_consistency", "^init_object",  "kmalloc",          NULL};
static const char *const skip_ubsan[] = {"ubsan", "overflow", NULL};

const struct oops_form oops_forms_memory[] = {
    /* ---- KASAN ---- */
    {"BUG: KASAN: double-free", OOPS_KASAN, "KASAN: invalid-free in %f", " in ", RECIPE("HCS", skip_free), 0},
    {"BUG: KASAN: invalid-free", OOPS_KASAN, "KASAN: invalid-free in %f", " in ", RECIPE("HCS", skip_free), 0},
    {"BUG: KASAN: * in *+0x", OOPS_KASAN, "KASAN: %1 %a in %f",
     "Read of size |Write of size |Read at addr |Write at addr ", RECIPE("HCS", skip_tags), 0},
    {"BUG: KASAN: * in * (*:", OOPS_KASAN, "KASAN: %1 %a in %f",
     "Read of size |Write of size |Read at addr |Write at addr ", RECIPE("HCS", skip_tags), 0},
    {"BUG: KASAN: * on address", OOPS_KASAN, "KASAN: %1 %a", "Read of size |Write of size ", NO_FUNCTION, 0},
    {"BUG: KASAN: *", OOPS_KASAN, "KASAN: %1", NULL, NO_FUNCTION, OOPS_FORM_LOST},
    {"BUG: KASan: * in *", OOPS_KASAN, "KASAN: %1 %a in %f", "Read of size |Write of size ", RECIPE("HCS", skip_tags),
     0},
    /* ---- KMSAN, KCSAN, KFENCE ---- */
    {"BUG: KMSAN: kernel-usb-infoleak", OOPS_KMSAN, "KMSAN: kernel-usb-infoleak in %f", NULL, RECIPE("S|CS", skip_usb),
     OOPS_FORM_NO_TRACE},
    {"BUG: KMSAN: * in *", OOPS_KMSAN, "KMSAN: %1 in %f", NULL, RECIPE("S|CS", skip_kmsan), OOPS_FORM_NO_TRACE},
    {"BUG: KCSAN: *", OOPS_KCSAN, "KCSAN: %1", NULL, RECIPE("H", NULL), OOPS_FORM_NO_TRACE},
    {"BUG: KFENCE: memory corruption in ", OOPS_KFENCE, "KFENCE: memory corruption in %f", NULL, RECIPE("HS", NULL),
     OOPS_FORM_NO_TRACE},
    {"BUG: KFENCE: * in ", OOPS_KFENCE, "KFENCE: %1 in %f", NULL, RECIPE("HS", NULL), 0},
    /* ---- Memory ---- */
    {"BUG: Bad rss-counter state", OOPS_BAD_PAGE, "BUG: Bad rss-counter state", NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"BUG: non-zero nr_ptes on freeing mm", OOPS_BAD_PAGE, "BUG: non-zero nr_ptes on freeing mm", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    {"BUG: non-zero nr_pmds on freeing mm", OOPS_BAD_PAGE, "BUG: non-zero nr_pmds on freeing mm", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    {"BUG: non-zero pgtables_bytes on freeing mm", OOPS_BAD_PAGE, "BUG: non-zero pgtables_bytes on freeing mm", NULL,
     NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"BUG: Bad page state", OOPS_BAD_PAGE, "BUG: Bad page state in %f", NULL, RECIPE("LS|CS", skip_page), 0},
    {"BUG: Bad page cache", OOPS_BAD_PAGE, "BUG: Bad page cache in %f", NULL, RECIPE("LS|CS", skip_page), 0},
    {"BUG: Bad page map", OOPS_BAD_PAGE, "BUG: Bad page map", NULL, NO_FUNCTION, 0},
    {"BUG: Dentry *still in use (*) [*of ", OOPS_OTHER, "BUG: Dentry still in use in %3", NULL, NO_FUNCTION, 0},
    {"BUG: memory leak", OOPS_MEMORY_LEAK, "memory leak in %f", NULL, RECIPE("BS", skip_leak), 0},
    {"unreferenced object 0x", OOPS_MEMORY_LEAK, "memory leak in %f", NULL, RECIPE("BS", skip_leak),
     OOPS_FORM_CONTINUES},
    {"BUG: mempool element poison mismatch", OOPS_SLAB, "BUG: mempool element poison mismatch in %f", NULL,
     TRACE(skip_slab), 0},
    {"BUG *: Object already free", OOPS_SLAB, "BUG: Object already free", NULL, NO_FUNCTION, 0},
    {"BUG *: Redzone overwritten", OOPS_SLAB, "BUG: Redzone overwritten in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Left Redzone overwritten", OOPS_SLAB, "BUG: Redzone overwritten in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Right Redzone overwritten", OOPS_SLAB, "BUG: Redzone overwritten in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Poison overwritten", OOPS_SLAB, "BUG: Poison overwritten in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Padding overwritten", OOPS_SLAB, "BUG: Padding overwritten in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Object padding overwritten", OOPS_SLAB, "BUG: Padding overwritten in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Objects remaining", OOPS_SLAB, "BUG: Objects remaining in slab on shutdown in %f", NULL, TRACE(skip_slab),
     0},
    {"BUG *: Freepointer corrupt", OOPS_SLAB, "BUG: slab freelist corrupt in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Freelist", OOPS_SLAB, "BUG: slab freelist corrupt in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Freechain corrupt", OOPS_SLAB, "BUG: slab freelist corrupt in %f", NULL, TRACE(skip_slab), 0},
    {"BUG *: Wrong object count", OOPS_SLAB, "BUG: Wrong object count in %f", NULL, TRACE(skip_slab), 0},
    {"BUG kmalloc-* (*): *", OOPS_SLAB, "BUG: %3 in %f", NULL, TRACE(skip_slab), 0},
    {"BUG * (Not tainted): *", OOPS_SLAB, "BUG: %2 in %f", NULL, TRACE(skip_slab), 0},
    {"BUG * (Tainted: *): *", OOPS_SLAB, "BUG: %3 in %f", NULL, TRACE(skip_slab), 0},
    {"Slab corruption", OOPS_SLAB, "BUG: slab corruption", NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"slab error in *:", OOPS_SLAB, "BUG: slab error in %1", NULL, RECIPE("CS", skip_kmalloc), 0},
    /* ---- UBSAN ---- */
    {"UBSAN: Undefined behaviour in", OOPS_UBSAN, "UBSAN: undefined-behaviour in %f", NULL, TRACE(skip_ubsan), 0},
    {"UBSAN: * in", OOPS_UBSAN, "UBSAN: %1 in %f", NULL, TRACE(skip_ubsan), 0},
    {.match = NULL},
};

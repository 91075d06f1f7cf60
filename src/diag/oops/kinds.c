/*
 * The kinds of reports: one row a form that its header took in some years or on
 * some architecture. Within one header's words the rows that ask for more stand
 * first.
 *
 * Source: the kernel's own printk calls (arch/x86/mm/fault.c, arch/x86/kernel/dumpstack.c, traps.c,
 * arch/arm64/mm/fault.c, arch/riscv/mm/fault.c, lib/bug.c, kernel/panic.c, mm/kasan/report.c,
 * mm/kmsan/report.c, mm/kfence/report.c, kernel/kcsan/report.c, lib/ubsan.c,
 * kernel/locking/lockdep.c, kernel/hung_task.c, kernel/watchdog.c, kernel/rcu/tree_stall.h,
 * lib/list_debug.c, lib/refcount.c, mm/slub.c ...) from 2.6.20 to 6.16. Titles
 * are normalised so that they equal those on syzkaller's dashboard.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

/* ---- Functions that are not to blame in a kind of report, beside those of helpers.c ---- */

static const char *const skip_tags[] = {"kernel_fault", "tag_check", "mem_abort", "^el1_", "^el1h_", NULL};
static const char *const skip_free[] = {"slab_", "kfree", "vunmap", "vfree", NULL};
static const char *const skip_kmsan[] = {"alloc_skb", "netlink_ack", "netlink_rcv_skb", "_encrypt$", "^crypto_",
                                         "^cipher_",  "^drbg_",      "^rng_",           NULL};
static const char *const skip_usb[] = {
    "alloc_skb", "usb_submit_urb", "usb_start_wait_urb", "usb_bulk_msg", "usb_interrupt_msg", "usb_control_msg", NULL};
static const char *const skip_spin[] = {"spin_", "_lock", "_unlock", NULL};
static const char *const skip_schedule[] = {"schedule", NULL};
static const char *const skip_stack_end[] = {"schedule", "retint_kernel", NULL};
static const char *const skip_page[] = {
    "free_page",      "put_page",   "get_page", "update_page", "release_page",
    "free_unref",     "^folio",     "^_folio",  "^__folio",    "truncate_inode_pages",
    "page_frag_free", "alloc",      "vmap",     "page_owner",  "^bad_page$",
    "free_pcp",       "free_pages", NULL};
static const char *const skip_preempt[] = {"dump_stack", "preempt", "debug_", "processor_id", "this_cpu", NULL};
static const char *const skip_leak[] = {"kmemleak",      "mmap",    "kmem",          "slab",      "alloc",
                                        "create_object", "idr_get", "list_lru_init", "kasprintf", "kvasprintf",
                                        "pcpu_create",   "strdup",  "strndup",       "memdup",    NULL};
static const char *const skip_sock_lock[] = {"lock_sock", "release_sock", NULL};
static const char *const skip_debug_object[] = {"debug_", "rcu",   "hrtimer_", "timer_",      "work_",    "percpu_",
                                                "vunmap", "vfree", "__free_",  "debug_check", "kobject_", NULL};
static const char *const skip_usercopy[] = {"usercopy", "__check", NULL};
static const char *const skip_kobject[] = {"kobject_", NULL};
static const char *const skip_proc[] = {"proc_", NULL};
static const char *const skip_refcount[] = {"refcount_", "kobject_", NULL};
static const char *const skip_kmalloc[] = {"kmalloc", "krealloc", "slab", "kmem", NULL};
static const char *const skip_work[] = {"process_one_work", "flush_workqueue", "drain_workqueue", "destroy_workqueue",
                                        NULL};
static const char *const skip_rcu[] = {"rcu", "kmem", "slab", NULL};
static const char *const skip_stall[] = {"apic_timer_interrupt", "rcu", NULL};
static const char *const skip_key[] = {"stack", "lock", "IRQ", NULL};
static const char *const skip_protector[] = {"stack_chk", NULL};
static const char *const skip_bad_stack[] = {"bad_stack", NULL};
static const char *const skip_skb[] = {"^skb_", NULL};
static const char *const skip_ubsan[] = {"ubsan", "overflow", NULL};
static const char *const skip_spl[] = {"spl_panic", "spl_dumpstack", NULL};
static const char *const skip_rust[] = {"rust_begin_unwind", NULL};

/* Recipes, see blame.c. */
#define PC_THEN_TRACE                                                                                                  \
    { "RCS|CS", NULL, OOPS_PICK_FIRST }
#define PC_ONLY                                                                                                        \
    { "R", NULL, OOPS_PICK_FIRST }
#define TRACE(skip)                                                                                                    \
    { "CS", skip, OOPS_PICK_FIRST }
#define WARNED(skip)                                                                                                   \
    { "RS|ChS", skip, OOPS_PICK_FIRST }
#define NO_FUNCTION                                                                                                    \
    { NULL, NULL, OOPS_PICK_FIRST }

#define BAD_ACCESS " in %f", NULL, PC_THEN_TRACE, 0

static const struct oops_form forms[] = {
    /* ---- KASAN ---- */
    {"BUG: KASAN: double-free", OOPS_KASAN, "KASAN: invalid-free in %f", " in ", {"HCS", skip_free, 0}, 0},
    {"BUG: KASAN: invalid-free", OOPS_KASAN, "KASAN: invalid-free in %f", " in ", {"HCS", skip_free, 0}, 0},
    {"BUG: KASAN: * in *+0x",
     OOPS_KASAN,
     "KASAN: %1 %a in %f",
     "Read of size |Write of size |Read at addr |Write at addr ",
     {"HCS", skip_tags, 0},
     0},
    {"BUG: KASAN: * in * (*:",
     OOPS_KASAN,
     "KASAN: %1 %a in %f",
     "Read of size |Write of size |Read at addr |Write at addr ",
     {"HCS", skip_tags, 0},
     0},
    {"BUG: KASAN: * on address", OOPS_KASAN, "KASAN: %1 %a", "Read of size |Write of size ", NO_FUNCTION, 0},
    {"BUG: KASAN: *", OOPS_KASAN, "KASAN: %1", NULL, NO_FUNCTION, OOPS_FORM_LOST},
    /* ---- KMSAN, KCSAN, KFENCE ---- */
    {"BUG: KMSAN: kernel-usb-infoleak",
     OOPS_KMSAN,
     "KMSAN: kernel-usb-infoleak in %f",
     NULL,
     {"S|CS", skip_usb, 0},
     OOPS_FORM_NO_TRACE},
    {"BUG: KMSAN: * in *", OOPS_KMSAN, "KMSAN: %1 in %f", NULL, {"S|CS", skip_kmsan, 0}, OOPS_FORM_NO_TRACE},
    {"BUG: KCSAN: *", OOPS_KCSAN, "KCSAN: %1", NULL, {"H", NULL, 0}, OOPS_FORM_NO_TRACE},
    {"BUG: KFENCE: memory corruption in ",
     OOPS_KFENCE,
     "KFENCE: memory corruption in %f",
     NULL,
     {"HS", NULL, 0},
     OOPS_FORM_NO_TRACE},
    {"BUG: KFENCE: * in ", OOPS_KFENCE, "KFENCE: %1 in %f", NULL, {"HS", NULL, 0}, 0},
    /* ---- Bad accesses ---- */
    {"BUG: unable to handle kernel NULL pointer", OOPS_NULL_DEREF,
     "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"BUG: kernel NULL pointer", OOPS_NULL_DEREF, "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"BUG: Kernel NULL pointer", OOPS_NULL_DEREF, "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"BUG: unable to handle kernel paging", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"BUG: unable to handle page fault", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"BUG: Unable to handle kernel data access", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"BUG: unable to handle kernel", OOPS_PAGE_FAULT, "BUG: unable to handle kernel", NULL, PC_THEN_TRACE,
     OOPS_FORM_LOST},
    {"BUG: Unable to handle kernel", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Unable to handle kernel paging request", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Unable to handle kernel NULL pointer", OOPS_NULL_DEREF,
     "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"Unable to handle kernel access to user memory", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel access to user memory" BAD_ACCESS},
    {"Unable to handle kernel", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    /* ---- Locks ---- */
    {"BUG: spinlock lockup suspected", OOPS_LOCKDEP, "BUG: spinlock lockup suspected in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: spinlock already unlocked", OOPS_LOCKDEP, "BUG: spinlock already unlocked in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: spinlock recursion", OOPS_LOCKDEP, "BUG: spinlock recursion in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: spinlock cpu recursion", OOPS_LOCKDEP, "BUG: spinlock cpu recursion in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: spinlock bad magic", OOPS_LOCKDEP, "BUG: spinlock bad magic in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: spinlock wrong owner", OOPS_LOCKDEP, "BUG: spinlock wrong owner in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: spinlock wrong CPU", OOPS_LOCKDEP, "BUG: spinlock wrong CPU in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: spinlock trylock failure", OOPS_LOCKDEP, "BUG: spinlock trylock failure on UP in %f", NULL, TRACE(skip_spin),
     0},
    {"BUG: rwlock lockup suspected", OOPS_LOCKDEP, "BUG: rwlock lockup suspected in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: rwlock already unlocked", OOPS_LOCKDEP, "BUG: rwlock already unlocked in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: rwlock recursion", OOPS_LOCKDEP, "BUG: rwlock recursion in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: rwlock cpu recursion", OOPS_LOCKDEP, "BUG: rwlock cpu recursion in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: rwlock bad magic", OOPS_LOCKDEP, "BUG: rwlock bad magic in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: rwlock wrong owner", OOPS_LOCKDEP, "BUG: rwlock wrong owner in %f", NULL, TRACE(skip_spin), 0},
    {"BUG: *still has locks held!", OOPS_LOCKDEP, "BUG: still has locks held in %f", NULL, {"p", NULL, 0}, 0},
    {"BUG: lock held when returning to user space",
     OOPS_LOCKDEP,
     "BUG: lock held when returning to user space in %f",
     NULL,
     {"a", NULL, 0},
     OOPS_FORM_NO_TRACE},
    {"BUG: bad unlock balance detected",
     OOPS_LOCKDEP,
     "BUG: bad unlock balance in %f",
     "is trying to release lock",
     {"XPCS|CS", NULL, 0},
     0},
    {"BUG: bad unlock balance detected", OOPS_LOCKDEP, "BUG: bad unlock balance in %f", NULL, {"PCS", NULL, 0}, 0},
    {"BUG: held lock freed!", OOPS_LOCKDEP, "BUG: held lock freed in %f", NULL, {"p", NULL, 0}, 0},
    {"BUG: Invalid wait context", OOPS_LOCKDEP, "WARNING: locking bug in %f", NULL, TRACE(skip_sock_lock), 0},
    {"BUG: MAX_", OOPS_LOCKDEP, "%0", NULL, NO_FUNCTION, 0},
    {"BUG: workqueue leaked lock or atomic", OOPS_LOCKDEP, "BUG: workqueue leaked lock or atomic in %m",
     "last function: *", NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"BUG: workqueue leaked lock or atomic", OOPS_LOCKDEP, "BUG: workqueue leaked lock or atomic", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    /* ---- Contexts ---- */
    {"BUG: scheduling while atomic", OOPS_ATOMIC_SLEEP, "BUG: scheduling while atomic in %f", NULL,
     TRACE(skip_schedule), 0},
    {"BUG: sleeping function called from invalid context", OOPS_ATOMIC_SLEEP,
     "BUG: sleeping function called from invalid context in %f", NULL, TRACE(NULL), 0},
    {"BUG: using *() in preemptible",
     OOPS_ATOMIC_SLEEP,
     "BUG: using %1() in preemptible code in %f",
     NULL,
     {"CS|K", skip_preempt, OOPS_PICK_FIRST},
     0},
    /* ---- Lockups ---- */
    {"BUG: soft lockup", OOPS_SOFT_LOCKUP, "BUG: soft lockup in %f", NULL, {"RCS|RS|CS", NULL, OOPS_PICK_STALL}, 0},
    {"BUG: workqueue lockup", OOPS_WORKQUEUE_LOCKUP, "BUG: workqueue lockup", NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"Watchdog detected hard LOCKUP",
     OOPS_HARD_LOCKUP,
     "BUG: hard lockup in %f",
     NULL,
     {"RCS|RS|CS", NULL, OOPS_PICK_STALL},
     0},
    {"CPU*: Watchdog detected hard LOCKUP",
     OOPS_HARD_LOCKUP,
     "BUG: hard lockup in %f",
     NULL,
     {"RCS|RS|CS", NULL, OOPS_PICK_STALL},
     0},
    {"detected hard LOCKUP on other CPUs",
     OOPS_HARD_LOCKUP,
     "BUG: hard lockup in %f",
     NULL,
     {"RCS|CS", NULL, OOPS_PICK_STALL},
     0},
    {"watchdog: CPU * Hard LOCKUP",
     OOPS_HARD_LOCKUP,
     "BUG: hard lockup in %f",
     NULL,
     {"RCS|CS", NULL, OOPS_PICK_STALL},
     OOPS_FORM_CONTINUES},
    {"self-detected hard LOCKUP",
     OOPS_HARD_LOCKUP,
     "BUG: hard lockup in %f",
     NULL,
     {"RCS|RS|CS", NULL, OOPS_PICK_STALL},
     0},
    {"INFO: rcu_* stall",
     OOPS_RCU_STALL,
     "INFO: rcu detected stall in %f",
     NULL,
     {"IRS|JS", skip_stall, OOPS_PICK_STALL},
     0},
    {"INFO: task * blocked *for more than *seconds",
     OOPS_HUNG_TASK,
     "INFO: task hung in %f",
     NULL,
     {"CS", NULL, OOPS_PICK_HANG},
     0},
    {"INFO: task ",
     OOPS_HUNG_TASK,
     "INFO: task hung in %f",
     "blocked *for more than *seconds",
     {"CS", NULL, OOPS_PICK_HANG},
     OOPS_FORM_NEEDS_TRACE},
    {"INFO: task * can't die for more than", OOPS_HUNG_TASK, "INFO: task can't die in %f", NULL, TRACE(skip_schedule),
     0},
    /* ---- Memory ---- */
    {"BUG: Bad rss-counter state", OOPS_BAD_PAGE, "BUG: Bad rss-counter state", NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"BUG: non-zero nr_ptes on freeing mm", OOPS_BAD_PAGE, "BUG: non-zero nr_ptes on freeing mm", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    {"BUG: non-zero nr_pmds on freeing mm", OOPS_BAD_PAGE, "BUG: non-zero nr_pmds on freeing mm", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    {"BUG: non-zero pgtables_bytes on freeing mm", OOPS_BAD_PAGE, "BUG: non-zero pgtables_bytes on freeing mm", NULL,
     NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"BUG: Bad page state", OOPS_BAD_PAGE, "BUG: Bad page state in %f", NULL, {"LS|CS", skip_page, 0}, 0},
    {"BUG: Bad page cache", OOPS_BAD_PAGE, "BUG: Bad page cache in %f", NULL, {"LS|CS", skip_page, 0}, 0},
    {"BUG: Bad page map", OOPS_BAD_PAGE, "BUG: Bad page map", NULL, NO_FUNCTION, 0},
    {"BUG: Dentry *still in use (*) [*of ", OOPS_OTHER, "BUG: Dentry still in use in %3", NULL, NO_FUNCTION, 0},
    {"BUG: memory leak", OOPS_MEMORY_LEAK, "memory leak in %f", NULL, {"BS", skip_leak, 0}, 0},
    {"BUG *: Object already free", OOPS_SLAB, "BUG: Object already free", NULL, NO_FUNCTION, 0},
    {"BUG *: Redzone overwritten", OOPS_SLAB, "BUG: Redzone overwritten", NULL, NO_FUNCTION, 0},
    {"BUG *: Left Redzone overwritten", OOPS_SLAB, "BUG: Redzone overwritten", NULL, NO_FUNCTION, 0},
    {"BUG *: Right Redzone overwritten", OOPS_SLAB, "BUG: Redzone overwritten", NULL, NO_FUNCTION, 0},
    {"BUG *: Poison overwritten", OOPS_SLAB, "BUG: Poison overwritten", NULL, NO_FUNCTION, 0},
    {"BUG *: Padding overwritten", OOPS_SLAB, "BUG: Padding overwritten", NULL, NO_FUNCTION, 0},
    {"BUG *: Object padding overwritten", OOPS_SLAB, "BUG: Padding overwritten", NULL, NO_FUNCTION, 0},
    {"BUG *: Objects remaining", OOPS_SLAB, "BUG: Objects remaining in slab on shutdown", NULL, NO_FUNCTION, 0},
    {"BUG *: Freepointer corrupt", OOPS_SLAB, "BUG: slab freelist corrupt", NULL, NO_FUNCTION, 0},
    {"BUG *: Freelist", OOPS_SLAB, "BUG: slab freelist corrupt", NULL, NO_FUNCTION, 0},
    {"BUG *: Freechain corrupt", OOPS_SLAB, "BUG: slab freelist corrupt", NULL, NO_FUNCTION, 0},
    {"BUG *: Wrong object count", OOPS_SLAB, "BUG: Wrong object count", NULL, NO_FUNCTION, 0},
    {"BUG kmalloc-* (*): *", OOPS_SLAB, "BUG: %3", NULL, NO_FUNCTION, 0},
    {"BUG * (Not tainted): *", OOPS_SLAB, "BUG: %2", NULL, NO_FUNCTION, 0},
    {"BUG * (Tainted: *): *", OOPS_SLAB, "BUG: %3", NULL, NO_FUNCTION, 0},
    {"Slab corruption", OOPS_SLAB, "BUG: slab corruption", NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"slab error in *:", OOPS_SLAB, "BUG: slab error in %1", NULL, {"CS", skip_kmalloc, 0}, 0},
    {"stack guard page was hit at",
     OOPS_STACK_GUARD,
     "BUG: stack guard page was hit in %f",
     NULL,
     {"RCS|CS", NULL, OOPS_PICK_STALL},
     0},
    /* ---- Warnings of known places ---- */
    {"WARNING: *lib/debugobjects.c*debug_print", OOPS_DEBUG_OBJECT, "WARNING: ODEBUG bug in %f", NULL,
     WARNED(skip_debug_object), 0},
    {"WARNING: *lib/debugobjects.c* at", OOPS_DEBUG_OBJECT, "WARNING: ODEBUG bug in %f", NULL,
     WARNED(skip_debug_object), 0},
    {"WARNING: *lib/debugobjects.c*debug_check", OOPS_DEBUG_OBJECT, "WARNING: ODEBUG bug in %f", NULL,
     WARNED(skip_debug_object), 0},
    {"WARNING: *mm/usercopy.c*usercopy_warn", OOPS_SLAB, "WARNING: bad usercopy in %f", NULL, WARNED(skip_usercopy), 0},
    {"WARNING: *mm/usercopy.c* at", OOPS_SLAB, "WARNING: bad usercopy in %f", NULL, WARNED(skip_usercopy), 0},
    {"WARNING: *lib/kobject.c*kobject_", OOPS_WARNING, "WARNING: kobject bug in %f", NULL, WARNED(skip_kobject), 0},
    {"WARNING: *lib/kobject.c* at", OOPS_WARNING, "WARNING: kobject bug in %f", NULL, WARNED(skip_kobject), 0},
    {"WARNING: *fs/proc/generic.c*proc_register", OOPS_WARNING, "WARNING: proc registration bug in %f", NULL,
     WARNED(skip_proc), 0},
    {"WARNING: *fs/proc/generic.c* at", OOPS_WARNING, "WARNING: proc registration bug in %f", NULL, WARNED(skip_proc),
     0},
    {"WARNING: *lib/refcount.c*refcount_", OOPS_REFCOUNT, "WARNING: refcount bug in %f", NULL, WARNED(skip_refcount),
     0},
    {"WARNING: *lib/refcount.c* at", OOPS_REFCOUNT, "WARNING: refcount bug in %f", NULL, WARNED(skip_refcount), 0},
    {"WARNING: *lib/refcount.c:", OOPS_REFCOUNT, "WARNING: refcount bug in %f", NULL, WARNED(skip_refcount), 0},
    {"WARNING: *lib/list_debug.c:", OOPS_LIST_CORRUPTION, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: *kernel/locking/lockdep.c*lock_", OOPS_LOCKDEP, "WARNING: locking bug in %f", NULL,
     WARNED(skip_sock_lock), 0},
    {"WARNING: *still has locks held!", OOPS_LOCKDEP, "WARNING: still has locks held in %f", NULL, {"a", NULL, 0}, 0},
    {"WARNING: Nested lock was not taken",
     OOPS_LOCKDEP,
     "WARNING: nested lock was not taken in %f",
     "is trying to lock",
     {"XAS|CS", NULL, 0},
     0},
    {"WARNING: lock held when returning to user space",
     OOPS_LOCKDEP,
     "WARNING: lock held when returning to user space in %f",
     NULL,
     {"a", NULL, 0},
     OOPS_FORM_NO_TRACE},
    {"WARNING: *mm/*.c* kmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* kvmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* __kvmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* __kmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* krealloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/vmalloc.c*__vmalloc_node", OOPS_WARNING, "WARNING: zero-size vmalloc in %f", NULL, WARNED(NULL), 0},
    {"WARNING: * usb_submit_urb", OOPS_WARNING, "WARNING in %f/usb_submit_urb", NULL, WARNED(skip_usb), 0},
    {"WARNING: CPU: * at *:", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: at *:", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: CPU: * PID: * at *+0x", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: *.c:* at ", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: *.h:* at ", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: *.rs:* at ", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    /* ---- Lockdep ---- */
    {"WARNING: possible circular locking dependency detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "is trying to acquire lock",
     {"AAS", skip_work, 0},
     0},
    {"WARNING: possible irq lock inversion dependency detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "just changed the state of lock",
     {"Xa", NULL, 0},
     0},
    {"WARNING: *-safe -> *-unsafe lock order detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     NULL,
     {"WS", NULL, 0},
     0},
    {"WARNING: possible recursive locking detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "is trying to acquire lock",
     {"Xa", NULL, 0},
     0},
    {"WARNING: inconsistent lock state", OOPS_LOCKDEP, "inconsistent lock state in %f", " takes", TRACE(NULL), 0},
    {"WARNING: suspicious RCU usage", OOPS_LOCKDEP, "WARNING: suspicious RCU usage in %f", ".c:|.h:", TRACE(skip_rcu),
     0},
    {"WARNING: bad unlock balance detected",
     OOPS_LOCKDEP,
     "WARNING: bad unlock balance in %f",
     NULL,
     {"PCS|CS", NULL, 0},
     0},
    {"WARNING: held lock freed!", OOPS_LOCKDEP, "WARNING: held lock freed in %f", NULL, {"a", NULL, 0}, 0},
    {"WARNING: kernel stack regs at * in * has bad '*' value", OOPS_WARNING,
     "WARNING: kernel stack regs has bad '%3' value", NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"WARNING: kernel stack frame pointer at * in * has bad value", OOPS_WARNING,
     "WARNING: kernel stack frame pointer has bad value", NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"WARNING: kernel stack regs *has bad", OOPS_WARNING, "WARNING: kernel stack regs has bad value", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    {"WARNING: kernel stack frame pointer *has bad value", OOPS_WARNING, "WARNING: kernel stack regs has bad value",
     NULL, NO_FUNCTION, OOPS_FORM_NO_TRACE},
    {"INFO: possible circular locking dependency detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "is trying to acquire lock",
     {"Xa", NULL, 0},
     0},
    {"INFO: possible irq lock inversion dependency detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "just changed the state of lock",
     {"Xa", NULL, 0},
     0},
    {"INFO: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "is trying to acquire",
     {"Xa", NULL, 0},
     0},
    {"INFO: possible recursive locking detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "is trying to acquire lock",
     {"Xa", NULL, 0},
     0},
    {"INFO: inconsistent lock state", OOPS_LOCKDEP, "inconsistent lock state in %f", " takes", {"Xa", NULL, 0}, 0},
    {"INFO: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "is trying to acquire",
     {"Xa", NULL, 0},
     0},
    {"INFO: possible recursive locking detected",
     OOPS_LOCKDEP,
     "possible deadlock in %f",
     "is trying to acquire lock",
     {"Xa", NULL, 0},
     0},
    {"INFO: inconsistent lock state", OOPS_LOCKDEP, "inconsistent lock state in %f", " takes", {"Xa", NULL, 0}, 0},
    {"INFO: suspicious RCU usage", OOPS_LOCKDEP, "INFO: suspicious RCU usage in %f", ".c:|.h:", TRACE(skip_rcu), 0},
    {"INFO: suspicious rcu_dereference_check", OOPS_LOCKDEP, "INFO: suspicious RCU usage in %f", NULL, TRACE(skip_rcu),
     0},
    {"INFO: trying to register non-static key", OOPS_LOCKDEP, "INFO: trying to register non-static key in %f", NULL,
     TRACE(skip_key), 0},
    {"INFO: Freed in *", OOPS_SLAB, "INFO: Freed in %1", NULL, NO_FUNCTION, OOPS_FORM_LOST | OOPS_FORM_CONTINUES},
    {"INFO: Allocated in *", OOPS_SLAB, "INFO: Allocated in %1", NULL, NO_FUNCTION,
     OOPS_FORM_LOST | OOPS_FORM_CONTINUES},
    /* ---- Traps ---- */
    {"general protection fault*:", OOPS_GPF, "general protection fault in %f", NULL, PC_THEN_TRACE, 0},
    {"general protection fault, ", OOPS_GPF, "general protection fault in %f", NULL, PC_THEN_TRACE, 0},
    {"stack segment: ", OOPS_TRAP, "stack segment fault in %f", NULL, PC_THEN_TRACE, 0},
    {"PANIC: double fault", OOPS_DOUBLE_FAULT, "PANIC: double fault in %f", NULL, PC_ONLY, OOPS_FORM_CONTINUES},
    {"double fault: 0000 [#", OOPS_DOUBLE_FAULT, "PANIC: double fault in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"divide error: ", OOPS_TRAP, "divide error in %f", NULL, PC_ONLY, 0},
    {"divide_error: ", OOPS_TRAP, "divide error in %f", NULL, PC_ONLY, 0},
    {"invalid opcode: ", OOPS_TRAP, "invalid opcode in %f", NULL, PC_ONLY, OOPS_FORM_CONTINUES},
    {"int3: ", OOPS_TRAP, "int3 in %f", NULL, PC_THEN_TRACE, 0},
    {"alignment check: ", OOPS_TRAP, "alignment check in %f", NULL, PC_THEN_TRACE, 0},
    {"Unhandled fault:", OOPS_EXTERNAL_ABORT, "Unhandled fault in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Alignment trap:", OOPS_TRAP, "Alignment trap in %f", NULL, PC_THEN_TRACE, 0},
    {"Unhandled kernel unaligned access", OOPS_TRAP, "Alignment trap in %f", NULL, PC_THEN_TRACE, 0},
    {"SError Interrupt on CPU", OOPS_EXTERNAL_ABORT, "SError in %f", NULL, PC_THEN_TRACE, 0},
    {"Bad mode in *handler detected", OOPS_TRAP, "bad mode in %f", NULL, PC_THEN_TRACE, 0},
    {"Insufficient stack space to handle exception",
     OOPS_STACK_GUARD,
     "kernel stack overflow in %f",
     NULL,
     {"RCS|CS", NULL, OOPS_PICK_STALL},
     0},
    /* mips, s390, parisc */
    {"Kernel bug detected*[#", OOPS_BUG, "kernel BUG in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Reserved instruction in kernel code", OOPS_TRAP, "reserved instruction in %f", NULL, PC_THEN_TRACE, 0},
    {"Break instruction in kernel code", OOPS_TRAP, "break instruction in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Trap instruction in kernel code", OOPS_TRAP, "trap instruction in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Data bus error, epc", OOPS_EXTERNAL_ABORT, "bus error in %f", NULL, PC_THEN_TRACE, 0},
    {"Instruction bus error, epc", OOPS_EXTERNAL_ABORT, "bus error in %f", NULL, PC_THEN_TRACE, 0},
    {"do_cpu invoked from kernel context!", OOPS_TRAP, "bad instruction in %f", NULL, PC_THEN_TRACE, 0},
    {"illegal operation: 0001 ilc:*[#", OOPS_TRAP, "illegal operation in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {" exception: * ilc:*[#", OOPS_TRAP, "exception in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"monitor event: 0040 ilc:*[#", OOPS_BUG, "kernel BUG in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Bad Address (null pointer deref?): Code=", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Kernel Fault: Code=", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Illegal instruction (code 8)", OOPS_TRAP, "invalid opcode in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error: synchronous external abort", OOPS_EXTERNAL_ABORT, "Internal error in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Internal error: UBSAN", OOPS_UBSAN, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error: Oops - BUG", OOPS_BUG, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error: Oops: *[#", OOPS_PAGE_FAULT, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error:", OOPS_TRAP, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    /* powerpc's die(), other systems' assertions in modules */
    {"Oops: Machine check", OOPS_EXTERNAL_ABORT, "machine check in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Oops: Exception in kernel mode", OOPS_TRAP, "exception in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Oops: Kernel stack overflow", OOPS_STACK_GUARD, "kernel stack overflow in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"PANIC at *.c:*:*()", OOPS_BUG, "spl panic in %f", NULL, {"CS", skip_spl, OOPS_PICK_FIRST}, 0},
    {"Oops: general protection fault", OOPS_GPF, "general protection fault in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Oops: ", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES | OOPS_FORM_NEEDS_TRACE},
    {"Oops [#", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Oops - ", OOPS_TRAP, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    /* ---- BUG() ---- */
    {"kernel BUG at mm/usercopy.c", OOPS_SLAB, "BUG: bad usercopy in %f", NULL, TRACE(skip_usercopy), 0},
    {"kernel BUG at lib/list_debug.c", OOPS_LIST_CORRUPTION, "BUG: corrupted list in %f", NULL, TRACE(NULL), 0},
    {"kernel BUG at", OOPS_BUG, "kernel BUG in %f", NULL, {"RCS", skip_skb, 0}, 0},
    {"Kernel BUG at * [verbose", OOPS_BUG, "kernel BUG in %f", NULL, {"RCS", skip_skb, 0}, 0},
    {"Kernel BUG at", OOPS_BUG, "kernel BUG in %f", NULL, {"RCS", skip_skb, 0}, 0},
    {"Kernel BUG *", OOPS_BUG, "kernel BUG in %f", NULL, {"RCS", skip_skb, 0}, OOPS_FORM_CONTINUES},
    /* ---- UBSAN ---- */
    {"UBSAN: Undefined behaviour in", OOPS_UBSAN, "UBSAN: undefined-behaviour in %f", NULL, TRACE(skip_ubsan), 0},
    {"UBSAN: * in", OOPS_UBSAN, "UBSAN: %1 in %f", NULL, TRACE(skip_ubsan), 0},
    /* ---- Panics without an oops ---- */
    {"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: *+0x",
     OOPS_PANIC,
     "kernel panic: stack is corrupted in %f",
     NULL,
     {"H", NULL, 0},
     OOPS_FORM_NO_TRACE | OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: stack-protector:", OOPS_PANIC, "kernel panic: stack is corrupted in %f", NULL,
     TRACE(skip_protector), OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: corrupted stack end",
     OOPS_PANIC,
     "kernel panic: corrupted stack end in %f",
     NULL,
     {"CS", skip_stack_end, OOPS_PICK_STALL},
     OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: kernel stack overflow",
     OOPS_STACK_GUARD,
     "kernel stack overflow in %f",
     NULL,
     {"CS", skip_bad_stack, OOPS_PICK_STALL},
     OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: Attempted to kill init!", OOPS_PANIC, "kernel panic: Attempted to kill init!", NULL,
     NO_FUNCTION, OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: Couldn't open N_TTY ldisc", OOPS_PANIC, "kernel panic: Couldn't open N_TTY ldisc",
     NULL, NO_FUNCTION, OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: Fatal exception", OOPS_PANIC, "kernel panic: Fatal exception", NULL, NO_FUNCTION,
     OOPS_FORM_CONTINUES | OOPS_FORM_LOST},
    {"Kernel panic - not syncing: panic_on_warn set", OOPS_PANIC, "kernel panic: panic_on_warn set", NULL, NO_FUNCTION,
     OOPS_FORM_CONTINUES | OOPS_FORM_LOST},
    {"Kernel panic - not syncing: hung_task: blocked tasks", OOPS_PANIC, "kernel panic: hung_task: blocked tasks", NULL,
     NO_FUNCTION, OOPS_FORM_CONTINUES | OOPS_FORM_LOST},
    {"Kernel panic - not syncing: *", OOPS_PANIC, "kernel panic: %1", NULL, NO_FUNCTION, OOPS_FORM_CONTINUES},
    {"Kernel panic: *", OOPS_PANIC, "kernel panic: %1", NULL, NO_FUNCTION, OOPS_FORM_CONTINUES},
    /* ---- Others ---- */
    {"rust_kernel: panicked at ", OOPS_BUG, "%n in %f", NULL, TRACE(skip_rust), 0},
    {"unregister_netdevice: waiting for * to become free", OOPS_NETDEV_HELD,
     "unregister_netdevice: waiting for DEV to become free", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE | OOPS_FORM_CONTINUES},
    {"VFS: Close: file count is 0", OOPS_OTHER, "VFS: Close: file count is zero (use-after-free)", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    {"VFS: Busy inodes after unmount", OOPS_OTHER, "VFS: Busy inodes after unmount (use-after-free)", NULL, NO_FUNCTION,
     OOPS_FORM_NO_TRACE},
    {"BUG: *", OOPS_OTHER, "%0", NULL, NO_FUNCTION, OOPS_FORM_NEEDS_TRACE},
    {"WARNING: *", OOPS_WARNING, "%0", NULL, NO_FUNCTION, OOPS_FORM_NEEDS_TRACE},
    {"INFO: *", OOPS_OTHER, "%0", NULL, NO_FUNCTION, OOPS_FORM_NEEDS_TRACE | OOPS_FORM_CONTINUES},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* Lines with a header's words that start nothing. */
static const char *const harmless[] = {
    "ODEBUG: ",
    "DEBUG:",
    "kasan: bad access detected",
    "xlog_status:",
    "INFO: lockdep is turned off",
    "INFO: Stall ended before state dump start",
    "INFO: NMI handler",
    "took too long",
    "INFO: recovery required on readonly",
    "INFO: sys_*is not present in /proc/kallsyms",
    "rmt_storage:INFO:",
    "_INFO:",
    "INFO: no syscalls can",
    "BUG: no syscalls can",
    "WARNING: /etc/ssh/moduli",
    "WARNING: workqueue cpumask: online intersect",
    "WARNING: The mand mount option",
    "WARNING: the mand mount option",
    "WARNING: Unsupported flag value",
    "WARNING: Unprivileged eBPF is enabled",
    "WARNING: fbcon: Driver",
    "WARNING: See https*for mitigation options",
    "WARNING: kernel not compiled with CPU_SRSO",
    "EXT4-fs",
    "EXT4-FS",
    "uses deprecated v2 capabilities",
    "uses wireless extensions",
    "XFS (*): WARNING",
    "general protection fault*error:*in ",
    "traps: * general protection",
    "Command line:",
    "Kernel command line:",
    "_panic:",
    "BIOS BUG",
    "FW BUG",
    "[Firmware Bug]",
    "DMAR: [",
    "Kernel panic - not syncing: *]---",
};

static bool is_harmless(const char *text) {
    for (unsigned i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        if (oops_match(harmless[i], text, NULL))
            return true;
    return false;
}

/* Whether `form` can stand for the header `text`: its first words are not the end of a longer one. */
static bool form_matches(const struct oops_form *form, const char *text, struct oops_span captures[OOPS_CAPTURES]) {
    if (!oops_match(form->match, text, captures))
        return false;
    if (!(form->flags & OOPS_FORM_NEEDS_TRACE))
        return true;
    /* Common words: only at the beginning, behind one other word at most ("watchdog: BUG: "). */
    char first[24];
    size_t n = strcspn(form->match, "*");
    memcpy(first, form->match, n);
    first[n] = '\0';
    const char *at = strstr(text, first);
    if (at == text)
        return true;
    return at - text < 24 && at[-1] == ' ' && (at[-2] == ':' || at[-2] == '[');
}

const struct oops_form *oops_form_of(const struct oops_scanner *scanner, const char *text) {
    if (!oops_scan(scanner, text, strlen(text)))
        return NULL;
    for (unsigned i = 0; i < FORMS; i++)
        if (form_matches(&forms[i], text, NULL))
            return is_harmless(text) ? NULL : &forms[i];
    return NULL;
}

const char *oops_form_match(unsigned n) {
    return n < FORMS ? forms[n].match : NULL;
}

/* Whether a line of the report matches one of the alternatives of `later`; the first decides. */
static bool later_matches(const struct oops_report *report, const char *later, struct oops_span *capture) {
    struct oops_span captures[OOPS_CAPTURES] = {{"", 0}};
    char piece[64];
    for (unsigned i = 0; i < report->line_count; i++) {
        for (const char *p = later; *p;) {
            size_t n = strcspn(p, "|");
            if (n < sizeof(piece)) {
                memcpy(piece, p, n);
                piece[n] = '\0';
                if (oops_match(piece, report->lines[i].text, captures)) {
                    *capture = captures[0].len ? captures[0] : (struct oops_span){report->lines[i].text, 0};
                    return true;
                }
            }
            p += n + (p[n] == '|');
        }
    }
    return false;
}

const struct oops_form *oops_form_choose(const struct oops_report *report, struct oops_span captures[OOPS_CAPTURES],
                                         struct oops_span *later) {
    *later = (struct oops_span){"", 0};
    const struct oops_form *unfinished = NULL;
    for (unsigned i = 0; i < FORMS; i++) {
        for (unsigned c = 0; c < OOPS_CAPTURES; c++)
            captures[c] = (struct oops_span){"", 0};
        if (!form_matches(&forms[i], report->header, captures))
            continue;
        bool any_words = forms[i].flags & OOPS_FORM_NEEDS_TRACE && strstr(forms[i].match, ": *");
        if (unfinished && any_words)
            break;
        if (!forms[i].later || later_matches(report, forms[i].later, later))
            return &forms[i];
        unfinished = unfinished ? unfinished : &forms[i];
    }
    return unfinished;
}

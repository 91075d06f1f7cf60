/*
 * Reports that code anywhere makes: WARN_ON() and BUG() and what is known of some places, panics, and words that
 * stand for no kind of their own, which come last.
 *
 * Source: kernel/panic.c, lib/bug.c, lib/list_debug.c, lib/refcount.c, lib/debugobjects.c and the printk calls named
 * by the rows, of 2.6.20 to 6.16.
 */
#include "diag/oops/report/kinds.h"

/* Functions that are not to blame in a kind of report, beside those of helpers.c. */
static const char *const skip_usb[] = {
    "alloc_skb", "usb_submit_urb", "usb_start_wait_urb", "usb_bulk_msg", "usb_interrupt_msg", "usb_control_msg", NULL};
static const char *const skip_stack_end[] = {"schedule", "retint_kernel", NULL};
static const char *const skip_sock_lock[] = {"lock_sock", "release_sock", NULL};
static const char *const skip_debug_object[] = {"debug_", "rcu",   "hrtimer_", "timer_",      "work_",    "percpu_",
                                                "vunmap", "vfree", "__free_",  "debug_check", "kobject_", NULL};
static const char *const skip_usercopy[] = {"usercopy", "__check", NULL};
static const char *const skip_kobject[] = {"kobject_", NULL};
static const char *const skip_proc[] = {"^proc_create",  "^proc_mkdir",   "^proc_net_",   "^proc_register",
                                        "^proc_symlink", "^remove_proc_", "^proc_remove", NULL};
static const char *const skip_refcount[] = {"refcount_", "kobject_", NULL};
static const char *const skip_kmalloc[] = {"kmalloc", "krealloc", "slab", "kmem", NULL};
static const char *const skip_protector[] = {"stack_chk", NULL};
static const char *const skip_bad_stack[] = {"bad_stack", NULL};
static const char *const skip_skb[] = {"^skb_", NULL};
static const char *const skip_rust[] = {"rust_begin_unwind", NULL};

/* Tried before the exception that BUG() raises, which may stand in the same line. */
const struct oops_form oops_forms_bug[] = {
    {"kernel BUG at mm/usercopy.c", OOPS_BUG, "BUG: bad usercopy in %f", NULL, TRACE(skip_usercopy), 0},
    {"kernel BUG at lib/list_debug.c", OOPS_LIST_CORRUPTION, "BUG: corrupted list in %f", NULL, TRACE(NULL), 0},
    {"kernel BUG at", OOPS_BUG, "kernel BUG in %f", NULL, RECIPE("RlCS", skip_skb), 0},
    {"Kernel BUG at * [verbose", OOPS_BUG, "kernel BUG in %f", NULL, RECIPE("RlCS", skip_skb), 0},
    {"Kernel BUG at", OOPS_BUG, "kernel BUG in %f", NULL, RECIPE("RlCS", skip_skb), 0},
    {"Kernel BUG *", OOPS_BUG, "kernel BUG in %f", NULL, RECIPE("RlCS", skip_skb), OOPS_FORM_CONTINUES},
    {.match = NULL},
};

const struct oops_form oops_forms_general[] = {
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
    {"WARNING: *still has locks held!", OOPS_LOCKDEP, "WARNING: still has locks held in %f", NULL, RECIPE("a", NULL),
     0},
    {"WARNING: Nested lock was not taken", OOPS_LOCKDEP, "WARNING: nested lock was not taken in %f",
     "is trying to lock", RECIPE("XAS|CS", NULL), 0},
    {"WARNING: lock held when returning to user space", OOPS_LOCKDEP,
     "WARNING: lock held when returning to user space in %f", NULL, RECIPE("a", NULL), OOPS_FORM_NO_TRACE},
    {"WARNING: *mm/*.c* kmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* kvmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* __kvmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* __kmalloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/*.c* krealloc", OOPS_WARNING, "WARNING: kmalloc bug in %f", NULL, WARNED(skip_kmalloc), 0},
    {"WARNING: *mm/vmalloc.c*__vmalloc_node", OOPS_WARNING, "WARNING: zero-size vmalloc in %f", NULL, WARNED(NULL), 0},
    {"WARNING: * usb_submit_urb", OOPS_WARNING, "WARNING in %f/usb_submit_urb", NULL, WARNED(skip_usb), 0},
    {"WARNING: *kernel/watchdog*watchdog_overflow_callback", OOPS_HARD_LOCKUP, "BUG: hard lockup in %f", NULL,
     STALLED("RCS|RS|CS", NULL), 0},
    {"WARNING: CPU: * at *:", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: at *:", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: CPU: * PID: * at *+0x", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: *.c:* at ", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: *.h:* at ", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    {"WARNING: *.rs:* at ", OOPS_WARNING, "WARNING in %f", NULL, WARNED(NULL), 0},
    /* ---- Panics without an oops ---- */
    {"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: *+0x", OOPS_PANIC,
     "kernel panic: stack is corrupted in %f", NULL, RECIPE("H", NULL), OOPS_FORM_NO_TRACE | OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: stack-protector:", OOPS_PANIC, "kernel panic: stack is corrupted in %f", NULL,
     TRACE(skip_protector), OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: corrupted stack end", OOPS_PANIC, "kernel panic: corrupted stack end in %f", NULL,
     STALLED("CS", skip_stack_end), OOPS_FORM_CONTINUES},
    {"Kernel panic - not syncing: kernel stack overflow", OOPS_STACK_GUARD, "kernel stack overflow in %f", NULL,
     STALLED("CS", skip_bad_stack), OOPS_FORM_CONTINUES},
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
    {.match = NULL},
};

/*
 * Reports that are a trace and no header of those that are looked for: what is printed before the trace, or if that
 * is missing or says nothing, functions in it and registers, tell the kind. As a trace is found first, these words may
 * be common ones: without a trace behind them they are nothing.
 *
 * Source: every dump_stack() and show_stack() of kernel/, mm/, lib/, fs/, net/, block/ and drivers/base and what is
 * printed before it, of 2.6.12 to 6.16.
 *
 * Simplified: the messages of single drivers, of which there are hundreds, are no kinds; they are stack dumps whose
 * title is the message.
 */
#include "diag/oops/report/kinds.h"

/* Functions that are not to blame in a kind of report, beside those of helpers.c. */
static const char *const skip_pages[] = {"alloc_page",
                                         "alloc_frozen_page",
                                         "page_alloc",
                                         "get_free_page",
                                         "new_slab",
                                         "slab_alloc",
                                         "alloc_slab",
                                         "allocate_slab",
                                         "alloc_skb",
                                         "alloc_frag",
                                         "frag_alloc",
                                         "dma_alloc",
                                         "dma_direct_alloc",
                                         "dma_pool_alloc",
                                         "alloc_coherent",
                                         "mempool_alloc",
                                         "cma_alloc",
                                         "alloc_from_contiguous",
                                         "swiotlb_alloc",
                                         "pcpu_",
                                         "percpu_alloc",
                                         "^alloc_percpu",
                                         "folio_alloc",
                                         "warn_alloc",
                                         "fallback_alloc",
                                         "cache_grow",
                                         "cache_alloc",
                                         "krealloc",
                                         "kmemdup",
                                         "vmap",
                                         "vm_area_alloc",
                                         "^get_page_from",
                                         "^get_free",
                                         "^get_pages",
                                         "dump_header",
                                         "oom_kill",
                                         "out_of_memory",
                                         "^page_cache_alloc",
                                         "readahead",
                                         "^mem_cgroup",
                                         "try_charge",
                                         "^charge_memcg",
                                         "do_kmalloc",
                                         "kmalloc",
                                         "hrtimer_forward", /* left on stacks that are shown word by word */
                                         NULL};
static const char *const skip_names[] = {
    "sysfs",  "kernfs", "kobject", "kobj_",   "kset_",           "^device_",         "^__proc", "proc_",
    "sysctl", "^bus_",  "^class_", "^driver", "^__class_create", "^internal_create", "debugfs", NULL};
static const char *const skip_irqs[] = {"setup_irq", "request_", "devm_", "^report_bad", NULL};
static const char *const skip_kmemleak[] = {"kmemleak", "_object", "^scan_", NULL};
static const char *const skip_slabs[] = {"object_err",    "check_bytes",  "print_trailer", "debug_processing",
                                         "slab",          "cache_free",   "^__free_",      "cache_alloc",
                                         "^check_poison", "kmem_cache",   "^kfree",        "^mempool",
                                         "^free_debug",   "^alloc_debug", "on_freelist",   NULL};
static const char *const skip_schedule[] = {"schedule", "cond_resched", "bit_wait", "wait_on_bit", NULL};
static const char *const skip_checks[] = {"preempt", "debug_", "processor_id", "this_cpu", NULL};
static const char *const skip_node[] = {"^of_node_", "^__of_", NULL};
static const char *const skip_poison[] = {"alloc",      "poison", "prep_new", "get_page_from", "free_page", "bad_page",
                                          "free_pages", "^free_", NULL};
static const char *const skip_lbug[] = {"lbug", "^libcfs_", "^cfs_", "spl_", NULL};
static const char *const skip_fs[] = {"^xfs_error_report", "^xfs_corruption", "^xfs_verifier", "^xfs_force_shutdown",
                                      "^xfs_do_force",     "^gfs2_lm_",       "^gfs2_assert",  "^gfs2_withdraw",
                                      "_consist",          "^ubifs_ro_mode",  "^ubi_ro_mode",  "^ext4_error",
                                      "handle_error",      "^xfs_buf_",       "^buffer_io",    NULL};
static const char *const skip_lockdep[] = {
    "^print_", "^check_",  "validate_chain", "^__lock_acquire", "^lock_acquire", "^mark_",
    "^dept_",  "^add_dep", "^cb_check",      "^bfs$",           "_bug$",         "^add_wait$",
    "^__dept", "lockdep",  "^lock_",         "spin_dump",       "fs_reclaim",    "locks_freed",
    NULL};
static const char *const skip_asked[] = {"sysrq", "cpu_backtrace", "cpumask_backtrace", "^nmi_", "^dump_stack", NULL};

/* The trace may have no heading. */
#define SHOWS(skip) RECIPE("cS", skip)
#define SHOWN       0u
#define CLOSE       OOPS_FORM_ADJACENT

/* What is said before a trace; oops_match(). */
const struct oops_form oops_forms_messages[] = {
    /* memory that is not to be had */
    {"page allocation failure", OOPS_OUT_OF_MEMORY, "page allocation failure in %f", NULL, SHOWS(skip_pages), SHOWN},
    {"page allocation stalls for", OOPS_OUT_OF_MEMORY, "page allocation stall in %f", NULL, SHOWS(skip_pages), SHOWN},
    {"vmalloc: allocation failure", OOPS_OUT_OF_MEMORY, "vmalloc failure in %f", NULL, SHOWS(skip_pages), SHOWN},
    {"vmalloc error: size", OOPS_OUT_OF_MEMORY, "vmalloc failure in %f", NULL, SHOWS(skip_pages), SHOWN},
    {"vmap allocation for size", OOPS_OUT_OF_MEMORY, "vmalloc failure in %f", NULL, SHOWS(skip_pages), SHOWN},
    {"ercpu: allocation failed", OOPS_OUT_OF_MEMORY, "percpu allocation failure in %f", NULL, SHOWS(skip_pages), SHOWN},
    {"PERCPU: allocation failed", OOPS_OUT_OF_MEMORY, "percpu allocation failure in %f", NULL, SHOWS(skip_pages),
     SHOWN},
    {"swiotlb: coherent allocation failed", OOPS_OUT_OF_MEMORY, "swiotlb allocation failure in %f", NULL,
     SHOWS(skip_pages), SHOWN},
    {"alloc_cpumask_var: failed", OOPS_OUT_OF_MEMORY, "cpumask allocation failure in %f", NULL, SHOWS(skip_pages),
     SHOWN},
    {"invoked oom-killer", OOPS_OUT_OF_MEMORY, "oom-killer invoked in %f", NULL, SHOWS(skip_pages), SHOWN},
    {"oom_reaper: unable to reap", OOPS_OUT_OF_MEMORY, "oom_reaper: unable to reap a task in %f", NULL,
     HUNG("cS", NULL), SHOWN},
    /* slabs and pages */
    {"SLUB <none>: no slab for object", OOPS_SLAB, "BUG: no slab for an object in %f", NULL, SHOWS(skip_slabs), SHOWN},
    {"Slab cache still has objects", OOPS_SLAB, "BUG: Objects remaining in slab on shutdown", NULL, SHOWS(skip_slabs),
     SHOWN},
    {"an't free all objects", OOPS_SLAB, "BUG: Objects remaining in slab on shutdown", NULL, SHOWS(skip_slabs), SHOWN},
    {"pagealloc: memory corruption", OOPS_BAD_PAGE, "pagealloc: memory corruption in %f", NULL, SHOWS(skip_poison),
     SHOWN},
    {"pagealloc: single bit error", OOPS_BAD_PAGE, "pagealloc: single bit error in %f", NULL, SHOWS(skip_poison),
     SHOWN},
    {"Bad page state", OOPS_BAD_PAGE, "BUG: Bad page state in %f", NULL, SHOWS(skip_poison), SHOWN},
    {"page dumped because: ", OOPS_BAD_PAGE, "BUG: Bad page state in %f", NULL, SHOWS(skip_poison), SHOWN},
    {"bad because of flags: ", OOPS_BAD_PAGE, "BUG: Bad page state in %f", NULL, SHOWS(skip_poison), SHOWN},
    {"kmemleak: *", OOPS_MEMORY_LEAK, "kmemleak: %1", NULL, SHOWS(skip_kmemleak), CLOSE},
    /* names, objects, interrupts */
    {"sysfs: cannot create duplicate filename", OOPS_KOBJECT, "sysfs: cannot create duplicate filename in %f", NULL,
     SHOWS(skip_names), SHOWN},
    {"sysfs: duplicate filename", OOPS_KOBJECT, "sysfs: cannot create duplicate filename in %f", NULL,
     SHOWS(skip_names), SHOWN},
    {"sysctl duplicate entry", OOPS_KOBJECT, "sysctl duplicate entry in %f", NULL, SHOWS(skip_names), SHOWN},
    {"sysctl table check failed", OOPS_KOBJECT, "sysctl table check failed in %f", NULL, SHOWS(skip_names), SHOWN},
    {"tried to init an initialized object", OOPS_KOBJECT, "kobject: initialized twice in %f", NULL, SHOWS(skip_names),
     SHOWN},
    {"tried to add an uninitialized object", OOPS_KOBJECT, "kobject: added uninitialized in %f", NULL,
     SHOWS(skip_names), SHOWN},
    {"is not initialized, yet kobject_", OOPS_KOBJECT, "kobject: used uninitialized in %f", NULL, SHOWS(skip_names),
     SHOWN},
    {"kobject*register things with the same name", OOPS_KOBJECT, "kobject: name registered twice in %f", NULL,
     SHOWS(skip_names), SHOWN},
    {"kobject_add*failed for", OOPS_KOBJECT, "kobject: registration failed in %f", NULL, SHOWS(skip_names), SHOWN},
    {"kobject (*): ", OOPS_KOBJECT, "kobject: misused in %f", NULL, SHOWS(skip_names), CLOSE},
    {"Bad of_node_put() on", OOPS_REFCOUNT, "OF: bad of_node_put() in %f", NULL, SHOWS(skip_node), SHOWN},
    {"detected bad of_node_put() on", OOPS_REFCOUNT, "OF: bad of_node_put() in %f", NULL, SHOWS(skip_node), SHOWN},
    {"lags mismatch irq", OOPS_IRQ, "genirq: Flags mismatch in %f", NULL, SHOWS(skip_irqs), SHOWN},
    {"IRQ handler type mismatch for IRQ", OOPS_IRQ, "genirq: Flags mismatch in %f", NULL, SHOWS(skip_irqs), SHOWN},
    {"irq *: nobody cared", OOPS_IRQ, "irq: nobody cared in %f", NULL, SHOWS(skip_irqs), SHOWN},
    {"irq event *: bogus return value", OOPS_IRQ, "irq: bogus return value in %f", NULL, SHOWS(skip_irqs), SHOWN},
    /* contexts and time, in words of old and rare forms */
    {"Debug: sleeping function called from invalid context", OOPS_ATOMIC_SLEEP,
     "BUG: sleeping function called from invalid context in %f", NULL, SHOWS(NULL), SHOWN},
    {"scheduling while atomic", OOPS_ATOMIC_SLEEP, "BUG: scheduling while atomic in %f", NULL, SHOWS(skip_schedule),
     SHOWN},
    {"bad: scheduling from the idle thread", OOPS_ATOMIC_SLEEP, "BUG: scheduling from the idle thread in %f", NULL,
     SHOWS(skip_schedule), SHOWN},
    {"in_atomic(): *, irqs_disabled(): ", OOPS_ATOMIC_SLEEP, "BUG: sleeping function called from invalid context in %f",
     NULL, SHOWS(NULL), SHOWN},
    {"caller is *+0x", OOPS_PREEMPTIBLE, "BUG: using smp_processor_id() in preemptible code in %f", NULL,
     RECIPE("CS|K", skip_checks), SHOWN},
    {"csd: Detected non-responsive CSD lock", OOPS_HARD_LOCKUP, "csd: non-responsive CSD lock in %f", NULL, SHOWS(NULL),
     SHOWN},
    {"Freezing *failed after", OOPS_HUNG_TASK, "task refuses to freeze in %f", NULL, HUNG("cS", NULL), SHOWN},
    {"asks refusing to freeze", OOPS_HUNG_TASK, "task refuses to freeze in %f", NULL, HUNG("cS", NULL), SHOWN},
    {"DPM device timeout", OOPS_HUNG_TASK, "DPM device timeout in %f", NULL, HUNG("cS", NULL), SHOWN},
    {"blocked *for more than *seconds", OOPS_HUNG_TASK, "INFO: task hung in %f", NULL, HUNG("cS", NULL), SHOWN},
    /* what KASAN says of an address before its trap is reported */
    {"KASAN: null-ptr-deref in range", OOPS_GPF, "general protection fault in %f", NULL, RECIPE("RcS|cS", NULL), SHOWN},
    {"KASAN: *-memory-access in range", OOPS_GPF, "general protection fault in %f", NULL, RECIPE("RcS|cS", NULL),
     SHOWN},
    /* older and other words for WARN() and BUG() */
    {"Badness at *:", OOPS_WARNING, "WARNING in %f", NULL, RECIPE("RCS|cS", NULL), SHOWN},
    {"Badness in * at *:", OOPS_WARNING, "WARNING in %1", NULL, SHOWS(NULL), SHOWN},
    {" LBUG", OOPS_BUG, "LBUG in %f", NULL, SHOWS(skip_lbug), SHOWN},
    {") ASSERTION(", OOPS_BUG, "LBUG in %f", NULL, SHOWS(skip_lbug), SHOWN},
    {"SPLError: *:(*:*:*()) *", OOPS_BUG, "spl panic in %f", NULL, SHOWS(skip_lbug), SHOWN},
    {"VERIFY*failed", OOPS_BUG, "spl panic in %f", NULL, SHOWS(skip_lbug), SHOWN},
    /* filesystems and what they stand on */
    {"XFS*nternal error", OOPS_FILESYSTEM, "XFS: internal error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"XFS*orruption", OOPS_FILESYSTEM, "XFS: corruption in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"xfs_force_shutdown(", OOPS_FILESYSTEM, "XFS: shutdown in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"XFS (*): ", OOPS_FILESYSTEM, "XFS: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"XFS: ", OOPS_FILESYSTEM, "XFS: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"EXT4-fs (", OOPS_FILESYSTEM, "EXT4-fs: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"EXT4-fs error", OOPS_FILESYSTEM, "EXT4-fs: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"BTRFS*(device ", OOPS_FILESYSTEM, "BTRFS: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"GFS2: fsid=", OOPS_FILESYSTEM, "GFS2: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"UBIFS", OOPS_FILESYSTEM, "UBIFS: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"UBI error", OOPS_FILESYSTEM, "UBI: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"ubi* error: ", OOPS_FILESYSTEM, "UBI: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"F2FS-fs", OOPS_FILESYSTEM, "F2FS: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"NILFS", OOPS_FILESYSTEM, "NILFS: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"OCFS2: ERROR", OOPS_FILESYSTEM, "OCFS2: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"REISERFS", OOPS_FILESYSTEM, "REISERFS: error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"getblk(): invalid block size", OOPS_FILESYSTEM, "getblk(): invalid block size in %f", NULL, SHOWS(skip_fs),
     CLOSE},
    {"buffer layer error at", OOPS_FILESYSTEM, "buffer layer error in %f", NULL, SHOWS(skip_fs), CLOSE},
    {"unchecked MSR access error", OOPS_STACK_DUMP, "unchecked MSR access error in %f", NULL, SHOWS(NULL), SHOWN},
    /* what somebody asked for */
    {"ysrq: Show *", OOPS_STACK_DUMP, "sysrq: Show %1", NULL, HUNG("cS", skip_asked), SHOWN},
    {"ysRq : Show *", OOPS_STACK_DUMP, "sysrq: Show %1", NULL, HUNG("cS", skip_asked), SHOWN},
    {.match = NULL},
};

/* Functions that only a report of one kind runs through, the surest first; then what the trace is of. */
const struct oops_witness oops_witnesses[] = {
    {"kasan_report|kasan_report_error|kasan_report_invalid_free|kasan_report_double_free|kasan_object_err",
     {"", OOPS_KASAN, "KASAN: bad access in %f", NULL, SHOWS(NULL), 0}},
    {"kmsan_report|__msan_warning|__msan_warning_32",
     {"", OOPS_KMSAN, "KMSAN: uninit-value in %f", NULL, SHOWS(NULL), 0}},
    {"kfence_report_error|kfence_handle_page_fault",
     {"", OOPS_KFENCE, "KFENCE: bad access in %f", NULL, SHOWS(NULL), 0}},
    {"kcsan_report_known_origin|kcsan_report_unknown_origin|kcsan_setup_watchpoint",
     {"", OOPS_KCSAN, "KCSAN: data-race in %f", NULL, SHOWS(NULL), 0}},
    {"ubsan_epilogue|__ubsan_handle_out_of_bounds|__ubsan_handle_shift_out_of_bounds|"
     "__ubsan_handle_load_invalid_value|__ubsan_handle_divrem_overflow|__ubsan_handle_add_overflow|"
     "__ubsan_handle_sub_overflow|__ubsan_handle_mul_overflow|__ubsan_handle_type_mismatch",
     {"", OOPS_UBSAN, "UBSAN: undefined-behaviour in %f", NULL, SHOWS(NULL), 0}},
    {"__schedule_bug", {"", OOPS_ATOMIC_SLEEP, "BUG: scheduling while atomic in %f", NULL, SHOWS(skip_schedule), 0}},
    {"___might_sleep|__might_sleep|__might_resched|__cant_sleep",
     {"", OOPS_ATOMIC_SLEEP, "BUG: sleeping function called from invalid context in %f", NULL, SHOWS(NULL), 0}},
    {"check_preemption_disabled|debug_smp_processor_id",
     {"", OOPS_PREEMPTIBLE, "BUG: using smp_processor_id() in preemptible code in %f", NULL, SHOWS(skip_checks), 0}},
    {"print_circular_bug|print_circle|check_noncircular|print_usage_bug|print_deadlock_bug|print_unlock_imbalance_bug|"
     "print_irq_inversion_bug|print_bad_irq_dependency|lockdep_rcu_suspicious|print_lock_invalid_wait_context|"
     "print_freed_lock_bug|debug_check_no_locks_freed|print_held_locks_bug|spin_bug|rwlock_bug|debug_rt_mutex_print_"
     "deadlock",
     {"", OOPS_LOCKDEP, "locking bug in %f", NULL, SHOWS(skip_lockdep), 0}},
    {"watchdog_overflow_callback|watchdog_hardlockup_check",
     {"", OOPS_HARD_LOCKUP, "BUG: hard lockup in %f", NULL, STALLED("RCS|RS|CS", NULL), 0}},
    {"watchdog_timer_fn|softlockup_tick",
     {"", OOPS_SOFT_LOCKUP, "BUG: soft lockup in %f", NULL, STALLED("RCS|RS|CS", NULL), 0}},
    {"rcu_dump_cpu_stacks|print_cpu_stall|print_other_cpu_stall|rcu_print_detail_task_stall|check_cpu_stall",
     {"", OOPS_RCU_STALL, "INFO: rcu detected stall in %f", NULL, STALLED("IRS|JS|CS", NULL), 0}},
    {"bad_page|print_bad_pte|free_page_is_bad_report|free_pages_check_bad|check_new_page_bad",
     {"", OOPS_BAD_PAGE, "BUG: Bad page state in %f", NULL, SHOWS(skip_poison), 0}},
    {"object_err|slab_err|check_bytes_and_report|print_trailer|__slab_error|verify_redzone_free",
     {"", OOPS_SLAB, "BUG: slab error in %f", NULL, SHOWS(skip_slabs), 0}},
    {"warn_alloc|warn_alloc_failed|warn_alloc_show_mem|dump_header|oom_kill_process",
     {"", OOPS_OUT_OF_MEMORY, "page allocation failure in %f", NULL, SHOWS(skip_pages), 0}},
    {"sysfs_warn_dup", {"", OOPS_KOBJECT, "sysfs: cannot create duplicate filename in %f", NULL, SHOWS(skip_names), 0}},
    {"__report_bad_irq", {"", OOPS_IRQ, "irq: nobody cared in %f", NULL, SHOWS(skip_irqs), 0}},
    {"debug_print_object", {"", OOPS_DEBUG_OBJECT, "WARNING: ODEBUG bug in %f", NULL, SHOWS(NULL), 0}},
    {"refcount_warn_saturate", {"", OOPS_REFCOUNT, "WARNING: refcount bug in %f", NULL, SHOWS(NULL), 0}},
    {"warn_slowpath_common|warn_slowpath_fmt|warn_slowpath_null|__warn",
     {"", OOPS_WARNING, "WARNING in %f", NULL, PC_THEN_TRACE, 0}},
    {"page_fault_oops|no_context|bad_area_nosemaphore|__bad_area_nosemaphore|__do_kernel_fault|die_kernel_fault|"
     "bad_page_fault",
     {"", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request in %f", NULL, PC_THEN_TRACE, 0}},
    {"exc_general_protection|do_general_protection|general_protection",
     {"", OOPS_GPF, "general protection fault in %f", NULL, PC_THEN_TRACE, 0}},
    {"exc_double_fault|do_double_fault", {"", OOPS_DOUBLE_FAULT, "PANIC: double fault in %f", NULL, PC_THEN_TRACE, 0}},
    {"skb_panic|skb_over_panic|skb_under_panic|assfail|fortify_panic|usercopy_abort|handle_bug|exc_invalid_op|do_"
     "invalid_op|invalid_op|bug_handler",
     {"", OOPS_BUG, "kernel BUG in %f", NULL, PC_THEN_TRACE, 0}},
    {"exc_divide_error|do_divide_error|divide_error", {"", OOPS_TRAP, "divide error in %f", NULL, PC_THEN_TRACE, 0}},
    {"machine_check|do_machine_check|do_serror|arm64_serror_panic|el1_error",
     {"", OOPS_EXTERNAL_ABORT, "machine check in %f", NULL, PC_THEN_TRACE, 0}},
    {"panic|vpanic", {"", OOPS_PANIC, "kernel panic in %f", NULL, SHOWS(NULL), 0}},
    {NULL, {.match = NULL}},
};

/* What is left to tell of a trace, and of registers, that nothing else is known of. */
const struct oops_form oops_form_waiting = {"", OOPS_HUNG_TASK, "INFO: task hung in %f", NULL, HUNG("cS", NULL), 0};
const struct oops_form oops_form_asleep = {"", OOPS_STACK_DUMP, "stack dump in %f", NULL, HUNG("cS", NULL), 0};
const struct oops_form oops_form_null = {"", OOPS_NULL_DEREF,
                                         "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS};
const struct oops_form oops_form_fault = {"", OOPS_PAGE_FAULT,
                                          "BUG: unable to handle kernel paging request" BAD_ACCESS};
const struct oops_form oops_form_bug = {"", OOPS_BUG, "kernel BUG in %f", NULL, PC_THEN_TRACE, 0};
const struct oops_form oops_form_trap = {"", OOPS_TRAP, "exception in %f", NULL, PC_THEN_TRACE, 0};
const struct oops_form oops_form_said = {"", OOPS_STACK_DUMP, "%0", NULL, SHOWS(NULL), 0};
const struct oops_form oops_form_dump = {"", OOPS_STACK_DUMP, "stack dump in %f", NULL, SHOWS(NULL), 0};
const struct oops_form oops_form_warned = {"", OOPS_WARNING, "WARNING in %f", NULL, SHOWS(NULL), 0};
const struct oops_form oops_form_warned_at = {"", OOPS_WARNING, "WARNING in %f", NULL, PC_THEN_TRACE, 0};
const struct oops_form oops_form_panicked = {"", OOPS_PANIC, "kernel panic: %1", NULL, SHOWS(NULL), 0};
const struct oops_form oops_form_panicked_at = {"", OOPS_PANIC, "kernel panic: %1", NULL, PC_THEN_TRACE, 0};
const struct oops_form oops_form_locking = {"", OOPS_LOCKDEP, "locking bug in %f", NULL, SHOWS(skip_lockdep), 0};
const struct oops_form oops_form_aborted = {"", OOPS_EXTERNAL_ABORT, "external abort in %f", NULL, PC_THEN_TRACE, 0};

/*
 * Which function a report is about, by its text alone: a recipe of the report's
 * kind says where to look, and the functions on the way that only carry out
 * what others ask for (memcpy, kfree, mutex_lock) are passed over.
 *
 * A recipe is a row of steps, each of which goes on in the report's lines from
 * where the one before ended; after '|' comes what to try if nothing was found:
 *
 *   H  the function that the header names ("... in f+0x1/0x2"); h: the one of a warning ("at FILE:LINE f+0x1/0x2"),
 *      unless the step before found nothing
 *   R  the next line with a program counter
 *   C  the next "Call Trace:" or "Backtrace:", else "stack backtrace:"; c: else from here (arm prints frames at once)
 *   B  the next "backtrace:" of kmemleak
 *   S  the frames from here to the next trace; always the last step
 *   A  the next line with "at: f+0x1/0x2" (lockdep); a: whatever function it is
 *   P  the next line with "[<address>] f+0x1/0x2"; p: whatever function it is
 *   X  the line that the form's `later` matches
 *   K  the next line with "caller is f+0x1/0x2"
 *   L  "page last allocated"     W  "which became ... at:"
 *   I  the timer's interrupt     J  the same on any architecture
 *
 * Of a looping or waiting task the innermost function is an accident: for
 * stalls it is the one that the kernel's dispatching code called, for hung
 * tasks the first that neither waits nor locks. Both as syzkaller does it, so
 * that titles group alike.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

#define NAMES_MAX 256

/*
 * ^ and $ tie to the ends of the name; a star stands for anything; behind ~ come
 * the words of a library's function, which a driver's own name may end in too.
 */
static const char *const general[] = {
    /* reporting itself */
    "__sanitizer",
    "__asan",
    "kasan",
    "hwasan",
    "__msan",
    "kmsan",
    "kcsan_setup_watchpoint",
    "check_memory_region",
    "check_heap_object",
    "check_object",
    "read_word_at_a_time",
    "read_once_*nocheck",
    "write_once_*nocheck",
    "print_address_description",
    "panic",
    "invalid_op",
    "report_bug",
    "fixup_bug",
    "print_report",
    "print_usage_bug",
    "do_error",
    "_trap$",
    "do_trap",
    "show_stack",
    "dump_stack",
    "walk_stack",
    "dump_backtrace",
    "^unwind_backtrace$",
    "warn_slowpath",
    "warn_alloc",
    "warn_bogus",
    "__warn",
    "program_check_exception",
    "program_check_common",
    "assertfail",
    "^assfail$",
    "print_tainted",
    "__fortify_report",
    "^get_taint$",
    "stack_trace_consume_entry",
    "arch_stack_walk",
    "stack_trace_save",
    "hex_dump_to_buffer",
    "print_hex_dump",
    /* allocators */
    "alloc_page",
    "kmalloc",
    "kvmalloc",
    "vmalloc",
    "malloc",
    "kzalloc",
    "vzalloc",
    "zalloc",
    "kcalloc",
    "kvcalloc",
    "calloc",
    "krealloc",
    "kmem_cache",
    "allocate_slab",
    "__alloc_frozen_pages_noprof",
    "slab_",
    "^kfree$",
    "^kvfree$",
    "^free$",
    "^vfree$",
    "kfree_skb",
    /* the page cache */
    "folio_alloc",
    "folio_unlock",
    "filemap_alloc_folio",
    "__filemap_get_folio",
    "find_or_create_page",
    "do_read_cache_folio",
    "read_cache_page",
    "pagecache_get_page",
    "grab_cache_page_write_begin",
    "find_lock_entries",
    "truncate_inode_pages_range",
    "mark_buffer_dirty",
    "^lock_page",
    "^unlock_page",
    "xas_start",
    "xas_load",
    "xas_find",
    /* object debugging and checks */
    "debug_object",
    "timer_is_static_object",
    "work_is_static_object",
    "__might_fault",
    "might_fault",
    "might_sleep",
    "__might_resched",
    "print_unlock",
    "imbalance_bug",
    "ref_tracker",
    "seqprop_assert",
    "perf_trace",
    /* locks */
    "lockdep",
    "bh_enable",
    "bh_disable",
    "lock_acquire",
    "lock_release",
    "lock_class",
    "mark_lock",
    "reacquire_held_locks",
    "mark_held_locks",
    "raw_spin_rq",
    "spin_lock",
    "spin_trylock",
    "spin_unlock",
    "read_lock",
    "read_trylock",
    "write_lock",
    "write_trylock",
    "read_unlock",
    "write_unlock",
    "^down$",
    "down_read",
    "down_write",
    "down_trylock",
    "up_read",
    "up_write",
    "^mutex_",
    "^__mutex_",
    "^rt_mutex_",
    "^__rt_mutex_",
    "^rtlock_",
    "^rt_spin_",
    "^rt_read_",
    "^rt_write_",
    "owner_on_cpu",
    "osq_lock",
    "osq_unlock",
    "trace_hardirq",
    "trace_softirq",
    "lockdep_hardirq",
    "lockdep_softirq",
    /* atomics, bits, references */
    "atomic_dec",
    "atomic_inc",
    "atomic_read",
    "atomic_set",
    "atomic_or",
    "atomic_xor",
    "atomic_and",
    "atomic_add",
    "atomic_sub",
    "atomic_fetch",
    "atomic_xchg",
    "atomic_cmpxchg",
    "atomic_try",
    "atomic64_dec",
    "atomic64_inc",
    "atomic64_read",
    "atomic64_set",
    "atomic64_or",
    "atomic64_xor",
    "atomic64_and",
    "atomic64_add",
    "atomic64_sub",
    "atomic64_fetch",
    "atomic64_xchg",
    "atomic64_cmpxchg",
    "atomic64_try",
    "set_bit",
    "clear_bit",
    "change_bit",
    "test_bit",
    "^refcount_",
    "^kref_",
    "^put_device$",
    /* memory and strings */
    "~memcpy",
    "~memcmp",
    "~memset",
    "~memchr",
    "~memmove",
    "~memdup",
    "~strcmp",
    "~strncmp",
    "~strcpy",
    "~strlcpy",
    "~strncpy",
    "~strscpy",
    "~strlen",
    "~strstr",
    "~strnstr",
    "~strnlen",
    "~strchr",
    "~strdup",
    "~strndup",
    "~string",
    "~pointer",
    "~snprintf",
    "~scnprintf",
    "~kasprintf",
    "~kvasprintf",
    "~printk",
    "va_format",
    "^crc0",
    "^crc1",
    "^crc2",
    "^crc3",
    "^crc4",
    "^crc5",
    "^crc6",
    "^crc7",
    "^crc8",
    "^crc9",
    "crc_itu_t",
    /* user memory, iterators */
    "copy_to_user",
    "copy_from_user",
    "copy_to_iter",
    "copy_from_iter",
    "copy_page_to_iter",
    "copy_page_from_iter",
    "copy_folio_to_iter",
    "^copyin$",
    "^copyout$",
    "put_user",
    "get_user",
    "extract_user_to_sg",
    "extract_iter_to_sg",
    /* containers */
    "list_add",
    "list_del",
    "list_replace",
    "list_move",
    "list_splice",
    "^rb_",
    "^__rb_",
    "^klist_",
    "rhashtable_lookup",
    "ida_free",
    /* devices, objects */
    "dev_info",
    "dev_notice",
    "dev_warn",
    "dev_err",
    "dev_alert",
    "dev_crit",
    "dev_emerg",
    "kobject_",
    "add_uevent_var",
    "get_device_parent",
    "device_add",
    "device_del",
    "device_unregister",
    "device_destroy",
    "device_release",
    "devres_release_all",
    "hwrng_unregister",
    "i2c_del_adapter",
    "__unregister_client",
    "device_for_each_child",
    "rollback_registered",
    "unregister_netdev",
    "sysfs_remove",
    "device_remove_file",
    "tty_unregister_device",
    "dummy_urb_enqueue",
    "usb_kill_urb",
    "usb_kill_anchored_urbs",
    "usb_control_msg",
    "usb_hcd_submit_urb",
    "usb_submit_urb",
    /* timers, work, waiting */
    "del_timer",
    "lock_timer_base",
    "__timer_delete_sync",
    "sk_stop_timer_sync",
    "__mod_timer",
    "flush_work",
    "__cancel_work_timer",
    "cancel_work_sync",
    "try_to_grab_pending",
    "flush_workqueue",
    "drain_workqueue",
    "destroy_workqueue",
    "queue_work",
    "insert_work",
    "__queue_delayed_work",
    "queue_delayed_work_on",
    "finish_wait",
    "kthread_stop",
    "__wake_up",
    "^complete$",
    "wait_for_completion",
    "cleanup_srcu_struct",
    /* registers of devices */
    "readb$",
    "readw$",
    "readl$",
    "readq$",
    "writeb$",
    "writew$",
    "writel$",
    "writeq$",
    "logic_in",
    "logic_out",
    /* inodes and names */
    "^iput$",
    "^iput_final$",
    "^ihold$",
    "drop_nlink",
    "fast_dput",
    "dput",
    /* the way into the kernel's handlers */
    "_indirect_thunk_",
    "do_kernel_fault",
    "do_translation_fault",
    "do_mem_abort",
    "el1_abort",
    "el1h_64_sync",
    "__phys_addr",
    NULL,
};

/* Where the kernel dispatches: what it called there is what a stall is about. */
static const char *const dispatchers[] = {
    "process_one_work",
    "process_scheduled_works",
    "do_syscall_",
    "do_fast_syscall_",
    "x64_sys_call",
    "ia32_sys_call",
    "sysenter_dispatch",
    "tracesys_phase2",
    "el0_svc_handler",
    "invoke_syscall",
    "^system_call_exception",
    "ret_fast_syscall",
    "netif_receive_skb",
    "do_softirq",
    "call_timer_fn",
    "_run_timers",
    "run_timer_softirq",
    "hrtimer_run",
    "run_ksoftirqd",
    "smpboot_thread_fn",
    "^kthread$",
    "start_secondary",
    "cpu_startup_entry",
    "ret_from_fork",
    "vfs_write",
    "vfs_read",
    "vfs_iter_read",
    "vfs_iter_write",
    "do_iter_read",
    "do_iter_write",
    "call_read_iter",
    "call_write_iter",
    "new_sync_read",
    "new_sync_write",
    "vfs_ioctl",
    "ksys_ioctl",
    "compat_ioctl",
    "compat_sys_ioctl",
    "blkdev_driver_ioctl",
    "blkdev_ioctl",
    "^call_mmap",
    "mmap_region",
    "do_mmap",
    "do_dentry_open",
    "vfs_open",
    "^sock_sendmsg",
    "^sock_recvmsg",
    "^sock_release",
    "^__sock_release",
    "^setsockopt$",
    "kernel_setsockopt",
    "sock_common_setsockopt",
    "^listen$",
    "kernel_listen",
    "sk_common_release",
    "^sock_mmap",
    "^accept$",
    "kernel_accept",
    "^sock_do_ioctl",
    "^sock_ioctl",
    "^compat_sock_ioctl",
    "^nfnetlink_rcv_msg",
    "^rtnetlink_rcv_msg",
    "^netlink_dump",
    "^sys_socketpair",
    "^sys_connect",
    "^sys_ioctl",
    "^socketpair",
    "^connect",
    "^ioctl",
    "__do_fault",
    "do_page_fault",
    "^page_fault$",
    "__fput",
    "task_work_run",
    "exit_to_usermode",
    "smp_call_function",
    "tasklet_action",
    "tasklet_hi_action",
    NULL,
};

/* What a hung task does while it waits. */
static const char *const waiting[] = {
    "sched",       "_lock", "_slowlock",   "down",           "rwsem",       "completion",
    "kthread",     "wait",  "synchronize", "context_switch", "__switch_to", "cancel_delayed_work",
    "rcu_barrier", NULL};

/* How the entry of a system call is called on some architecture or other. */
static const char *const entry_prefixes[] = {"SYSC_",     "SyS_",      "sys_",         "__x64_",      "__ia32_",
                                             "__arm64_",  "____sys_",  "___sys_",      "__sys_",      "__se_",
                                             "__se_sys_", "__do_sys_", "compat_SYSC_", "compat_SyS_", "ksys_"};

struct name {
    const char *s;
    size_t len;
};

struct search {
    struct oops_report *report;
    const struct oops_form *form;
    unsigned at; /* the next line */
    struct name names[NAMES_MAX];
    unsigned count;
    bool spoiled; /* another stack was mixed in */
    bool headed;  /* a trace's heading was the last thing found */
};

/* ---- Names against lists ---- */

/* What variants of memcpy(), strlen(), printk() have before these words, beside underscores. */
static bool is_variant(const char *s, size_t len) {
    static const char *const prefixes[] = {
        "",          "k",        "v",           "kv",       "vk",      "vs",           "s",     "vsc",
        "pi_",       "arch_",    "asan_",       "msan_",    "hwasan_", "sized_",       "bstr_", "simple_",
        "devk",      "hex_",     "ip4_",        "ip6_",     "bitmap_", "mac_address_", "uuid_", "symbol_",
        "resource_", "escaped_", "restricted_", "default_", "error_",  "widen_",       "dev_",  "dev_v",
    };
    for (; len && *s == '_'; s++, len--)
        ;
    for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strlen(prefixes[i]) == len && !memcmp(prefixes[i], s, len))
            return true;
    return false;
}

static bool name_matches(struct name name, const char *pattern) {
    if (*pattern == '~') {
        const char *at = memmem(name.s, name.len, pattern + 1, strlen(pattern + 1));
        return at && is_variant(name.s, (size_t)(at - name.s));
    }
    bool from_start = *pattern == '^';
    pattern += from_start;
    size_t n = strlen(pattern);
    bool to_end = n && pattern[n - 1] == '$';
    n -= to_end;
    const char *star = memchr(pattern, '*', n);
    if (star) {
        const char *first = memmem(name.s, name.len, pattern, (size_t)(star - pattern));
        size_t rest = n - (size_t)(star - pattern) - 1;
        return first && memmem(first, name.len - (size_t)(first - name.s), star + 1, rest);
    }
    if (n > name.len)
        return false;
    if (from_start)
        return !memcmp(name.s, pattern, n) && (!to_end || n == name.len);
    if (to_end)
        return !memcmp(name.s + name.len - n, pattern, n);
    return memmem(name.s, name.len, pattern, n) != NULL;
}

static bool in_list(struct name name, const char *const *list) {
    for (; list && *list; list++)
        if (name_matches(name, *list))
            return true;
    return false;
}

bool oops_in_list(const char *name, const char *const *list) {
    return in_list((struct name){name, oops_plain_length(name)}, list);
}

bool oops_only_reports(const char *name) {
    static const char *const reporting[] = {"^dump_stack",
                                            "^show_stack",
                                            "^show_regs",
                                            "dump_backtrace",
                                            "warn_slowpath",
                                            "^__warn",
                                            "^report_bug",
                                            "^panic$",
                                            "^handle_bug$",
                                            "^exc_",
                                            "^asm_exc_",
                                            "unwind_backtrace",
                                            "^__die$",
                                            "^die$",
                                            "^do_trap",
                                            "^oops_",
                                            "page_fault_oops",
                                            "^__kasan",
                                            "^kasan_",
                                            "^kmsan_report",
                                            "^ubsan_epilogue",
                                            "^__ubsan_",
                                            "^___might_sleep$",
                                            "^__might_sleep$",
                                            "^__might_resched$",
                                            "^spin_bug",
                                            "^spin_dump",
                                            "^print_",
                                            "^no_context$",
                                            "^bust_spinlocks",
                                            NULL};
    return in_list((struct name){name, oops_plain_length(name)}, reporting);
}

static void keep(struct search *search, const char *s) {
    struct name name = {s, oops_plain_length(s)};
    if (!name.len || search->count == NAMES_MAX || in_list(name, general) || in_list(name, search->form->recipe.skip))
        return;
    search->names[search->count++] = name;
}

/* ---- Steps ---- */

static const char *line_at(const struct search *search, unsigned i) {
    return search->report->lines[i].text;
}

/* The next line with one of the alternatives, all of which have `common` in them. */
static bool find_words(struct search *search, const char *alternatives, const char *common) {
    char piece[64];
    while (search->at < search->report->line_count) {
        const char *text = line_at(search, search->at++);
        if (!strstr(text, common))
            continue;
        for (const char *p = alternatives; *p;) {
            size_t n = strcspn(p, "|");
            memcpy(piece, p, n < sizeof(piece) ? n : 0);
            piece[n < sizeof(piece) ? n : 0] = '\0';
            if (piece[0] && oops_match(piece, text, NULL))
                return true;
            p += n + (p[n] == '|');
        }
    }
    return false;
}

static void find_pc(struct search *search) {
    struct oops_symbol sym;
    while (search->at < search->report->line_count)
        if (oops_pc_line(search->report->pool, line_at(search, search->at++), &sym)) {
            keep(search, sym.name);
            return;
        }
}

/* "... in f+0x1/0x2", "... in f / g", "corrupted in: f+0x1" */
static void take_header(struct search *search) {
    const char *text = search->report->header, *in = oops_after(text, " in ");
    struct oops_symbol sym;
    if (!in)
        in = oops_after(text, " in: ");
    search->at = 1;
    if (!in)
        return;
    if (oops_symbol(search->report->pool, &in, &sym)) {
        keep(search, sym.name);
        return;
    }
    size_t n = 0;
    while (oops_is_word(in[n]))
        n++;
    keep(search, oops_pool_strn(search->report->pool, in, n));
}

/* "WARNING: ... at FILE:LINE f+0x1/0x2", "... FILE:LINE at f+0x1/0x2, CPU#0" */
static void take_warned(struct search *search) {
    struct oops_symbol sym;
    for (const char *at = oops_after(search->report->header, " at "); at; at = strchr(at, ' ')) {
        const char *p = at = oops_blanks(at);
        if (oops_symbol(search->report->pool, &p, &sym) && sym.name[0]) {
            keep(search, sym.name);
            return;
        }
    }
}

/* The symbol behind `words` of the next line that has both. */
static void find_symbol(struct search *search, const char *words, bool any) {
    struct oops_symbol sym;
    while (search->at < search->report->line_count) {
        const char *text = line_at(search, search->at++);
        const char *at = *words == '[' ? strchr(text, '[') : oops_after(text, words);
        for (; at; at = *words == '[' ? strchr(at + 1, '[') : NULL) {
            const char *p = at;
            if (!oops_symbol(search->report->pool, &p, &sym) || !sym.name[0])
                continue;
            if (any)
                search->names[search->count++] = (struct name){sym.name, oops_plain_length(sym.name)};
            else
                keep(search, sym.name);
            return;
        }
    }
}

static bool stack_starts(const char *text) {
    static const char *const starts[] = {"Call Trace", "Call trace",    "Allocated:", "Allocated by task",
                                         "Freed:",     "Freed by task", "Backtrace:", "Uninit was stored to memory at"};
    for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (strstr(text, starts[i]))
            return true;
    if (oops_starts(text, "backtrace:") || oops_starts(text, "backtrace (crc"))
        return true;
    return oops_match("status: * badaddr: * cause: ", text, NULL);
}

static void take_frames(struct search *search) {
    struct oops_frame_line line;
    unsigned frames = 0;
    while (search->at < search->report->line_count) {
        const char *text = line_at(search, search->at++);
        if (stack_starts(text)) {
            if (frames || !search->headed)
                return;
            continue;
        }
        bool decided = search->count && search->form->recipe.pick == OOPS_PICK_FIRST;
        if (decided && !strstr(text, "should_fail")) {
            frames += strstr(text, "+0x") != NULL;
            continue;
        }
        if (!oops_frame_line(search->report->pool, text, &line) || !line.has_frame || line.frame.guess)
            continue;
        frames++;
        if (oops_starts(line.frame.sym.name, "should_fail")) { /* an injected fault's own stack */
            search->spoiled = true;
            return;
        }
        keep(search, line.frame.inner);
        keep(search, line.frame.sym.name);
    }
}

/* "stack backtrace:" alone only where no other words introduce the trace. */
static void find_trace(struct search *search, bool or_here) {
    unsigned from = search->at;
    search->headed = find_words(search, "Call Trace:|Call trace:|Backtrace:", "race:");
    if (search->headed)
        return;
    search->at = from;
    search->headed = find_words(search, "stack backtrace:", "race:");
    if (!search->headed && or_here)
        search->at = from;
}

static void take_step(struct search *search, char step) {
    switch (step) {
    case 'H':
        take_header(search);
        break;
    case 'h':
        if (search->at < search->report->line_count)
            take_warned(search);
        break;
    case 'R':
        find_pc(search);
        break;
    case 'C':
    case 'c':
        find_trace(search, step == 'c');
        break;
    case 'B':
        find_words(search, "backtrace:|backtrace (crc", "");
        break;
    case 'S':
        take_frames(search);
        break;
    case 'A':
    case 'a':
        find_symbol(search, "at: ", step == 'a');
        break;
    case 'K':
        find_symbol(search, "caller is ", false);
        break;
    case 'P':
    case 'p':
        find_symbol(search, "[", step == 'p');
        break;
    case 'X':
        find_words(search, search->form->later ? search->form->later : "", "");
        break;
    case 'L':
        find_words(search, "page last allocated", "");
        break;
    case 'W':
        find_words(search, "which became * at:", "");
        break;
    case 'I':
        find_words(search, "apic_timer_interrupt", "");
        break;
    case 'J':
        find_words(search, "apic_timer_interrupt|Exception stack|el1h_64_irq|el1_irq", "");
        break;
    }
}

/* ---- Choosing among what was found ---- */

static struct name without_entry_prefix(struct name name) {
    struct name best = name;
    for (unsigned i = 0; i < sizeof(entry_prefixes) / sizeof(entry_prefixes[0]); i++) {
        size_t n = strlen(entry_prefixes[i]);
        if (n < name.len && !memcmp(name.s, entry_prefixes[i], n) && name.len - n < best.len)
            best = (struct name){name.s + n, name.len - n};
    }
    return best;
}

static struct name pick_stall(const struct search *search) {
    struct name before = without_entry_prefix(search->names[0]);
    for (unsigned i = 0; i < search->count; i++) {
        struct name name = without_entry_prefix(search->names[i]);
        if (in_list(name, dispatchers)) {
            bool calls = memmem(name.s, name.len, "smp_call_function", 17) != NULL;
            return calls ? (struct name){"smp_call_function", 17} : before;
        }
        before = name;
    }
    return (struct name){"", 0};
}

static struct name pick_hang(const struct search *search) {
    static const char *const grace[] = {"synchronize_rcu", "synchronize_srcu", "synchronize_net", "synchronize_sched",
                                        NULL};
    static const char *const rtnl[] = {"rtnl_lock", NULL};
    for (unsigned i = 0; i < search->count; i++) {
        struct name name = without_entry_prefix(search->names[i]);
        if (in_list(name, rtnl))
            return name;
        if (in_list(name, grace))
            return (struct name){"synchronize_rcu", 15};
    }
    for (unsigned i = 0; i < search->count; i++) {
        struct name name = without_entry_prefix(search->names[i]);
        if (!in_list(name, waiting))
            return name;
    }
    return (struct name){"", 0};
}

static struct name pick(const struct search *search) {
    if (!search->count)
        return (struct name){"", 0};
    switch (search->form->recipe.pick) {
    case OOPS_PICK_STALL:
        return pick_stall(search);
    case OOPS_PICK_HANG:
        return pick_hang(search);
    default:
        return without_entry_prefix(search->names[0]);
    }
}

const char *oops_blame(struct oops_report *report, const struct oops_form *form) {
    struct search search = {.report = report, .form = form};
    struct name found = {"", 0};
    for (const char *step = form->recipe.steps; step && *step; step++) {
        if (*step != '|') {
            take_step(&search, *step);
            continue;
        }
        found = pick(&search);
        if (found.len && !search.spoiled)
            break;
        search.at = search.count = 0;
        search.spoiled = search.headed = false;
    }
    struct name last = pick(&search);
    if (last.len)
        found = last;
    return oops_pool_strn(report->pool, found.s, found.len);
}

/*
 * Kinds of reports that are a message and a trace, or a trace alone: kind, title
 * and function of each form of words; and what is no report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

#define TASK  "CPU: 1 PID: 412 Comm: lampd Not tainted 6.1.0 #1\n"
#define TRACE "Call Trace:\n dump_stack+0x46/0x58\n"
#define END   " lamp_dim+0x44/0x90 [lamp]\n ksys_write+0x6a/0xe0\n"

struct form {
    const char *log; /* each line gets a time */
    const char *kind, *title, *function;
};

/* The same lines with the kernel's prefix, and without any. */
static void check(const struct form *form) {
    for (int bare = 0; bare < 2; bare++) {
        struct bed_text text = {0};
        struct bed_verdict got;
        for (const char *s = form->log; *s; s += strcspn(s, "\n") + 1)
            bed_printf(&text, bare ? "%.*s\n" : "[   12.000001] %.*s\n", (int)strcspn(s, "\n"), s);
        bed_decode(text.s, text.len, 1 << 20, 0, &got);
        if (got.reports != 1 || strcmp(oops_kind_name(got.kind), form->kind) != 0 ||
            strcmp(got.title, form->title) != 0 || strcmp(got.function, form->function) != 0)
            fail_msg("%u reports, %s, \"%s\", \"%s\" of:\n%s", got.reports, got.reports ? oops_kind_name(got.kind) : "",
                     got.title, got.function, text.s);
        free(text.s);
    }
}

static void test_oops_messages(void **state) {
    static const struct form forms[] = {
        {"lampd: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP), nodemask=(null)\n" TASK TRACE
         " warn_alloc+0x10/0x20\n __alloc_pages+0x10/0x20\n kmalloc_large+0x10/0x20\n" END,
         "out-of-memory", "page allocation failure in lamp_dim", "lamp_dim"},
        {"lampd: page allocation failure. order:4, mode:0x20\nPid: 412, comm: lampd Not tainted 2.6.32 #1\n" TRACE
         " __alloc_pages_nodemask+0x10/0x20\n" END,
         "out-of-memory", "page allocation failure in lamp_dim", "lamp_dim"},
        {"vmalloc: allocation failure: 8589934588 bytes\n" TASK TRACE " __vmalloc_node_range+0x10/0x20\n" END,
         "out-of-memory", "vmalloc failure in lamp_dim", "lamp_dim"},
        {"lampd: vmalloc error: size 4096, page order 0, failed to allocate pages\n" TASK TRACE
         " warn_alloc+0x10/0x20\n" END,
         "out-of-memory", "vmalloc failure in lamp_dim", "lamp_dim"},
        {"lampd invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0\n" TASK TRACE
         " dump_header+0x10/0x20\n oom_kill_process.cold+0xb/0x10\n out_of_memory+0x1/0x2\n" END,
         "out-of-memory", "oom-killer invoked in lamp_dim", "lamp_dim"},
        {"percpu: allocation failed, size=8 align=8 atomic=0, alloc from reserved chunk failed\n" TASK TRACE
         " pcpu_alloc+0x10/0x20\n" END,
         "out-of-memory", "percpu allocation failure in lamp_dim", "lamp_dim"},
        {"sysfs: cannot create duplicate filename '/class/lamp/lamp0'\n" TASK TRACE
         " sysfs_warn_dup.cold+0x1/0x2\n sysfs_do_create_link_sd+0x1/0x2\n device_add+0x1/0x2\n" END,
         "kobject", "sysfs: cannot create duplicate filename in lamp_dim", "lamp_dim"},
        {"kobject: kobject (ffff88810c27bb90): tried to init an initialized object, something is seriously "
         "wrong.\n" TASK TRACE " kobject_init.cold+0x1/0x2\n" END,
         "kobject", "kobject: initialized twice in lamp_dim", "lamp_dim"},
        {"kobject_add_internal failed for lamp0 with -EEXIST, don't try to register things with the same name in the "
         "same directory.\n" TASK TRACE " kobject_add_internal+0x1/0x2\n kobject_add+0x1/0x2\n" END,
         "kobject", "kobject: name registered twice in lamp_dim", "lamp_dim"},
        {"sysctl table check failed: vm/lamp No proc_handler\n" TASK TRACE " __register_sysctl_table+0x1/0x2\n" END,
         "kobject", "sysctl table check failed in lamp_dim", "lamp_dim"},
        {"genirq: Flags mismatch irq 10. 00000000 (lamp) vs. 00000080 (disk)\n" TASK TRACE
         " __setup_irq.cold+0x1/0x2\n request_threaded_irq+0x1/0x2\n" END,
         "irq", "genirq: Flags mismatch in lamp_dim", "lamp_dim"},
        {"IRQ handler type mismatch for IRQ 10\ncurrent handler: disk\nPid: 1, comm: lampd Not tainted 2.6.32 "
         "#1\n" TRACE " __setup_irq+0x1/0x2\n request_threaded_irq+0x1/0x2\n" END,
         "irq", "genirq: Flags mismatch in lamp_dim", "lamp_dim"},
        {"irq 18: nobody cared (try booting with the \"irqpoll\" option)\n" TASK TRACE
         " __report_bad_irq+0x1/0x2\n note_interrupt+0x1/0x2\n handlers:\n",
         "irq", "irq: nobody cared in note_interrupt", "note_interrupt"},
        {"kmemleak: Not scanning unknown object at 0xc0007000\n" TASK TRACE " kmemleak_no_scan+0x1/0x2\n" END,
         "memory-leak", "kmemleak: Not scanning unknown object at ADDR", "lamp_dim"},
        {"unreferenced object 0xffff888100000040 (size 32):\n  comm \"lampd\", pid 412, jiffies 4294\n  backtrace:\n"
         "    [<00000000abcd0123>] kmalloc_trace+0x25/0x90\n    [<00000000abcd0124>] lamp_dim+0x44/0x90 [lamp]\n",
         "memory-leak", "memory leak in lamp_dim", "lamp_dim"},
        {"BUG: using smp_processor_id() in preemptible [00000000] code: lampd/412\ncaller is lamp_dim+0x44/0x90\n" TASK
             TRACE " check_preemption_disabled+0x1/0x2\n" END,
         "preemptible", "BUG: using smp_processor_id() in preemptible code in lamp_dim", "lamp_dim"},
        {"BUG: scheduling in a non-blocking section: lampd/412/1\n" TASK TRACE " __schedule+0x1/0x2\n" END,
         "atomic-sleep", "BUG: scheduling in a non-blocking section in lamp_dim", "lamp_dim"},
        {"BUG: assuming atomic context at drivers/lamp/core.c:77\n" TASK TRACE " __cant_sleep.cold+0x1/0x2\n" END,
         "atomic-sleep", "BUG: assuming atomic context in lamp_dim", "lamp_dim"},
        {"Debug: sleeping function called from invalid context at mm/slab.c:2126\nin_atomic():1, "
         "irqs_disabled():0\n" TRACE " __might_sleep+0x1/0x2\n" END,
         "atomic-sleep", "BUG: sleeping function called from invalid context in lamp_dim", "lamp_dim"},
        {"scheduling while atomic: lampd/0x00000001/412\n" TRACE " schedule+0x1/0x2\n" END, "atomic-sleep",
         "BUG: scheduling while atomic in lamp_dim", "lamp_dim"},
        {"BUG: KASan: use after free in lamp_dim+0x44/0x90 [lamp] at addr ffff880012345678\nRead of size 8 by task "
         "lampd/412\n" TASK TRACE END,
         "kasan", "KASAN: use after free Read in lamp_dim", "lamp_dim"},
        {"BUG lamp-144 (Not tainted): Poison overwritten\nINFO: Slab 0xffffea00 objects=28 used=28 fp=0x0\n" TASK TRACE
         " check_bytes_and_report+0x1/0x2\n check_object+0x1/0x2\n ___slab_alloc+0x1/0x2\n "
         "kmem_cache_alloc+0x1/0x2\n" END,
         "slab", "BUG: Poison overwritten in lamp_dim", "lamp_dim"},
        {"kmem_cache_destroy lamp: Slab cache still has objects\n" TASK TRACE " kmem_cache_destroy+0x1/0x2\n" END,
         "slab", "BUG: Objects remaining in slab on shutdown", "lamp_dim"},
        {"pagealloc: memory corruption\nffff888012345000: aa aa aa aa 00 00 00 00  ........\n" TASK TRACE
         " __kernel_unpoison_pages+0x1/0x2\n get_page_from_freelist+0x1/0x2\n" END,
         "bad-page", "pagealloc: memory corruption in lamp_dim", "lamp_dim"},
        {"XFS (sda1): Internal error XFS_WANT_CORRUPTED_GOTO at line 1583 of file fs/xfs/libxfs/xfs_alloc.c.  Caller "
         "lamp_dim+0x44/0x90\n" TASK TRACE " xfs_error_report+0x1/0x2 [xfs]\n" END,
         "filesystem", "XFS: internal error in lamp_dim", "lamp_dim"},
        {"UBIFS error (ubi0:0 pid 412): ubifs_read_node: bad node type (255 but expected 1)\n" TASK TRACE END,
         "filesystem", "UBIFS: error in lamp_dim", "lamp_dim"},
        {"Freezing of tasks failed after 20.009 seconds (1 tasks refusing to freeze, wq_busy=0):\n"
         "task:lampd           state:D stack:    0 pid:  412 ppid:     1 flags:0x00000004\nCall Trace:\n"
         " __schedule+0x1/0x2\n schedule+0x1/0x2\n" END,
         "hung-task", "task refuses to freeze in lamp_dim", "lamp_dim"},
        {"OF: ERROR: Bad of_node_put() on /lamp\n" TASK TRACE
         " of_node_release.cold+0x1/0x2\n of_node_put+0x1/0x2\n" END,
         "refcount", "OF: bad of_node_put() in lamp_dim", "lamp_dim"},
        {"sysrq: Show Blocked State\ntask:lampd           state:D stack:    0 pid:  412 ppid:     1 flags:0x00000004\n"
         "Call Trace:\n __schedule+0x1/0x2\n schedule+0x1/0x2\n" END,
         "stack-dump", "sysrq: Show Blocked State", "lamp_dim"},
        {"Badness at drivers/lamp/core.c:77\n" TRACE END, "warning", "WARNING in lamp_dim", "lamp_dim"},
        {"LustreError: 412:0:(lamp.c:77:lamp_dim()) LBUG\nPid: 412, comm: lampd\nCall Trace:\n"
         " lbug_with_loc+0x1/0x2 [libcfs]\n" END,
         "bug", "LBUG in lamp_dim", "lamp_dim"},
        {"[ BUG: circular locking deadlock detected! ]\nlampd/412 is deadlocking current task lampd/412\n"
         "lampd/412's [current] stackdump:\n" TASK TRACE " debug_rt_mutex_print_deadlock+0x1/0x2\n"
         " rt_mutex_slowlock+0x1/0x2\n" END,
         "lockdep", "possible deadlock in lamp_dim", "lamp_dim"},
        {"NMI Watchdog detected LOCKUP on CPU 0\n" TASK "RIP: 0010:lamp_dim+0x44/0x90 [lamp]\n"
         "Call Trace:\n ksys_write+0x6a/0xe0\n do_syscall_64+0x1/0x2\n",
         "hard-lockup", "BUG: hard lockup in lamp_dim", "lamp_dim"},
    };
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        check(&forms[i]);
}

/* What is known by no message: functions on the way and registers tell. */
static void test_oops_headless(void **state) {
    static const struct form forms[] = {
        {TASK TRACE " kasan_report.cold+0x1/0x2\n" END, "kasan", "KASAN: bad access in lamp_dim", "lamp_dim"},
        {TASK TRACE " __schedule_bug+0x1/0x2\n __schedule+0x1/0x2\n" END, "atomic-sleep",
         "BUG: scheduling while atomic in lamp_dim", "lamp_dim"},
        {TASK TRACE " bad_page.cold+0x1/0x2\n free_page_is_bad_report+0x1/0x2\n" END, "bad-page",
         "BUG: Bad page state in lamp_dim", "lamp_dim"},
        {TASK TRACE " __warn+0x1/0x2\n" END, "warning", "WARNING in lamp_dim", "lamp_dim"},
        {TASK
         "RIP: 0010:lamp_dim+0x44/0x90 [lamp]\nCode: 00 00 <0f> 0b 00\nRSP: 0018:ffff888100000000 EFLAGS: 00010246\n"
         "Call Trace:\n ksys_write+0x6a/0xe0\n do_syscall_64+0x1/0x2\n",
         "bug", "kernel BUG in lamp_dim", "lamp_dim"},
        {TASK
         "RIP: 0010:lamp_dim+0x44/0x90 [lamp]\nCode: 00 00 <8b> 0b 00\nRSP: 0018:ffff888100000000 EFLAGS: 00010246\n"
         "Call Trace:\n ksys_write+0x6a/0xe0\n do_syscall_64+0x1/0x2\nCR2: 0000000000000408\n"
         "---[ end trace 0000000000000000 ]---\n",
         "null-dereference", "BUG: unable to handle kernel NULL pointer dereference in lamp_dim", "lamp_dim"},
        {"CR2: ffffffffc0152ba0\n---[ end trace 0000000000000000 ]---\nRIP: 0010:lamp_dim+0x44/0x90 [lamp]\n"
         "Code: 00 00 <8b> 0b 00\n",
         "page-fault", "BUG: unable to handle kernel paging request in lamp_dim", "lamp_dim"},
        {"task:lampd           state:D stack:    0 pid:  412 ppid:     1 flags:0x00000004\nCall Trace:\n"
         " __schedule+0x1/0x2\n schedule+0x1/0x2\n" END,
         "hung-task", "INFO: task hung in lamp_dim", "lamp_dim"},
        {"lampd           D    0   412      1 0x00000004\nCall Trace:\n __schedule+0x1/0x2\n schedule+0x1/0x2\n" END,
         "hung-task", "INFO: task hung in lamp_dim", "lamp_dim"},
        {TASK TRACE END, "stack-dump", "stack dump in lamp_dim", "lamp_dim"},
        {"Call trace:\n lamp_dim+0x44/0x90 [lamp]\n ksys_write+0x6a/0xe0\n---[ end trace 0000000000000000 ]---\n",
         "warning", "WARNING in lamp_dim", "lamp_dim"},
        {"REGS: c00020391ccc35c0 TRAP: 0300   Not tainted  (5.2.9)\n"
         "MSR:  900000000280b033 <SF,HV,EE>  CR: 44002228  XER: 20040000\n"
         "CFAR: c0000000001d9e28 DAR: 800a00066b9e7e28 DSISR: 40000000 IRQMASK: 0\n"
         "NIP [c00000000067b230] lamp_dim+0x44/0x90\nLR [c00000000067b1d4] lamp_dim+0x30/0x90\nCall Trace:\n"
         "[c00020391ccc3850] [c00000000067b1d4] lamp_on+0x204/0x4b0\n"
         "[c00020391ccc38a0] [c00000000067b688] vfs_write+0x108/0x1b0\n",
         "page-fault", "BUG: unable to handle kernel paging request in lamp_dim", "lamp_dim"},
        {"REGS: c00020391ccc35c0 TRAP: 0300   Not tainted  (5.2.9)\n"
         "MSR:  900000000280b033 <SF,HV,EE>  CR: 44002228  XER: 20040000\n"
         "CFAR: c0000000001d9e28 DAR: 0000000000000010 DSISR: 40000000 IRQMASK: 0\n"
         "NIP [c00000000067b230] lamp_dim+0x44/0x90\nLR [c00000000067b1d4] lamp_dim+0x30/0x90\nCall Trace:\n"
         "[c00020391ccc3850] [c00000000067b1d4] lamp_on+0x204/0x4b0\n"
         "[c00020391ccc38a0] [c00000000067b688] vfs_write+0x108/0x1b0\n",
         "null-dereference", "BUG: unable to handle kernel NULL pointer dereference in lamp_dim", "lamp_dim"},
        {"REGS: c000001e19f077e0 TRAP: 0700   Tainted: G        W          (5.7.0)\n"
         "MSR:  9000000000029033 <SF,HV,EE>  CR: 42222422  XER: 20040000\n"
         "NIP [c008000000fe848c] lamp_dim+0x44/0x90\nLR [c008000000fe8488] lamp_dim+0x40/0x90\nCall Trace:\n"
         "[c000001e19f07a70] [c008000000fe8488] lamp_on+0x2e0/0x340\n"
         "[c000001e19f07b50] [c008000000fd42e4] vfs_write+0x33c/0x3c0\nInstruction dump:\n"
         "e86384a8 38840010 <0fe00000> 4bfffdd4\n",
         "warning", "WARNING in lamp_dim", "lamp_dim"},
        {"REGS: c000001e19f077e0 TRAP: 0700   Tainted: G        W          (5.7.0)\n"
         "MSR:  9000000000029033 <SF,HV,EE>  CR: 42222422  XER: 20040000\n"
         "NIP [c008000000fe848c] lamp_dim+0x44/0x90\nLR [c008000000fe8488] lamp_dim+0x40/0x90\nCall Trace:\n"
         "[c000001e19f07a70] [c008000000fe8488] lamp_on+0x2e0/0x340\n"
         "[c000001e19f07b50] [c008000000fd42e4] vfs_write+0x33c/0x3c0\nInstruction dump:\n"
         "7cec42a6 40820008 <7d164ba6> 7d083a14\n---[ end trace 74423e2b948c2e0c ]---\n",
         "trap", "exception in lamp_dim", "lamp_dim"},
        {"LE PAGE_SIZE=64K MMU=Hash SMP NR_CPUS=2048 NUMA pSeries\nREGS: c000001e19f077e0 TRAP: 0700   Tainted: G      "
         "  W          (5.7.0)\n"
         "MSR:  9000000000029033 <SF,HV,EE>  CR: 42222422  XER: 20040000\n"
         "NIP [c008000000fe848c] lamp_dim+0x44/0x90\nLR [c008000000fe8488] lamp_dim+0x40/0x90\nCall Trace:\n"
         "[c000001e19f07a70] [c008000000fe8488] lamp_on+0x2e0/0x340\n"
         "[c000001e19f07b50] [c008000000fd42e4] vfs_write+0x33c/0x3c0\nInstruction dump:\n"
         "e86384a8 38840010 <0fe00000> 4bfffdd4\n",
         "bug", "kernel BUG in lamp_dim", "lamp_dim"},
        {"RIP: 0010:lamp_dim+0x44/0x90 [lamp]\nRSP: 0018:ffff888100000000 EFLAGS: 00010246\nCall Trace:\n"
         " ksys_write+0x6a/0xe0\n do_syscall_64+0x1/0x2\nKernel panic - not syncing: panic_on_warn set ...\n",
         "warning", "WARNING in lamp_dim", "lamp_dim"},
        {TASK TRACE END "Kernel panic - not syncing: lamp blown\n", "panic", "kernel panic: lamp blown", "lamp_dim"},
        {TASK TRACE " mark_lock.cold+0x1/0x2\n __lock_acquire+0x1/0x2\n lock_acquire+0x1/0x2\n" END, "lockdep",
         "locking bug in lamp_dim", "lamp_dim"},
        {"Call Trace:\n <IRQ>\n lamp_dim+0x44/0x90 [lamp]\n lamp_irq+0x1/0x20 [lamp]\n </IRQ>\n"
         " asm_common_interrupt+0x1e/0x40\nRIP: 0010:wire_send+0x12/0x136\nCode: 53 <89> d3 48\n"
         "RSP: 0018:ffff88810bbf7ad8 EFLAGS: 00000246\n wire_flush+0x1/0x20\n---[ end trace 0000000000000000 ]---\n",
         "warning", "WARNING in lamp_dim", "lamp_dim"},
    };
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        check(&forms[i]);
}

/* Where the text ends in the allocator: a guess behind it, or who stands before the caller, or nobody. */
static void test_oops_allocator_alone(void **state) {
#define FAILED "lampd: page allocation failure: order:0, mode:0x20\n" TASK TRACE " warn_alloc+0x1/0x2\n"
    static const struct form forms[] = {
        {FAILED " __alloc_pages_slowpath+0x1/0x2\n ? net_rx+0x1/0x2\n __alloc_pages_nodemask+0x1/0x2\n",
         "out-of-memory", "page allocation failure in corrupted", ""},
        {FAILED " __alloc_pages_slowpath+0x1/0x2\n __slab_alloc+0x1/0x2\n ? lamp_dim+0x1/0x2\n", "out-of-memory",
         "page allocation failure in lamp_dim", "lamp_dim"},
        {FAILED " __alloc_pages_nodemask+0x1/0x2\n page_frag_alloc+0x1/0x2\n __napi_alloc_skb+0x1/0x2\n",
         "out-of-memory", "page allocation failure in __napi_alloc_skb", "__napi_alloc_skb"},
    };
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        check(&forms[i]);
}

static unsigned count_reports(const char *log, struct bed_verdict *second) {
    struct bed_verdict first;
    bed_decode(log, strlen(log), 1 << 20, 0, &first);
    if (first.reports > 1)
        bed_decode(log, strlen(log), 1 << 20, 1, second);
    return first.reports;
}

/* A message with its trace ends the report before it; a WARN()'s own message does not. */
static void test_oops_message_behind_a_report(void **state) {
    struct bed_verdict second;
    const char *dump =
        "BUG: KASAN: slab-use-after-free in lamp_on+0x1/0x2\nRead of size 8 at addr ffff888000000010 by "
        "task a/1\nCall Trace:\n lamp_on+0x1/0x2\n ksys_write+0x6a/0xe0\n\n"
        "sysfs: cannot create duplicate filename '/class/lamp/lamp0'\n" TASK TRACE " sysfs_warn_dup+0x1/0x2\n" END;
    assert_int_equal(count_reports(dump, &second), 2);
    assert_int_equal(second.kind, OOPS_KOBJECT);
    assert_string_equal(second.function, "lamp_dim");
    const char *warned = "------------[ cut here ]------------\nWARNING: CPU: 0 PID: 1 at fs/sysfs/dir.c:31 "
                         "sysfs_warn_dup+0x64/0x80()\nsysfs: cannot create duplicate filename '/class/lamp/lamp0'\n"
                         "Modules linked in:\n" TASK TRACE " sysfs_warn_dup+0x64/0x80\n" END;
    assert_int_equal(count_reports(warned, &second), 1);
}

/* A title and a sentence that quote a header are no reports beside the real one. */
static void test_oops_titles(void **state) {
    struct bed_verdict got;
    static const char *const titles[] = {"# [Bug] Kernel BUG lamp_dim+0x44/0x90\n",
                                         "I used a fuzzer and found that there is BUG: soft lockup in the tree\n",
                                         "Log (\"BUG: Unable to handle kernel instruction fetch\"), see below.\n"};
    for (unsigned i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        struct bed_text text = {0};
        bed_printf(&text,
                   "%s\n[   12.0] BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
                   "[   12.0] RIP: 0010:lamp_dim+0x44/0x90\n[   12.0] Call Trace:\n[   12.0]  ksys_write+0x6a/0xe0\n",
                   titles[i]);
        bed_decode(text.s, text.len, 1 << 20, 0, &got);
        assert_int_equal(got.reports, 1);
        assert_int_equal(got.kind, OOPS_NULL_DEREF);
        free(text.s);
    }
}

/* A trace that is only a trace is not told before the report that it belongs to; one of another time is. */
static void test_oops_dump_before_a_report(void **state) {
#define OOPS(time)                                                                                                     \
    time "BUG: kernel NULL pointer dereference, address: 0000000000000008\n" time "RIP: 0010:lamp_on+0x44/0x90\n" time \
         "Call Trace:\n" time " ksys_read+0x6a/0xe0\n"
    struct bed_verdict got;
    const char *sketch = TRACE END "and then\n" OOPS("[   12.000001] ");
    const char *earlier =
        "[    1.000001] Call Trace:\n[    1.000001]  lamp_dim+0x1/0x2\n[    1.000001]  vfs_write+0x1/0x2\n"
        "[    1.000001] on we go\n" OOPS("[   12.000001] ");
    const char *lockup =
        "[    1.000001] NMI backtrace for cpu 0\n[    1.000001] Call Trace:\n[    1.000001]  dump_stack+0x1/0x2\n"
        "[    1.000001]  nmi_cpu_backtrace+0x1/0x2\n[    1.000001]  lamp_dim+0x1/0x2\n...\n"
        "[   75.000001] NMI watchdog: Watchdog detected hard LOCKUP on cpu 2\n"
        "[   75.000001]  lamp_on+0x1/0x2\n";
    assert_int_equal(count_reports(sketch, &got), 1);
    bed_decode(sketch, strlen(sketch), 1 << 20, 0, &got);
    assert_int_equal(got.kind, OOPS_NULL_DEREF);
    assert_int_equal(count_reports(earlier, &got), 2);
    assert_int_equal(got.kind, OOPS_NULL_DEREF);
    assert_int_equal(count_reports(lockup, &got), 1);
    bed_decode(lockup, strlen(lockup), 1 << 20, 0, &got);
    assert_int_equal(got.kind, OOPS_HARD_LOCKUP);
}

/* The watchdog's own warning and its message are one lockup, in nobody's function where the text ends. */
static void test_oops_watchdog_warns(void **state) {
    static const char log[] =
        "[    1.0] WARNING: CPU: 3 PID: 0 at kernel/watchdog.c:265 watchdog_overflow_callback+0x98/0xc0()\n"
        "[    1.0] Watchdog detected hard LOCKUP on cpu 3\n[    1.0] " TASK "[    1.0] Call Trace:\n"
        "[    1.0]  <NMI>  ? dump_stack+0x41/0x51\n[    1.0]  ? warn_slowpath_fmt+0x4c/0x50\n"
        "[    1.0]  ? perf_prepare_sample+0x268/0x310\n[    1.0]  ? watchdog_overflow_callback+0x98/0xc0\n";
    struct bed_verdict got;
    assert_int_equal(count_reports(log, &got), 1);
    bed_decode(log, sizeof(log) - 1, 1 << 20, 0, &got);
    assert_int_equal(got.kind, OOPS_HARD_LOCKUP);
    assert_string_equal(got.function, "");
}

static void test_oops_no_reports(void **state) {
    static const char *const logs[] = {
        "[    1.0] lampd: page allocation failure: order:4\n[    1.0] irq 18: nobody cared\n",
        "the sysfs: cannot create duplicate filename message is harmless\nCall Trace: is what to look for\n",
        "[    1.0] EXT4-fs (sda1): mounted filesystem with ordered data mode\n[    1.0] XFS (sda2): Mounting V5\n",
        "[    1.0] FAULT_INJECTION: forcing a failure.\n[    1.0] name failslab, interval 1\n[    1.0] " TASK
        "[    1.0] Call Trace:\n[    1.0]  dump_stack+0x1/0x2\n[    1.0]  should_fail+0x1/0x2\n[    1.0]  f+0x1/0x2\n",
        "potentially unexpected fatal signal 11.\n" TASK "RIP: 0033:0x47b7a0\nRAX: 0 RBX: 0\n",
        "(EE) Backtrace:\n(EE) 0: /usr/bin/X (xorg_backtrace+0x48) [0x55f]\n(EE) 1: /usr/bin/X (main+0x12) [0x56f]\n",
    };
    struct bed_verdict second;
    for (unsigned i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        if (count_reports(logs[i], &second))
            fail_msg("a report in:\n%s", logs[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_messages),        cmocka_unit_test(test_oops_headless),
        cmocka_unit_test(test_oops_allocator_alone), cmocka_unit_test(test_oops_message_behind_a_report),
        cmocka_unit_test(test_oops_titles),          cmocka_unit_test(test_oops_dump_before_a_report),
        cmocka_unit_test(test_oops_watchdog_warns),  cmocka_unit_test(test_oops_no_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

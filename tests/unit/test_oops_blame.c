/*
 * The function that a report is about: what is passed over, what is not, and
 * where it is found if the line of the program counter says nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

#define NULL_POINTER "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"

static void check_blames(const char *log, const char *function) {
    struct bed_verdict got;
    bed_decode(log, strlen(log), 1 << 20, 0, &got);
    if (got.reports != 1 || strcmp(got.function, function) != 0)
        fail_msg("%u reports, \"%s\"; wanted is \"%s\" of\n%s", got.reports, got.function, function, log);
    if (strstr(got.title, "corrupted") && *function)
        fail_msg("\"%s\" although it is in %s", got.title, function);
}

/* A NULL pointer in `pc`, called by `caller`, lamp_store() and a system call. */
static void check_called(const char *pc, const char *caller, const char *function) {
    struct bed_text text = {0};
    bed_printf(&text,
               NULL_POINTER "RIP: 0010:%s+0x12/0x40\nCall Trace:\n <TASK>\n %s+0x60/0x110\n lamp_store+0x44/0x90\n"
                            " do_syscall_64+0x38/0x90\n entry_SYSCALL_64_after_hwframe+0x44/0xa9\n </TASK>\n",
               pc, caller);
    check_blames(text.s, function);
    free(text.s);
}

static void test_oops_helpers_by_whole_words(void **state) {
    static const char *const helpers[] = {"_raw_spin_lock_irqsave",
                                          "do_raw_spin_lock",
                                          "native_queued_spin_lock_slowpath",
                                          "__mutex_lock.constprop.0",
                                          "___slab_alloc",
                                          "__kmalloc_node_noprof",
                                          "devm_kmalloc",
                                          "alloc_frozen_pages_noprof",
                                          "get_free_pages_noprof",
                                          "__queue_delayed_work",
                                          "kobject_put",
                                          "__list_del_entry_valid",
                                          "mmiocpy",
                                          "irq_work_queue",
                                          "refcount_warn_saturate"};
    static const char *const others[] = {
        "lamp_read_locked_mode", "lamp_write_lock_bus", "set_up_write_lamp",  "lamp_block_release", "ulogic_input",
        "lamp_atomic_set_level", "lamp_get_user_level", "lampdput",           "lamp_list_add",      "lamp_queue_work",
        "lamp_device_release",   "lamp_sysfs_remove",   "kasan_populate_pmd", "kmalloc_oob_right",  "krealloc_uaf",
        "lamp_mark_locked",      "lamp_get_dev_info",   "lamp_alloc_pages",   "shutdown_lamps",
    };
    for (unsigned i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++)
        check_called(helpers[i], "lamp_dim", "lamp_dim");
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        check_called(others[i], "lamp_dim", others[i]);
}

/* A timer, a work item: the kernel's own loop is not to blame for what it was given. */
static void test_oops_helpers_alone(void **state) {
    check_blames(NULL_POINTER "Workqueue: events lamp_timeout [lamp]\nRIP: 0010:__queue_work+0xf0/0x374\nCall Trace:\n"
                              " queue_work_on+0x3f/0x68\n process_one_work+0x1db/0x396\n worker_thread+0x216/0x375\n"
                              " kthread+0x138/0x140\n ret_from_fork+0x22/0x40\n",
                 "__queue_work");
    check_blames(NULL_POINTER "RIP: 0010:0x0\nCall Trace:\n call_timer_fn+0x30/0x130\n __run_timers+0x1c0/0x2c0\n"
                              " lamp_never+0x1/0x2\n",
                 "call_timer_fn");
}

/* The link register: of a helper that calls nobody, and of a jump to nowhere. */
static void test_oops_link_register(void **state) {
    static const char fault[] =
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008\n";
    struct bed_text text = {0};
    bed_printf(&text,
               "%spc : __memcpy+0x30/0x180\nlr : lamp_dim+0x5c/0x110\nx1 : 0000000000000000 x0 : 0000000000000008\n"
               "Call trace:\n __memcpy+0x30/0x180\n lamp_store+0x44/0x90\n el0_svc+0x1c/0x40\n",
               fault);
    check_blames(text.s, "lamp_dim");
    free(text.s);
    text = (struct bed_text){0};
    bed_printf(&text,
               "%spc : _raw_spin_lock+0x30/0x80\nlr : _raw_spin_lock+0x1c/0x80\n"
               "x1 : 0000000000000000 x0 : 0000000000000008\n"
               "Call trace:\n _raw_spin_lock+0x30/0x80\n lamp_store+0x44/0x90\n el0_svc+0x1c/0x40\n",
               fault);
    check_blames(text.s, "lamp_store");
    free(text.s);
    check_blames("BUG: Unable to handle kernel instruction fetch (NULL pointer?)\nFaulting instruction address: 0x0\n"
                 "NIP:  0000000000000000 LR: c000000000674034 CTR: 0000000000000000\nGPR00: c000000000674034 "
                 "c0000000034ff630 c000000002a1b800 c0000000034ff6c0\n"
                 "NIP [0000000000000000] 0x0\n"
                 "LR [c000000000674034] lamp_dim+0x84/0x450\nCall Trace:\n"
                 "[c0000000034ff630] [c0000000034ff670] 0xc0000000034ff670 (unreliable)\n"
                 "[c0000000034ff650] [c000000000674f00] lamp_store+0x50/0x80\n"
                 "--- interrupt: 900 at plpar_hcall+0x18/0x2c\nNIP:  c0000000000ece58 LR: c0000000009d58c8 CTR: 0\n"
                 "NIP [c0000000000ece58] plpar_hcall+0x18/0x2c\nLR [c0000000009d58c8] lamp_idle+0x48/0x60\n",
                 "lamp_dim");
}

/* The line of the program counter is lost; what the handler interrupted is a guess to the kernel, or all is. */
static void test_oops_without_a_counter(void **state) {
    check_blames(NULL_POINTER "Call Trace:\n <TASK>\n ? __die_body+0x1a/0x60\n ? page_fault_oops+0x159/0x450\n"
                              " ? exc_page_fault+0x7e/0x180\n ? asm_exc_page_fault+0x22/0x30\n ? lamp_dim+0x14/0x40\n"
                              " ? lamp_store+0x44/0x90\n ksys_write+0x6f/0xf0\n do_syscall_64+0x38/0x90\n",
                 "lamp_dim");
    check_blames(NULL_POINTER "Call Trace:\n ? __pfx_lamp_dim+0x10/0x10\n ? mutex_lock+0x14/0x40\n"
                              " ? lamp_store+0x44/0x90\n ? lamp_open+0x44/0x90\n",
                 "lamp_store");
}

static void test_oops_stalls(void **state) {
    static const char trace[] = "CPU: 1 PID: 412 Comm: %s\nRIP: 0010:_raw_spin_lock+0x14/0x40\nCall Trace:\n"
                                " lamp_dim+0x44/0x90\n lamp_ioctl+0x30/0x80\n do_vfs_ioctl+0x3ef/0x650\n"
                                " ksys_ioctl+0x5e/0x90\n do_syscall_64+0x5b/0x1a0\n";
    struct bed_text text = {0};
    bed_printf(&text, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [lamp:412]\n");
    bed_printf(&text, trace, "lamp");
    check_blames(text.s, "lamp_dim");
    free(text.s);
    /* on syzkaller's dashboard stalls are what the kernel dispatched */
    text = (struct bed_text){0};
    bed_printf(&text, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [syz-executor:412]\n");
    bed_printf(&text, trace, "syz-executor");
    check_blames(text.s, "lamp_ioctl");
    free(text.s);
    check_blames("rcu: INFO: rcu_sched self-detected stall on CPU\nrcu: \t0-....: (2099 ticks this GP) idle=00e\n"
                 "Call Trace:\n [<80108a40>] show_stack+0x44/0x60\n [<80160a40>] rcu_sched_clock_irq+0x7/0xae\n"
                 " [<80170a40>] c0_compare_interrupt+0x6c/0x90\n [<80170c40>] handle_percpu_irq+0x6c/0x90\n"
                 " [<80170d40>] plat_irq_dispatch+0x6c/0x90\n [<80171000>] lamp_dim+0x44/0x90\n",
                 "lamp_dim");
    /* its own thread was starved: no other function is to be seen */
    check_blames(
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\nrcu: \t(detected by 0, t=3752 jiffies, g=2785)\n"
        "rcu: rcu_preempt kthread starved for 3752 jiffies! g2785 f0x0 RCU_GP_ONOFF(3) ->state=0x0 ->cpu=0\n"
        "Call trace:\n __switch_to+0x10c/0x200\n __schedule+0x2d8/0x980\n schedule_timeout+0x44/0x90\n"
        " rcu_gp_fqs_loop+0x94/0xa8\n kthread+0x13c/0x188\n ret_from_fork+0x10/0x34\n",
        "rcu_gp_fqs_loop");
}

static void test_oops_hangs(void **state) {
    static const char head[] = "INFO: task lamp:412 blocked for more than 122 seconds.\n"
                               "task:lamp            state:D stack:0     pid:412  ppid:2\nCall Trace:\n"
                               " __schedule+0x2ad/0x7c0\n schedule+0x5a/0xd0\n";
    static const char *const rests[][2] = {
        {" schedule_preempt_disabled+0x11/0x20\n __mutex_lock+0x5c8/0xcc0\n", "__mutex_lock"}, /* cut there */
        {" rt_mutex_lock+0x49/0x60\n lamp_kthread+0xca/0x2f0\n kthread+0xcf/0x100\n", "lamp_kthread"},
        {" __flush_work+0x49/0x60\n generic_shutdown_super+0xca/0x2f0\n lamp_umount+0xcf/0x100\n",
         "generic_shutdown_super"},
        {" wait_for_completion+0x49/0x60\n kthread+0xcf/0x100\n", "wait_for_completion"},
    };
    for (unsigned i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
        struct bed_text text = {0};
        bed_printf(&text, "%s%s", head, rests[i][0]);
        check_blames(text.s, rests[i][1]);
        free(text.s);
    }
}

/* Checks of slabs and of registrations stand above what they are about. */
static void test_oops_checks(void **state) {
    check_blames("BUG kmalloc-128 (Not tainted): kmalloc Redzone overwritten\nCall Trace:\n dump_stack_lvl+0x60/0x80\n"
                 " print_trailer+0x100/0x160\n check_bytes_and_report+0x113/0x160\n check_object+0x1e1/0x380\n"
                 " free_debug_processing+0x10/0x20\n __slab_free+0x10/0x20\n kfree+0x10/0x20\n lamp_dim+0x44/0x90\n",
                 "lamp_dim");
    check_blames("WARNING: CPU: 0 PID: 1 at fs/proc/generic.c:377 proc_register+0x131/0x1c0\n"
                 "RIP: 0010:proc_register+0x131/0x1c0\nCall Trace:\n _proc_mkdir+0x6d/0xa0\n"
                 " lamp_proc_attach+0x44/0x90\n do_one_initcall+0x58/0x1f0\n",
                 "lamp_proc_attach");
    check_blames("BUG: Bad page state in process lamp  pfn:1194e6\nCall Trace:\n dump_stack_lvl+0x60/0x80\n"
                 " bad_page.cold+0x63/0x94\n free_pcppages_bulk+0x1e1/0x380\n free_unref_page+0x10/0x20\n"
                 " __unfreeze_partials+0x10/0x20\n lamp_dim+0x44/0x90\n",
                 "lamp_dim");
}

/* Who waits for work is not who holds a lock; an error that comes late is not of its handler. */
static void test_oops_who_waited(void **state) {
    check_blames("WARNING: possible circular locking dependency detected\n6.1.0 #1 Not tainted\n"
                 "------------------------------------------------------\nlamp/412 is trying to acquire lock:\n"
                 "ffff888103e45f90 ((work_completion)(&lamp->work)){+.+.}-{0:0}, at: __flush_work+0x21/0x240\n\n"
                 "but task is already holding lock:\n"
                 "ffff888235833e38 (&lamp->lock){+.+.}-{4:4}, at: lamp_open+0x12c/0x510\n\nstack backtrace:\n"
                 "CPU: 0 PID: 412 Comm: lamp Not tainted 6.1.0 #1\nCall Trace:\n dump_stack_lvl+0x5b/0x80\n"
                 " print_circular_bug.cold+0x38/0x45\n check_noncircular+0x148/0x160\n __lock_acquire+0x1465/0x2000\n"
                 " __flush_work+0x21/0x240\n __cancel_work_timer+0x10/0x20\n lamp_dim+0x44/0x90\n",
                 "lamp_open");
    check_blames("SError Interrupt on CPU3, code 0x00000000bf000002 -- SError\nCPU: 3 PID: 412 Comm: lamp\n"
                 "pc : readl+0x40/0x80\nlr : readl+0x3c/0x80\nsp : ffff800012345670\nCall trace:\n"
                 " panic+0x168/0x368\n nmi_panic+0x8c/0x90\n arm64_serror_panic+0x6c/0x78\n do_serror+0x28/0x60\n"
                 " el1h_64_error_handler+0x30/0x48\n el1h_64_error+0x58/0x5c\n readl+0x40/0x80\n lamp_dim+0x44/0x90\n",
                 "lamp_dim");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_helpers_by_whole_words),
        cmocka_unit_test(test_oops_helpers_alone),
        cmocka_unit_test(test_oops_link_register),
        cmocka_unit_test(test_oops_without_a_counter),
        cmocka_unit_test(test_oops_stalls),
        cmocka_unit_test(test_oops_hangs),
        cmocka_unit_test(test_oops_checks),
        cmocka_unit_test(test_oops_who_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

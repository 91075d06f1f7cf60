/*
 * The sentence of reports whose answer stands below their header: what it says,
 * of logs of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

static void says(const char *log, const char *part) {
    struct bed_verdict v;
    bed_decode(log, strlen(log), 1 << 20, 0, &v);
    if (!strstr(v.headline, part))
        fail_msg("\"%s\" is not in \"%s\"", part, v.headline);
}

#define SLEEP_TRACE                                                                                                    \
    "[   10.000006] CPU: 1 PID: 77 Comm: worker Not tainted 6.6.0 #1\n"                                                \
    "[   10.000007] Call Trace:\n"                                                                                     \
    "[   10.000008]  __might_resched+0x100/0x200\n"                                                                    \
    "[   10.000009]  resize_table+0x40/0x90 [toy]\n"

static void test_oops_says_why_it_may_not_sleep(void **state) {
    says("[   10.000001] BUG: sleeping function called from invalid context at mm/slab.h:310\n"
         "[   10.000002] in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 77, name: worker\n"
         "[   10.000003] preempt_count: 201, expected: 0\n"
         "[   10.000004] 2 locks held by worker/77:\n"
         "[   10.000005]  #0: ffffffff9bc4e600 (outer_mutex){+.+.}-{4:4}, at: resize+0x10/0x90\n"
         "[   10.000005]  #1: ffff888115560028 (&t->toy_lock){+...}-{3:3}, at: resize_table+0x14/0x90\n" SLEEP_TRACE,
         "worker (77) called what may sleep in `resize_table` with preemption and softirqs off, as a spinlock taken "
         "with "
         "_bh does; the lock taken last is `&t->toy_lock`, in `resize_table`");
    says("[   10.000001] BUG: scheduling while atomic: swapper/3/0/0x10010000\n"
         "[   10.000006] CPU: 3 PID: 0 Comm: swapper/3 Not tainted 5.4.0 #1\n"
         "[   10.000007] Call Trace:\n"
         "[   10.000008]  __schedule_bug+0x4d/0x5b\n"
         "[   10.000009]  __schedule+0xa60/0xac0\n"
         "[   10.000010]  toy_irq+0x94/0x230 [toy]\n",
         "in an interrupt handler");
}

static void test_oops_says_what_is_wrong_with_a_page(void **state) {
    says("[   26.301368] BUG: Bad page state in process swapper/0  pfn:104300\n"
         "[   26.307505] page:00000000ce81ba6f refcount:0 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x104300\n"
         "[   26.324622] flags: 0x2ffff00000010200(slab|head|node=0|zone=2|lastcpupid=0xffff)\n"
         "[   26.347777] page dumped because: PAGE_FLAGS_CHECK_AT_FREE flag(s) set\n"
         "[   26.350000] CPU: 0 PID: 0 Comm: swapper/0 Not tainted 5.15.0 #468\n"
         "[   26.350001] Call trace:\n"
         "[   26.350002]  bad_page+0x12c/0x170\n"
         "[   26.350003]  toy_free_buffer+0xcc/0xe0\n",
         "memory of the slab allocator (kmalloc) was freed as a page");
}

static void test_oops_says_who_freed_an_object_before(void **state) {
    says("[  840.937689] BUG kmalloc-256 (Not tainted): Object already free\n"
         "[  840.937690] -----------------------------------------------------------------------------\n"
         "[  840.958762] INFO: Allocated in toy_open+0xb6/0x170 [toy] age=3 cpu=13 pid=0\n"
         "[  840.967218] INFO: Freed in toy_close+0x77/0xb0 [toy] age=3 cpu=13 pid=0\n",
         "an object was freed twice; it was freed by `toy_close`, allocated by `toy_open`");
}

static void test_oops_says_how_init_died(void **state) {
    says("[   46.520024] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000004\n"
         "[   46.520025] CPU: 2 PID: 1 Comm: init Not tainted 5.10.0 #1\n"
         "[   46.520026] Call Trace:\n"
         "[   46.520027]  panic+0x101/0x2e3\n"
         "[   46.520028]  do_exit+0xb5f/0xb70\n",
         "the first process, init (1), was killed by signal 4 (SIGILL)");
    says("[   46.520024] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n"
         "[   46.520025] CPU: 2 PID: 1 Comm: init Not tainted 5.10.0 #1\n",
         "ended with exit(1)");
}

static void test_oops_says_that_a_jump_went_nowhere(void **state) {
    says("[ 3613.560605] BUG: unable to handle page fault for address: ffffffffbff8a2a0\n"
         "[ 3613.560606] #PF: supervisor instruction fetch in kernel mode\n"
         "[ 3613.560607] #PF: error_code(0x0010) - not-present page\n"
         "[ 3613.560608] Oops: 0010 [#1] SMP\n"
         "[ 3613.560609] CPU: 2 PID: 1859 Comm: worker Not tainted 6.5.11 #1\n"
         "[ 3613.560610] RIP: 0010:0xffffffffbff8a2a0\n"
         "[ 3613.560611] Code: Unable to access opcode bytes at 0xffffffffbff8a276.\n"
         "[ 3613.560612] RSP: 0018:ffffb1e0c0003e48 EFLAGS: 00010286\n",
         "jump to an address of the kernel image 0xffffffffbff8a2a0: a function pointer or a return address is wrong");
}

static void test_oops_says_what_the_cpu_refused(void **state) {
    says("[34657.105528] general protection fault, maybe for address 0x0: 0000 [#1] SMP\n"
         "[34657.105529] CPU: 1 PID: 99 Comm: toy Not tainted 6.7.0 #1\n"
         "[34657.105530] RIP: 0010:switch_tables+0x3/0x34\n"
         "[34657.105531] Code: 90 90 90 <0f> 22 d9 c3 90 90 90 90\n"
         "[34657.105532] RSP: 0018:ffffb1e0c0003e48 EFLAGS: 00010286\n"
         "[34657.105533] RAX: 0000000000000000 RBX: 0000000000000000 RCX: ffffffffffffffff\n"
         "[34657.105534] Call Trace:\n"
         "[34657.105535]  leave_it+0x10/0x20\n",
         "the CPU refused to set cr3 to 0xffffffffffffffff in `switch_tables`");
}

static void test_oops_says_that_the_watchdog_found_user_space(void **state) {
    says("[53021.381908] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [cc1plus:171665]\n"
         "[53021.381909] CPU: 1 PID: 171665 Comm: cc1plus Not tainted 5.12.0 #2\n"
         "[53021.381910] RIP: 0033:0xcc9d6e\n"
         "[53021.381911] RSP: 002b:00007ffd7f5e3f48 EFLAGS: 00000246\n"
         "[53021.381912] RAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000000\n",
         "was in user space, not looping in the kernel");
}

static void test_oops_says_what_kasan_looked_up(void **state) {
    says("[   34.105528] general protection fault, probably for non-canonical address 0xdffffc0000000029: 0000 [#1] "
         "SMP KASAN\n"
         "[   34.105529] CPU: 1 PID: 99 Comm: toy Not tainted 5.14.0 #1\n"
         "[   34.105530] RIP: 0010:toy_timer+0x3/0x34\n"
         "[   34.105531] Code: 90 90 90 <80> 3c 02 00 0f 85 90 90\n"
         "[   34.105532] RSP: 0018:ffffb1e0c0003e48 EFLAGS: 00010286\n"
         "[   34.105533] RAX: dffffc0000000000 RBX: 0000000000000000 RCX: 0000000000000000\n"
         "[   34.105534] RDX: 0000000000000029 RSI: 0000000000000000 RDI: 0000000000000148\n"
         "[   34.105535] Call Trace:\n"
         "[   34.105536]  leave_it+0x10/0x20\n",
         "access to NULL+328..335 (0xdffffc0000000029 is the shadow that KASAN keeps of it) in `toy_timer`");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_says_why_it_may_not_sleep),
        cmocka_unit_test(test_oops_says_what_is_wrong_with_a_page),
        cmocka_unit_test(test_oops_says_who_freed_an_object_before),
        cmocka_unit_test(test_oops_says_how_init_died),
        cmocka_unit_test(test_oops_says_that_a_jump_went_nowhere),
        cmocka_unit_test(test_oops_says_what_the_cpu_refused),
        cmocka_unit_test(test_oops_says_that_the_watchdog_found_user_space),
        cmocka_unit_test(test_oops_says_what_kasan_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

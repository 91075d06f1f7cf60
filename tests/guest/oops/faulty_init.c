// SPDX-License-Identifier: MIT
/*
 * A module that fails while it is loaded: its function lies in .init.text, where
 * tools that look an offset up in .text find another function.
 */
/* clang-format off */
#include <linux/module.h>
#include <linux/printk.h>

static int __init hello_init(void)
{
	*(int *)0 = 0x74736574; /* expect init-text: kind=null-dereference */
	pr_info("hello\n");
	return 0;
}

static noinline int in_text(int a)
{
	return a * 3 + 1;
}

static void __exit hello_exit(void)
{
	pr_info("bye %d\n", in_text(1));
}
module_init(hello_init);
module_exit(hello_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Fails while it is loaded");

/*
 * An old-style module whose init function stores to absolute address 0, as Linux
 * 3.16 would load it: .modinfo, .gnu.linkonce.this_module, .init.text. The
 * store is at +0xd and the next function at +0x30, whatever compiles it.
 */
/* clang-format off */
#define __init __attribute__((section(".init.text"), used, naked, aligned(16)))
#define MODINFO(tag, text) \
	static const char tag[] __attribute__((section(".modinfo"), used, aligned(1))) = text

int sink;

static int __attribute__((used, noinline)) in_text(int a)
{
	sink += a;
	sink *= 3;
	return sink;
}

static const char text[] __attribute__((used)) = "Hello world\n";

static int __init hello_init(void)
{
	asm("call __fentry__; push %rbp; mov $text, %rdi");
	asm("movl $0x74736574, 0"); /* stores */
	asm("xor %eax, %eax; mov %rsp, %rbp; call printk; xor %eax, %eax; pop %rbp; ret");
}

static int __init hello_more(void)
{
	asm(".balign 16; ret");
}

int init_module(void) __attribute__((alias("hello_init")));

struct module {
	int state;
	struct { void *next, *prev; } list;
	char name[56];
	char between[240];
	int (*init)(void);
	char rest[160];
} __attribute__((aligned(64)));
struct module __this_module __attribute__((section(".gnu.linkonce.this_module"))) = {
	.name = "helloworld", .init = init_module };

MODINFO(vermagic, "vermagic=" RELEASE " SMP mod_unload modversions ");
MODINFO(license, "license=GPL");

/* SPDX-License-Identifier: MIT */
/* void fluv__switch(void** save, void* to), for the System V ABI on x86-64.
 *
 * A saved stack, from its pointer up: MXCSR and x87 control word (8 bytes),
 * r15, r14, r13, r12, rbx, rbp, return address.
 *
 * The control words are loaded only where they differ: loading them costs
 * more than the rest of the switch. The status bits of MXCSR (0 to 5) belong
 * to nobody across a call and are not compared. The return is a pop and a
 * jump: a `ret` to another stack than the call came from is always
 * predicted wrongly.
 */
	.text
	.globl	fluv__switch
	.hidden	fluv__switch
	.type	fluv__switch, @function
	.p2align 4
fluv__switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movl	(%rsp), %eax
	movzwl	4(%rsp), %edx
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	xorl	(%rsp), %eax
	testl	$0xffc0, %eax
	jne	2f
1:	cmpw	4(%rsp), %dx
	jne	3f
	.cfi_remember_state
4:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	jmpq	*%rcx
	.cfi_restore_state
2:	ldmxcsr	(%rsp)
	jmp	1b
3:	fldcw	4(%rsp)
	jmp	4b
	.cfi_endproc
	.size	fluv__switch, . - fluv__switch

/* Where a new stack begins: rbx holds the entry function. There is no frame
 * above, and unwinders are told so. */
	.globl	fluv__switch_begin
	.hidden	fluv__switch_begin
	.type	fluv__switch_begin, @function
	.p2align 4
fluv__switch_begin:
	.cfi_startproc
	.cfi_undefined rip
	endbr64
	xorl	%ebp, %ebp
	callq	*%rbx
	ud2
	.cfi_endproc
	.size	fluv__switch_begin, . - fluv__switch_begin

/* unsigned long fluv__switch_fp(void): the control words as a switch saves
 * them. */
	.globl	fluv__switch_fp
	.hidden	fluv__switch_fp
	.type	fluv__switch_fp, @function
	.p2align 4
fluv__switch_fp:
	.cfi_startproc
	endbr64
	movq	$0, -8(%rsp)
	stmxcsr	-8(%rsp)
	fnstcw	-4(%rsp)
	movq	-8(%rsp), %rax
	ret
	.cfi_endproc
	.size	fluv__switch_fp, . - fluv__switch_fp

	.section .note.GNU-stack, "", @progbits

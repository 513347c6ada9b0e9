import { staticExecutable, type MachineArchitecture } from './elf.ts'

/**
 * The program that a container of a pooled sandbox starts with: it waits until its host name is the pod's and then
 * becomes the container's own program, which so never sees another name. Its arguments:
 *
 *     <host name> <path to try>… "" <argv of the program>…
 *
 * It calls the kernel for little: uname, nanosleep, execve; and where none of the paths can be executed prctl(PR_SET_NAME,
 * "gate-failed"), which is how its parent learns of it, and then it waits to be killed. It is written as machine
 * code for the same reason as the sandbox's program: a node needs neither registry nor compiler.
 */
export const gateBinary = (architecture: MachineArchitecture): Uint8Array =>
  staticExecutable(architecture, Buffer.from(`${instructions[architecture].join('')}${failedName}`, 'hex'))

/** Names of the process (`/proc/<pid>/comm`): while it waits, and once nothing could be executed. */
export const gateCommand = 'stormo-gate'
export const gateFailedCommand = 'gate-failed'

const failedName = Buffer.from(`${gateFailedCommand}\0`).toString('hex')

const amd64 = [
  '488b5c2410', // mov rbx, [rsp+16]
  '488b0424', // mov rax, [rsp]
  '488d6cc410', // lea rbp, [rsp+rax*8+16]
  '4c8d642418', // lea r12, [rsp+24]
  '4881eca0010000', // sub rsp, 416
  // await:
  'b83f000000', // mov eax, 63
  '4889e7', // mov rdi, rsp
  '0f05', // syscall
  '488d742441', // lea rsi, [rsp+65]
  '4889df', // mov rdi, rbx
  // compare:
  '8a06', // mov al, [rsi]
  '3a07', // cmp al, [rdi]
  '7536', // jne sleep
  '48ffc6', // inc rsi
  '48ffc7', // inc rdi
  '84c0', // test al, al
  '75f0', // jne compare
  '4d89e5', // mov r13, r12
  // skip:
  '498b4500', // mov rax, [r13]
  '4983c508', // add r13, 8
  '803800', // cmp byte ptr [rax], 0
  '75f3', // jne skip
  // try:
  '498b3c24', // mov rdi, [r12]
  '803f00', // cmp byte ptr [rdi], 0
  '7435', // je fail
  '4c89ee', // mov rsi, r13
  '4889ea', // mov rdx, rbp
  'b83b000000', // mov eax, 59
  '0f05', // syscall
  '4983c408', // add r12, 8
  'ebe4', // jmp try
  // sleep:
  '488dbc2490010000', // lea rdi, [rsp+400]
  '48c70700000000', // mov qword ptr [rdi], 0
  '48c7470820a10700', // mov qword ptr [rdi+8], 500000
  '31f6', // xor esi, esi
  'b823000000', // mov eax, 35
  '0f05', // syscall
  'eb90', // jmp await
  // fail:
  'bf0f000000', // mov edi, 15
  '488d3510000000', // lea rsi, [rip+name]
  'b89d000000', // mov eax, 157
  '0f05', // syscall
  // forever:
  'b822000000', // mov eax, 34
  '0f05', // syscall
  'ebf7', // jmp forever
]

const arm64 = [
  'f40b40f9', // ldr x20, [sp, #16]
  'e90340f9', // ldr x9, [sp]
  '29090091', // add x9, x9, #2
  'f56f298b', // add x21, sp, x9, lsl #3
  'f6630091', // add x22, sp, #24
  'ff8306d1', // sub sp, sp, #416
  // await:
  'e0030091', // mov x0, sp
  '081480d2', // mov x8, #160
  '010000d4', // svc #0
  'e1070191', // add x1, sp, #65
  'e00314aa', // mov x0, x20
  // compare:
  '22144038', // ldrb w2, [x1], #1
  '03144038', // ldrb w3, [x0], #1
  '5f00036b', // cmp w2, w3
  'c1010054', // b.ne sleep
  '82ffff35', // cbnz w2, compare
  'f70316aa', // mov x23, x22
  // skip:
  'e08640f8', // ldr x0, [x23], #8
  '01004039', // ldrb w1, [x0]
  'c1ffff35', // cbnz w1, skip
  // try:
  'c08640f8', // ldr x0, [x22], #8
  '01004039', // ldrb w1, [x0]
  'c1010034', // cbz w1, fail
  'e10317aa', // mov x1, x23
  'e20315aa', // mov x2, x21
  'a81b80d2', // mov x8, #221
  '010000d4', // svc #0
  'f9ffff17', // b try
  // sleep:
  'e0430691', // add x0, sp, #400
  '012494d2', // mov x1, #0xa120
  'e100a0f2', // movk x1, #7, lsl #16
  '1f0400a9', // stp xzr, x1, [x0]
  '010080d2', // mov x1, #0
  'a80c80d2', // mov x8, #101
  '010000d4', // svc #0
  'e3ffff17', // b await
  // fail:
  'e00180d2', // mov x0, #15
  '41010010', // adr x1, name
  'e81480d2', // mov x8, #167
  '010000d4', // svc #0
  // forever:
  '000080d2', // mov x0, #0
  '010080d2', // mov x1, #0
  '020080d2', // mov x2, #0
  '030080d2', // mov x3, #0
  '280980d2', // mov x8, #73
  '010000d4', // svc #0
  'faffff17', // b forever
]

const instructions: Record<MachineArchitecture, readonly string[]> = { amd64, arm64 }

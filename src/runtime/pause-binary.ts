import { staticExecutable, type MachineArchitecture } from './elf.ts'

/**
 * The program of the sandbox: wait for signals and reap orphaned children, nothing else. It is written as machine
 * code here so that a node needs neither registry nor compiler to make its sandbox image.
 *
 *     block {SIGINT, SIGTERM, SIGCHLD}            blocked signals stay pending, also for PID 1 and also when their
 *     loop: rt_sigtimedwait(set, NULL, NULL, 8)   default is to be ignored, so no handlers are needed
 *           SIGCHLD → wait4(-1, NULL, WNOHANG, NULL) until no child is left to reap
 *           SIGINT, SIGTERM → exit_group(0)
 *
 * Source of the call numbers: Linux arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
 */
const sigint = 2
const sigterm = 15
const sigchld = 17
const signalMask = (1 << (sigint - 1)) | (1 << (sigterm - 1)) | (1 << (sigchld - 1))

/** A complete static ELF executable. */
export const pauseBinary = (architecture: MachineArchitecture): Uint8Array =>
  staticExecutable(architecture, architecture === 'amd64' ? amd64Code() : arm64Code())

function amd64Code(): Uint8Array {
  const syscall = [0x0f, 0x05]
  const setEax = (value: number): number[] => [0xb8, value & 255, (value >> 8) & 255, (value >> 16) & 255, 0]
  const eightIntoR10 = [0x41, 0xba, 8, 0, 0, 0]
  const rspIntoRdi = [0x48, 0x89, 0xe7]
  const zeroEsi = [0x31, 0xf6]
  const zeroEdx = [0x31, 0xd2]
  const compareEax = (value: number): number[] => [0x83, 0xf8, value]
  const block = [
    ...setEax(signalMask),
    0x50, // push rax: the mask lives on the stack
    ...setEax(14), // rt_sigprocmask
    0x31,
    0xff, // SIG_BLOCK
    0x48,
    0x89,
    0xe6, // set = rsp
    ...zeroEdx,
    ...eightIntoR10,
    ...syscall,
  ]
  const wait = [...setEax(128), ...rspIntoRdi, ...zeroEsi, ...zeroEdx, ...eightIntoR10, ...syscall] // rt_sigtimedwait
  const exit = [...setEax(231), 0x31, 0xff, ...syscall] // exit_group(0)
  const reapCall = [
    ...setEax(61), // wait4
    0xbf,
    0xff,
    0xff,
    0xff,
    0xff, // any child
    ...zeroEsi,
    0xba,
    1,
    0,
    0,
    0, // WNOHANG
    0x45,
    0x31,
    0xd2,
    ...syscall,
    0x85,
    0xc0, // test eax, eax
  ]
  const jump = 2 // bytes of a short jump
  const compare = 3
  const dispatchBytes = 3 * (compare + jump)
  const waitAt = block.length
  const dispatchAt = waitAt + wait.length
  const exitAt = dispatchAt + dispatchBytes
  const reapAt = exitAt + exit.length
  const reapJumpAt = reapAt + reapCall.length
  const short = (opcode: number, at: number, target: number): number[] => [opcode, (target - (at + jump)) & 255]
  const equal = 0x74
  const notEqual = 0x75
  const greater = 0x7f
  const always = 0xeb
  return Uint8Array.from([
    ...block,
    ...wait,
    ...compareEax(sigchld),
    ...short(equal, dispatchAt + compare, reapAt),
    ...compareEax(sigterm),
    ...short(equal, dispatchAt + 2 * compare + jump, exitAt),
    ...compareEax(sigint),
    ...short(notEqual, dispatchAt + 3 * compare + 2 * jump, waitAt),
    ...exit,
    ...reapCall,
    ...short(greater, reapJumpAt, reapAt),
    ...short(always, reapJumpAt + jump, waitAt),
  ])
}

function arm64Code(): Uint8Array {
  const movz = (register: number, value: number): number => 0xd2800000 + (value << 5) + register
  const compareW0 = (value: number): number => 0x7100001f + (value << 10)
  const spInto = (register: number): number => 0x910003e0 + register
  const svc = 0xd4000001
  const block = [
    0xd10043ff, // sub sp, sp, #16
    0x52800009 + ((signalMask & 0xffff) << 5), // movz w9, low half
    0x72a00009 + ((signalMask >>> 16) << 5), // movk w9, high half
    0xf90003e9, // str x9, [sp]
    movz(0, 0), // SIG_BLOCK
    spInto(1),
    movz(2, 0),
    movz(3, 8),
    movz(8, 135), // rt_sigprocmask
    svc,
  ]
  const wait = [spInto(0), movz(1, 0), movz(2, 0), movz(3, 8), movz(8, 137), svc] // rt_sigtimedwait
  const exit = [movz(0, 0), movz(8, 94), svc] // exit_group
  const reapCall = [0x92800000, movz(1, 0), movz(2, 1), movz(3, 0), movz(8, 260), svc, compareW0(0)] // wait4
  const waitAt = block.length
  const dispatchAt = waitAt + wait.length
  const exitAt = dispatchAt + 6
  const reapAt = exitAt + exit.length
  const afterReap = reapAt + reapCall.length
  const branchIf = (condition: number, at: number, target: number): number =>
    (0x54000000 | (((target - at) & 0x7ffff) << 5) | condition) >>> 0
  const equal = 0
  const notEqual = 1
  const greater = 12
  const words = [
    ...block,
    ...wait,
    compareW0(sigchld),
    branchIf(equal, dispatchAt + 1, reapAt),
    compareW0(sigterm),
    branchIf(equal, dispatchAt + 3, exitAt),
    compareW0(sigint),
    branchIf(notEqual, dispatchAt + 5, waitAt),
    ...exit,
    ...reapCall,
    branchIf(greater, afterReap, reapAt),
    (0x14000000 | ((waitAt - (afterReap + 1)) & 0x3ffffff)) >>> 0, // b wait
  ]
  const bytes = new Uint8Array(words.length * 4)
  const view = new DataView(bytes.buffer)
  words.forEach((word, index) => view.setUint32(index * 4, word, true))
  return bytes
}

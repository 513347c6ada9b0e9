export type MachineArchitecture = 'amd64' | 'arm64'

const loadAddress = 0x400000
const headerBytes = 64 + 56
const machines: Record<MachineArchitecture, number> = { amd64: 0x3e, arm64: 0xb7 }

/** A static ELF64 executable: the headers and one PT_LOAD segment that holds the whole file (elf(5)). */
export function staticExecutable(architecture: MachineArchitecture, code: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + code.length)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true) // ET_EXEC
  view.setUint16(18, machines[architecture], true)
  view.setUint32(20, 1, true)
  view.setBigUint64(24, BigInt(loadAddress + headerBytes), true) // entry
  view.setBigUint64(32, 64n, true) // program header offset
  view.setUint16(52, 64, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, 1, true)
  view.setUint32(64, 1, true) // PT_LOAD
  view.setUint32(68, 5, true) // readable, executable
  view.setBigUint64(80, BigInt(loadAddress), true)
  view.setBigUint64(88, BigInt(loadAddress), true)
  view.setBigUint64(96, BigInt(bytes.length), true)
  view.setBigUint64(104, BigInt(bytes.length), true)
  view.setBigUint64(112, 0x1000n, true)
  bytes.set(code, headerBytes)
  return bytes
}

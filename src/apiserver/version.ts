import { arch, platform } from 'node:process'

/** GET /version: the level of the API that is served (version.Info). */
export const serverVersion = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0+stormo',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-04-22T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${platform}/${arch === 'x64' ? 'amd64' : arch}`,
} as const

import { type CommandDefinition, type Invocation, UsageError } from '../command.ts'
import { connectionOptions } from '../connection.ts'
import { type ImageStores, imageStores } from '../image-stores.ts'
import { printTable } from '../printers/table.ts'

const nameOption = { flags: '--name <cluster>', summary: 'local cluster whose nodes are meant' }

const withStores = async <T>(invocation: Invocation, use: (stores: ImageStores) => Promise<T>): Promise<T> => {
  const stores = await imageStores(invocation)
  try {
    return await use(stores)
  } finally {
    stores.close()
  }
}

export const imageCommand: CommandDefinition = {
  name: 'image',
  summary: 'Bring container images to the nodes without a registry',
  examples: `Examples:
  stormo image load app.tar --name demo
  docker save app:1 | stormo image load -`,
  commands: [
    {
      name: 'load',
      arguments: '<archive-or-image...>',
      summary: "Load docker-save or OCI archives (files, - for standard input), or images of this machine's Docker",
      options: [...connectionOptions, nameOption],
      run: (invocation) =>
        withStores(invocation, async (stores) => {
          for (const source of invocation.args) await stores.load(source)
        }),
    },
    {
      name: 'list',
      aliases: ['ls'],
      summary: 'List the images of the nodes',
      options: [...connectionOptions, nameOption],
      run: (invocation) =>
        withStores(invocation, async (stores) => {
          const images = await stores.list()
          invocation.io.out(
            printTable(
              ['NODE', 'IMAGE', 'SIZE'],
              images.map(({ node, image, bytes }) => [node, image, humanBytes(bytes)]),
            ),
          )
        }),
    },
    {
      name: 'remove',
      aliases: ['rm'],
      arguments: '<image...>',
      summary: 'Remove images from the nodes of a local cluster',
      options: [...connectionOptions, nameOption],
      run: (invocation) =>
        withStores(invocation, async (stores) => {
          if (!stores.remove)
            throw new UsageError("images can be removed from local clusters only: give '--name <cluster>'")
          for (const image of invocation.args) await stores.remove(image)
        }),
    },
  ],
}

export function humanBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

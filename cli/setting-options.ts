import {
  readSettings,
  type SettingDefinition,
  settingDefinitions,
  type SettingName,
  type Settings,
} from '../src/agent/settings.ts'
import type { Invocation, OptionDefinition } from './command.ts'

/** The agent's settings as command line options; the texts come from the one schema. */
export function settingOptions(...names: SettingName[]): OptionDefinition[] {
  return names.map((name) => {
    const { flags, env, summary, ...rest }: SettingDefinition = settingDefinitions[name]
    return { flags, summary: `${summary} (env ${env}${rest.default ? `, default ${rest.default}` : ''})` }
  })
}

/** Who and where a machine is: what is asked of those who make, join, restore or run a member. */
export const placeOptions = settingOptions(
  'dataDir',
  'configDir',
  'nodeName',
  'advertiseAddress',
  'apiPort',
  'meshPort',
  'zone',
  'cloudProvider',
  'linkTrust',
  'ipFamilies',
  'dockerSocket',
)

const given = (invocation: Invocation): Partial<Record<SettingName, string>> =>
  Object.fromEntries(
    Object.keys(settingDefinitions).flatMap((name) =>
      typeof invocation.options[name] === 'string' ? [[name, invocation.options[name]]] : [],
    ),
  )

export const settingsOf = (invocation: Invocation, written: Partial<Record<SettingName, string>> = {}): Settings =>
  readSettings(given(invocation), invocation.io.env, written)

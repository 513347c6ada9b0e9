/** Each asks `stormo __complete` for the candidates of the last word. */
export const completionScripts: Readonly<Record<string, string>> = {
  bash: `# bash completion for stormo
__stormo_complete() {
  local IFS=$'\\n' line=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(compgen -W "$(stormo __complete -- "\${line[@]}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == */ ]] && compopt -o nospace
}
complete -o default -F __stormo_complete stormo
`,
  zsh: `#compdef stormo
compdef _stormo stormo
_stormo() {
  local -a candidates
  candidates=("\${(@f)$(stormo __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a candidates || _files
}
[ "$funcstack[1]" = "_stormo" ] && _stormo
`,
  fish: `# fish completion for stormo
function __stormo_complete
  set -l words (commandline -opc) (commandline -ct)
  stormo __complete -- $words[2..-1] 2>/dev/null
end
complete -c stormo -f -a '(__stormo_complete)'
`,
  powershell: `# powershell completion for stormo
Register-ArgumentCompleter -Native -CommandName stormo -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  if ($wordToComplete -eq '') { $words += '' }
  stormo __complete -- @words 2>$null | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`,
}

"""Scripts that complete command lines."""

from __future__ import annotations

from typing import Literal

from cyclopts import App

from convscope.files import images
from convscope.network import zoo

# What cyclopts' script lacks: names of networks; names with a colon, which bash takes for the end
# of a word; names of files with spaces.
_BASH = """
_convscope_networks='{networks}'
_convscope_samples='{samples}'

_convscope_names() {{
  local IFS=$'\\n'
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}"
  local before="${{COMP_WORDS[COMP_CWORD-2]}}" name
  case "$cur" in =|:) before="$prev"; prev="$cur"; cur="" ;; esac
  if [[ "$prev" == --model || "$before$prev" == "--model=" ]]; then
    COMPREPLY=( $(compgen -W "$_convscope_networks" -- "$cur") )
  elif [[ "$before$prev" == "sample:" ]]; then
    COMPREPLY=( $(compgen -W "$_convscope_samples" -- "$cur") )
  else
    _convscope
    for name in "${{COMPREPLY[@]}}"; do
      [[ -e "$name" ]] && compopt -o filenames 2>/dev/null && break
    done
    if [[ -n "$cur" && "sample" == "$cur"* && $COMP_CWORD -gt 1 && "$prev" != -* ]]; then
      COMPREPLY+=( $(compgen -P sample: -W "$_convscope_samples") )
    fi
  fi
}}
complete -F _convscope_names convscope
"""


def script(app: App, shell: Literal["bash", "zsh", "fish", "powershell"]) -> str:
    """The script for a shell, which completes what is installed now."""
    made = app.generate_completion(prog_name="convscope", shell=shell)
    if shell != "bash":
        return made
    networks, samples = "\n".join(zoo.models()), "\n".join(images.SAMPLES)
    return made + _BASH.format(networks=networks, samples=samples)

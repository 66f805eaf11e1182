# Completion of the perigee shell's commands, options, slots and labels: the
# program itself says what fits.
_perigee() {
  local line="${COMP_WORDS[*]:1:COMP_CWORD-1} ${COMP_WORDS[COMP_CWORD]}"
  local word IFS=$'\n'
  case ${COMP_WORDS[COMP_CWORD]} in
    --*)
      mapfile -t COMPREPLY < <(compgen -W \
        $'--color\n--command\n--file\n--json\n--keep-going\n--module\n--help' -- \
        "${COMP_WORDS[COMP_CWORD]}")
      return
      ;;
  esac
  # Not as an argument, which other users see: it may have a password in it.
  mapfile -t COMPREPLY < <(printf '%s' "${line# }" |
    "${COMP_WORDS[0]}" --complete 2>/dev/null)
  for word in "${!COMPREPLY[@]}"; do
    COMPREPLY[word]=${COMPREPLY[word]% }
  done
  # An option's value that nobody knows is often a file.
  if ((${#COMPREPLY[@]} == 0)); then compopt -o default; fi
}
complete -F _perigee perigee

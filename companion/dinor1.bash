# bash completion for dinor1
# SPDX-License-Identifier: LGPL-2.1-or-later

# The long options of a command, from its own help.
_dinor1_options() {
    "$@" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u
}

_dinor1() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} sub=${COMP_WORDS[2]}

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "detect prompt inspect bench finetune eval annotate help --version" -- "$word")
    elif [ "$COMP_CWORD" -eq 2 ] && [ "$command" = prompt ]; then
        mapfile -t COMPREPLY < <(compgen -W "make add-text list inspect merge remove" -- "$word")
    elif [[ $word == -* ]] && [ "$command" = prompt ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_dinor1_options "${COMP_WORDS[0]}" prompt "$sub")" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_dinor1_options "${COMP_WORDS[0]}" "$command")" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -o filenames -F _dinor1 dinor1

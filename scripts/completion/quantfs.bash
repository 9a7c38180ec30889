# bash completion of quantfs. Commands, options and views come from the program itself, so this file never lags behind.

# Words that `quantfs …` offers: commands, a command's options, what it does, a source's views
_quantfs_commands() { quantfs --help 2>/dev/null | sed -n 's/^  \([a-z][a-z0-9]*\) .*/\1/p'; }
_quantfs_options() { quantfs "$1" --help 2>/dev/null | sed -nE 's/^ +(-.)?,? +(--[a-z][a-z0-9-]*).*/\1 \2/p'; }
_quantfs_actions() { quantfs "$1" --help 2>/dev/null | sed -nE '1s/^usage: quantfs [a-z0-9]+ ([a-z]+(\|[a-z]+)+).*/\1/p' | tr '|' ' '; }
_quantfs_views() { quantfs ls "$1" 2>/dev/null | grep -oE '[^ ]+\.gguf$'; }

_quantfs() {
    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} word words=() number=0
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_quantfs_commands) --help --version" -- "$cur")
        return
    fi
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_quantfs_options "$command")" -- "$cur")
        return
    fi
    for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
        [[ $word == -* ]] || { words+=("$word"); number=$((number + 1)); }
    done
    case $command:$number in
    cat:1 | cp:1 | plan:1 | sha256:1 | verify:1 | prefetch:[1-9]*)
        mapfile -t COMPREPLY < <(compgen -W "$(_quantfs_views "${words[0]}")" -- "$cur") ;;
    cache:0 | ollama:0) mapfile -t COMPREPLY < <(compgen -W "$(_quantfs_actions "$command")" -- "$cur") ;;
    mount:1 | umount:0 | status:0) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}
complete -o filenames -F _quantfs quantfs

# fish completion of quantfs; see quantfs.bash: everything is asked of the program itself.
function __quantfs_commands
    quantfs --help 2>/dev/null | string replace -rf '^  ([a-z][a-z0-9]*) +(?:.*  )?(.*)$' '$1\t$2'
end
function __quantfs_command
    commandline -opc | string match -v -- '-*' | sed -n 2p
end
function __quantfs_options
    quantfs (__quantfs_command) --help 2>/dev/null | string replace -rf '^ +(?:-.,)? +(--[a-z][a-z0-9-]*).*' '$1'
end
function __quantfs_views
    quantfs ls (commandline -opc | string match -v -- '-*' | sed -n 3p) 2>/dev/null | string match -rg '([^ ]+\.gguf)$'
end
function __quantfs_takes_views
    set -l command (__quantfs_command)
    contains -- "$command" cat cp plan sha256 verify prefetch
end
function __quantfs_words
    commandline -opc | string match -v -- '-*' | count
end
complete -c quantfs -n 'test (__quantfs_words) = 1' -f -a '(__quantfs_commands)'
complete -c quantfs -n 'test (__quantfs_words) -gt 1; and string match -q -- "-*" (commandline -ct)' -a '(__quantfs_options)'
complete -c quantfs -n '__quantfs_takes_views; and test (__quantfs_words) -ge 3' -f -a '(__quantfs_views)'
function __quantfs_actions
    quantfs (__quantfs_command) --help 2>/dev/null | string replace -rf '^usage: quantfs [a-z0-9]+ ([a-z]+(?:\|[a-z]+)+).*' '$1' | string split '|'
end
complete -c quantfs -n 'contains -- (__quantfs_command) cache ollama; and test (__quantfs_words) = 2' -f -a '(__quantfs_actions)'

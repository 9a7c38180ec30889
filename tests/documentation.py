#!/usr/bin/env python3
"""documentation.py QUANTFS: what --help lists, the man pages describe and the completions offer, and nothing else."""
import re, shutil, subprocess, sys, tempfile
from pathlib import Path

quantfs = Path(sys.argv[1]).resolve()
top = Path(__file__).resolve().parent.parent
man, completion = top / 'docs/man', top / 'scripts/completion'
home = tempfile.TemporaryDirectory() # shells write into it
environment = {'PATH': f'{quantfs.parent}:/usr/bin:/bin', 'HOME': home.name, 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb'}
failures = []


def expect(good, sentence):
    if not good:
        failures.append(sentence)


def output(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment).stdout


def same(got, want, where):
    expect(got == want, f'{where}: lacks {sorted(want - got)}, has beyond them {sorted(got - want)}')


def plain(page):
    return re.sub(r'\\f.', '', (man / page).read_text().replace('\\-', '-').replace('\\&', ''))


def described(text):
    """Options that a page gives a paragraph of their own: those on the line behind .TP."""
    heads = re.findall(r'^\.TP\n(.*)$', text, re.M)
    return {option for head in heads for option in re.findall(r'(?<![\w-])--?[a-z][a-z0-9-]*', head)}


def sections(text):
    parts = re.split(r'^\.SH (.*)$', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


commands = re.findall(r'^  ([a-z][a-z0-9]*) ', output(quantfs, '--help'), re.M)
expect(len(commands) > 10, 'quantfs --help lists too few commands')
helped = {}
for command in commands:
    lines = output(quantfs, command, '--help').split('\noptions:\n')[-1].splitlines()
    helped[command] = {option for line in lines for option in re.findall(r'^ +(-\w)?,? +(--[a-z0-9-]+)', line)[0] if option}

# One page a command; shared options stand once, in quantfs-options(7), in the section that a page names.
shared = {name: described(text) for name, text in sections(plain('quantfs-options.7')).items() if name.startswith('OPTIONS OF')}
main = plain('quantfs.1')
for command in commands:
    page = f'quantfs-{command}.1'
    expect(f'quantfs-{command} (1)' in main, f'quantfs.1 does not name {page}')
    if not (man / page).exists():
        expect(False, f'docs/man/{page} is missing')
        continue
    text = plain(page)
    parts = sections(text)
    options = described(parts.get('OPTIONS', ''))
    for name in shared:
        if name in text:
            options |= shared[name]
    same(options, helped[command], f'docs/man/{page}')
    expect(not any(option in plain(page) for option in ('TODO', 'FIXME')), page)
    expect(f'quantfs-{command} - ' in text, f'docs/man/{page}: NAME is not "quantfs-{command} - …"')
pages = {path.name for path in man.iterdir()}
same(pages, {f'quantfs-{c}.1' for c in commands} | {'quantfs.1', 'quantfs-options.7', 'mount.quantfs.8'}, 'docs/man')
installed = set(re.findall(r"docs/man/([a-z.0-9-]+)'", (top / 'meson.build').read_text()))
same(installed, pages, 'install_man in meson.build')

version = ' '.join(output(quantfs, '--version').split()[:2])
for page in pages - {'mount.quantfs.8'}:
    expect(f'"{version}"' in plain(page).splitlines()[0], f'docs/man/{page}: not of {version}')

# groff has nothing to say against them.
if shutil.which('groff'):
    for page in sorted(pages):
        said = subprocess.run(['groff', '-man', '-Tutf8', '-ww', '-z', man / page], stderr=subprocess.PIPE, text=True, cwd=man.parent)
        expect(not said.stderr or '.so' in (man / page).read_text(), f'{page}: {said.stderr}')

# Completions: commands and options are asked of the program; each shell that is here is tried.
BASH = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quantfs; printf "%s\\n" "${COMPREPLY[@]}"'
bash = lambda *words: set(output('bash', '-c', BASH, 'bash', completion / 'quantfs.bash', *words).split())
fish = lambda line: {l.split('\t')[0] for l in output('fish', '--no-config', '-c', f'source {completion}/quantfs.fish; complete -C "{line}"').splitlines()}
zsh = lambda command, word='--': set(output('zsh', '-f', '-c', f'words=(quantfs {command} "{word}"); CURRENT=3 PREFIX={word}; compadd() {{ shift; print -l -- "$@" }}; '
                                 f'_t() {{ source {completion}/_quantfs }}; _t').split())
same(bash('quantfs', ''), set(commands) | {'--help', '--version'}, 'bash completion of commands')
if shutil.which('fish'):
    same(fish('quantfs '), set(commands), 'fish completion of commands')
for command in commands:
    long = {option for option in helped[command] if option.startswith('--')}
    same(bash('quantfs', command, '-'), helped[command], f'bash completion of {command}')
    if shutil.which('fish'):
        same({o for o in fish(f'quantfs {command} --') if o.startswith('--')}, long, f'fish completion of {command}')
    if shutil.which('zsh'):
        same(zsh(command), long, f'zsh completion of {command}')

for command, actions in {'cache': {'stat', 'prune', 'clear', 'verify'}, 'ollama': {'link', 'unlink', 'list'}}.items():
    same(bash('quantfs', command, ''), actions, f'bash completion of what {command} does')
    if shutil.which('fish'):
        same(fish(f'quantfs {command} '), actions, f'fish completion of what {command} does')
    if shutil.which('zsh'):
        same(zsh(command, ''), actions, f'zsh completion of what {command} does')

for failure in failures:
    print(failure)
print(f'{len(commands)} commands, {sum(map(len, helped.values()))} options, {len(failures)} wrong')
sys.exit(bool(failures))

#!/usr/bin/env python3
"""Runs commands in a terminal of its own and draws what it showed as SVG.

    terminal-picture.py OUT.svg [--columns N] [--directory DIR] COMMAND…

Each COMMAND is a shell command line, shown behind a prompt. The picture in the README is made so, in a directory that
holds all-MiniLM-L6-v2 (scripts/fetch-minilm.sh) and an empty gguf, with quantfs on the PATH:

    terminal-picture.py docs/terminal.svg --directory DIR \\
        'quantfs mount all-MiniLM-L6-v2 gguf' 'ls gguf | head -n 4' 'sha256sum gguf/*-Q4_K_M.gguf' \\
        'quantfs ls --types F16,Q8_0,Q4_K_M,IQ3_M all-MiniLM-L6-v2' \\
        'quantfs cp all-MiniLM-L6-v2 Q4_K_M copy.gguf' 'quantfs doctor all-MiniLM-L6-v2 | tail -n 4' 'quantfs umount gguf'
"""
import argparse, html, os, pty, re, sys

COLOURS = {'31': '#f2777a', '32': '#99cc99', '33': '#ffcc66'}
TEXT, PROMPT, GROUND = '#d3d0c8', '#6699cc', '#2d2d2d'
SIZE, LINE, WIDTH, MARGIN = 14, 19, 8.43, 16  # pixels: font, line, a column, around all


def run(command, columns, directory):
    """What `command` writes to a terminal."""
    shown = []
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.environ.update(TERM='xterm', LC_ALL='C.UTF-8', COLUMNS=str(columns))
        os.execvp('sh', ['sh', '-c', f'stty cols {columns}; {command}'])
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the terminal is gone with its last program
            break
        if not data:
            break
        shown.append(data)
    os.close(terminal)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        sys.exit(f'{command}: failed: {b"".join(shown).decode()}')
    text = b''.join(shown).decode().replace('\r\n', '\n')
    return [re.sub(r'\x1b\[K', '', line.rpartition('\r')[2]) for line in text.rstrip('\n').split('\n')] if text else []


def wrapped(line, columns):
    """A line as a terminal breaks it; colours take no columns."""
    pieces, used, row = re.split(r'(\x1b\[[\d;]*m)', line), 0, ''
    for piece in pieces:
        if piece.startswith('\x1b'):
            row += piece
            continue
        for letter in piece:
            if used == columns:
                yield row
                row, used = '', 0
            row += letter
            used += 1
    yield row


def spans(line, colour=TEXT):
    out = ''
    for piece in re.split(r'(\x1b\[[\d;]*m)', line):
        code = re.fullmatch(r'\x1b\[([\d;]*)m', piece)
        if code:
            colour = next((COLOURS[number] for number in code.group(1).split(';') if number in COLOURS), TEXT)
        elif piece:
            out += f'<tspan fill="{colour}">{html.escape(piece)}</tspan>'
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('out')
    parser.add_argument('commands', nargs='+')
    parser.add_argument('--columns', type=int, default=118)
    parser.add_argument('--directory', default='.')
    words = parser.parse_args()
    rows = []
    for command in words.commands:
        rows.append(f'<tspan fill="{PROMPT}">$ </tspan>{spans(command)}')
        rows += [spans(row) for line in run(command, words.columns, words.directory) for row in wrapped(line, words.columns)]
    width, height = round(words.columns * WIDTH) + 2 * MARGIN, len(rows) * LINE + 2 * MARGIN
    with open(words.out, 'w') as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
                   f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>\n'
                   f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}">\n')
        for number, row in enumerate(rows):
            file.write(f'<text xml:space="preserve" x="{MARGIN}" y="{MARGIN + 14 + number * LINE}">{row}</text>\n')
        file.write('</g>\n</svg>\n')


if __name__ == '__main__':
    main()

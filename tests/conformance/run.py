#!/usr/bin/env python3
"""Compares views with the live reference, family by family.

    run.py QUANTFS [--table FILE [--missing]] [--jobs N] [--keep DIR] [--tokenizers DIR] [NAME…]

NAME: a list (file of this folder, "granite") or a row ("granite-moe"). Each row's model is made twice: once with its
full configuration, once as labs release them (nothing that equals the defaults, old key names), converted by the
reference and by QUANTFS, and compared byte for byte. Runs in the reference's own Python; scripts/conformance.sh
finds it. --table writes each row, as it is done, into the Markdown table of docs/MODELS.md, between its two marks.

transformers and the converter are imported once; each step runs in a child forked from that.
"""
import argparse
import contextlib
import ctypes
import functools
import glob
import hashlib
import importlib
import json
import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.environ.get('QUANTFS_REFERENCE') or os.path.expanduser('~/.cache/quantfs-reference')
TREE = ROOT + '/llama.cpp'
MARK = '<!-- conformance -->', '<!-- /conformance -->'

# Sizes of every model here, under the names that most configurations use; those a class does not know are left out.
SMALL = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=2048, bos_token_id=1, eos_token_id=2,
             moe_intermediate_size=256)


def load_reference():
    """Everything that a child will need, imported; strings hash and chat templates sort as the reference is defined."""
    sys.path[:0] = [TREE + '/gguf-py', TREE, HERE]
    global torch, transformers, gguf
    import torch
    import transformers
    import gguf
    import transformers.models.auto.configuration_auto
    import transformers.models.auto.modeling_auto
    import transformers.models.auto.tokenization_auto
    transformers.logging.set_verbosity_error()
    add_array = gguf.GGUFWriter.add_array
    gguf.GGUFWriter.add_array = lambda self, key, value: add_array(
        self, key, sorted(value) if key == 'tokenizer.chat_templates' else value)
    import conversion
    for file in sorted(glob.glob(TREE + '/conversion/*.py')):
        with contextlib.suppress(ImportError):
            importlib.import_module('conversion.' + os.path.basename(file)[:-3])


def in_child(log, function, *args):
    """Runs function in a fork, its output to the file `log`; True when it returned."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            torch.set_num_threads(1)
            function(*args)
            code = 0
        except SystemExit as e:
            if e.code:
                print(e.code, file=sys.stderr)
            code = 1 if e.code else 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def last_line(log):
    with open(log, errors='replace') as f:
        lines = [line.strip() for line in f if line.strip()]
    return lines[-1] if lines else '?'


# -- models


def copy_tokenizer(row, tokenizers, out):
    if row.tokenizer == 'tiny':
        sys.path.insert(0, HERE + '/../golden')
        import make_model
        with open(out + '/tokenizer.model', 'wb') as f:
            f.write(make_model.sentencepiece())
        with open(out + '/tokenizer_config.json', 'w') as f:
            json.dump(dict(tokenizer_class='LlamaTokenizer', bos_token='<s>', eos_token='</s>', unk_token='<unk>'), f)
    elif row.tokenizer:
        for file in os.listdir(f'{tokenizers}/{row.tokenizer}'):
            shutil.copy(f'{tokenizers}/{row.tokenizer}/{file}', out)


    if row.added:
        with open(out + '/tokenizer.json') as f:
            t = json.load(f)
        first = vocab_size(row, tokenizers) - len(row.added)
        t['added_tokens'] += [dict(id=first + i, content=token, single_word=False, lstrip=False, rstrip=False,
                                   normalized=False, special=True) for i, token in enumerate(row.added)]
        with open(out + '/tokenizer.json', 'w') as f:
            json.dump(t, f)


def vocab_size(row, tokenizers):
    if row.tokenizer is None:
        return None
    if row.tokenizer == 'tiny':
        return 320
    folder = f'{tokenizers}/{row.tokenizer}'
    if os.path.exists(folder + '/tokenizer.json'):
        with open(folder + '/tokenizer.json') as f:
            t = json.load(f)
        vocab = t['model']['vocab']
        ids = list(vocab.values()) if isinstance(vocab, dict) else range(len(vocab))
        return max([*ids, *(a['id'] for a in t.get('added_tokens', []))]) + 1 + len(row.added)
    import sentencepiece
    return sentencepiece.SentencePieceProcessor(folder + '/tokenizer.model').vocab_size()


def model_config(row, tokenizers):
    """row.config with SMALL and the vocabulary's size, where the class knows them."""
    size = {} if row.bare else dict(SMALL)
    if vocab_size(row, tokenizers):
        size['vocab_size'] = vocab_size(row, tokenizers)
    if row.text:
        return {**row.config, row.text: {**size, **row.config.get(row.text, {})}}
    return {**size, **row.config}


def model_class(cls):
    found = getattr(transformers, cls, None)
    if found is None:
        raise SystemExit(f'transformers has no {cls}: its row must say its tensors')
    return found


def fill(model):
    """Every parameter and saved buffer its own random values; norms near one."""
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(0, 0.05)
            if 'norm' in name and name.endswith('weight'):
                tensor.add_(1)


def save(row, config, out):
    os.makedirs(out)
    if row.tensors:
        from safetensors.torch import save_file
        torch.manual_seed(0)
        tensors = {}
        for name, shape in row.tensors(config).items():
            shape, dtype = shape if isinstance(shape, tuple) else (shape, 'bfloat16')
            values, dtype = torch.normal(0.0, 0.05, tuple(shape)), getattr(torch, dtype)
            if dtype == torch.float8_e8m0fnu:
                values = ((values * 1e4).long() % 6 + 117).to(torch.uint8).view(dtype)
            elif not dtype.is_floating_point:
                values = (values * 1e4).long() % 251
            tensors[name] = values.to(dtype)
        save_file(tensors, out + '/model.safetensors', metadata={'format': 'pt'})
        text = dict(architectures=[row.cls], torch_dtype='bfloat16', **config)
        with open(out + '/config.json', 'w') as f:
            json.dump(text, f, indent=2)
    else:
        if row.make:
            model = row.make(config)
        else:
            cls = model_class(row.cls)
            known = cls.config_class().to_dict()
            if not row.text:
                config = {k: v for k, v in config.items() if k not in SMALL or k in known or k in row.config or
                          k in cls.config_class.attribute_map}
            model = cls(cls.config_class(**config))
        fill(model)
        model = model.to(torch.bfloat16)
        state = row.patch(model.state_dict()) if row.patch else None
        model.save_pretrained(out, **({'state_dict': state} if state else {}))
        with open(out + '/config.json') as f:
            text = json.load(f)
        text['architectures'] = [row.cls]
        with open(out + '/config.json', 'w') as f:
            json.dump(text, f, indent=2)
    for name, data in row.files.items():
        os.makedirs(os.path.dirname(f'{out}/{name}'), exist_ok=True)
        with open(f'{out}/{name}', 'wb') as f:
            f.write(data if isinstance(data, bytes) else data.encode())
    if row.checkpoint:
        row.checkpoint(out)


def strip(config, defaults):
    """config without what equals the defaults, sub-configurations likewise."""
    out = {}
    for key, value in config.items():
        default = defaults.get(key, strip)
        if isinstance(value, dict) and isinstance(default, dict) and key.endswith('config'):
            value = strip(value, default)
            value = value or None
            if value is None:
                continue
        elif key not in ('model_type', 'architectures') and value == default:
            continue
        out[key] = value
    return out


def old_names(config):
    """Names that transformers 5 replaced: dtype, rope_parameters."""
    out = {}
    for key, value in config.items():
        if key == 'dtype':
            key = 'torch_dtype'
        elif key == 'rope_parameters' and isinstance(value, dict) and 'rope_theta' in value:
            rest = {k: v for k, v in value.items() if k != 'rope_theta'}
            out['rope_theta'] = value['rope_theta']
            if rest.get('rope_type', 'default') != 'default':
                out['rope_scaling'] = rest
            continue
        elif isinstance(value, dict) and key.endswith('config'):
            value = old_names(value)
        out[key] = value
    return out


def release(row, full, out):
    """The same model as a lab would have released it years ago."""
    shutil.copytree(full, out, symlinks=True)
    if not os.path.exists(full + '/config.json'):
        return  # Mistral's own format has no defaults
    with open(full + '/config.json') as f:
        config = json.load(f)
    if not row.tensors:
        defaults = getattr(transformers, row.cls).config_class().to_dict() if hasattr(transformers, row.cls) else {}
        config = strip(config, defaults)
        config.pop('transformers_version', None)
    config = old_names(config)
    if row.released:
        config = row.released(config)
    with open(out + '/config.json', 'w') as f:
        json.dump(config, f, indent=2)


# -- the two sides


def convert(model, out, *options):
    os.chdir(os.path.dirname(model))
    sys.argv = [TREE + '/convert_hf_to_gguf.py', os.path.basename(model), '--outfile', out, *options]
    sys.path.insert(0, TREE)  # where a script finds its own folder, and this one its vocabularies
    import logging
    logging.root.handlers.clear()
    runpy.run_path(sys.argv[0], run_name='__main__')


FTYPES = dict(Q4_0=2, Q8_0=7, Q2_K=10, Q3_K_M=12, Q4_K_M=15, Q5_K_M=17, Q6_K=18, IQ4_XS=30, MXFP4_MOE=38)


class Params(ctypes.Structure):  # llama_model_quantize_params of llama.cpp v0.5.0
    _fields_ = [('nthread', ctypes.c_int32), ('ftype', ctypes.c_int), ('output_type', ctypes.c_int),
                ('embedding_type', ctypes.c_int), ('flags', ctypes.c_bool * 6), ('imatrix', ctypes.c_void_p),
                ('kv_overrides', ctypes.c_void_p), ('tensor_types', ctypes.c_void_p), ('prune', ctypes.c_void_p),
                ('max_buf_size', ctypes.c_size_t)]


def quantize(source, out, kind):
    for pattern in ('libggml-base.so', 'libggml.v*.so', 'libllama.v*.so'):
        llama = ctypes.CDLL(glob.glob(f'{ROOT}/lib/{pattern}')[0], mode=ctypes.RTLD_GLOBAL)
    llama.llama_model_quantize_default_params.restype = Params
    params = llama.llama_model_quantize_default_params()
    params.nthread, params.ftype = 1, FTYPES[kind]
    llama.llama_backend_init()
    if llama.llama_model_quantize(source.encode(), (out + '.part').encode(), ctypes.byref(params)):
        raise SystemExit('llama-quantize fails')
    os.rename(out + '.part', out)  # a refusal leaves a beginning behind


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest()


class Outcome:
    def __init__(self, same, text):
        self.same, self.text = same, text


def compare(quantfs, model, kind, made, log, options=()):
    """`made`: the reference's file, or None where it failed (its reason is the last line of log)."""
    mine = made + '.mine' if made else log + '.mine'
    with open(mine, 'wb') as f:
        r = subprocess.run([quantfs, 'cat', *options, model, kind], stdout=f, stderr=subprocess.PIPE, text=True, errors='replace')
    try:
        if made is None:
            if r.returncode:
                return Outcome(True, 'refused by both')
            return Outcome(False, f'only the reference refuses: {last_line(log)}')
        if r.returncode:
            return Outcome(False, f'only quantfs refuses: {r.stderr.strip()[-300:]}')
        return Outcome(True, 'same') if digest(mine) == digest(made) else Outcome(False, 'DIFFERS')
    finally:
        os.unlink(mine)


def auto_type(made):
    """The outtype that `auto` chose, as a view's name has it."""
    reader = gguf.GGUFReader(made)
    if 'general.file_type' not in reader.fields:  # a few families do not write it
        used = [t.tensor_type.name for t in reader.tensors if len(t.shape) > 1]
        return next((t for t in used if t != 'F32'), 'F32')
    kind = {0: 'F32', 1: 'F16', 32: 'BF16'}.get(int(reader.fields['general.file_type'].contents()))
    return kind or ('F16' if any(t.tensor_type.name == 'F16' for t in reader.tensors) else 'BF16')


def check_model(quantfs, row, model, work):
    """Outcomes by type for one directory. What is made of the same source file again is kept in work."""
    out, log = {}, f'{work}/log'
    source = f'{work}/source.gguf'
    if row.types and not in_child(log, convert, model, source, *row.options):
        out['SOURCE'] = compare(quantfs, model, 'BF16', None, log, row.ours)
        out['SOURCE'].text += f' ({last_line(log)[:160]})' if out['SOURCE'].same else ''
        return out
    for kind in row.types:
        if kind == 'SOURCE':
            out[kind] = compare(quantfs, model, auto_type(source), source, log, row.ours)
        elif kind in ('F32', 'F16', 'BF16'):
            made = f'{work}/{kind}.gguf'
            ok = in_child(log, convert, model, made, '--outtype', kind.lower(), *row.options)
            out[kind] = compare(quantfs, model, kind, made if ok else None, log, row.ours)
        else:
            made = f'{work}/{digest(source)}-{kind}.gguf'
            ok = os.path.exists(made) or in_child(log, quantize, source, made, kind)
            out[kind] = compare(quantfs, model, kind, made if ok else None, log, row.ours)
    if row.mmproj:
        made = f'{work}/mmproj.gguf'
        ok = in_child(log, convert, model, made, '--mmproj', '--outtype', 'f16')
        out['mmproj-F16'] = compare(quantfs, model, 'mmproj-F16', made if ok else None, log, row.ours)
    return out


def run_row(quantfs, row, tokenizers, folder):
    """(variant, type) → Outcome"""
    full, old = f'{folder}/full/{row.name}', f'{folder}/released/{row.name}'
    work, log = f'{folder}/work', f'{folder}/make.log'
    for path in (folder + '/full', folder + '/released', work):
        os.makedirs(path, exist_ok=True)
    if not os.path.exists(full):
        if not in_child(log, save, row, model_config(row, tokenizers), full):
            return {('full', 'model'): Outcome(False, 'not made: ' + last_line(log))}
        copy_tokenizer(row, tokenizers, full)
        if not in_child(log, release, row, full, old):
            return {('released', 'model'): Outcome(False, 'not made: ' + last_line(log))}
    out = {}
    for variant, path in (('full', full), ('released', old)):
        for kind, outcome in check_model(quantfs, row, path, work).items():
            out[variant, kind] = outcome
    shutil.rmtree(work)
    return out


all_rows = {}  # by name; rows hold functions, which cannot be sent to a worker


def run_in(quantfs, tokenizers, top, keep, name):
    folder = f'{top}/{name}'
    os.makedirs(folder, exist_ok=True)
    outcomes = run_row(quantfs, all_rows[name], tokenizers, folder)
    if not keep:
        shutil.rmtree(folder)
    return outcomes


def table_line(row, outcomes):
    cells = [outcomes.get((v, k)) for k in ('SOURCE', 'Q4_K_M') for v in ('full', 'released')]
    cells[0] = cells[0] or next((o for (_, k), o in outcomes.items() if k == 'model'), None)  # could not be made
    projector = [o.text for (_, k), o in outcomes.items() if k.startswith('mmproj')]
    note = f' ({row.note})' if row.note else ''
    texts = [o.text.replace('|', ' ') if o else '' for o in cells] + [', '.join(sorted(set(projector)))]
    return f'| {row.cls} | {row.name}{note} | ' + ' | '.join(texts) + ' |'


def write_table(path, rows, results):
    """The lines of `results` are new; those of other rows stay as they are. Order: that of `rows`, all there are."""
    with open(path) as f:
        text = f.read()
    head, rest = text.split(MARK[0])
    old, tail = rest.split(MARK[1])
    lines = {line.split('|')[2].split()[0]: line for line in old.splitlines()
             if line.startswith('| ') and not line.startswith('| architecture')}
    lines.update((row.name, table_line(row, results[row.name])) for row in rows if row.name in results)
    kept = [lines[row.name] for row in rows if row.name in lines]
    same = sum(all(w in ('same', '') or w.startswith('refused by both') for w in
                   (c.strip() for c in line.split('|')[3:-1])) for line in kept)
    both = sum('refused by both' in line for line in kept)
    top = ['| architecture | model made | SOURCE, full | SOURCE, as released | Q4_K_M, full | Q4_K_M, as released | mmproj F16 |',
           '|---|---|---|---|---|---|---|']
    end = ['', f'{same} of {len(kept)} rows identical, {both} of these refused by the reference as well.']
    with open(path, 'w') as f:
        f.write(head + MARK[0] + '\n' + '\n'.join(top + kept + end) + '\n' + MARK[1] + tail)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('quantfs')
    p.add_argument('name', nargs='*')
    p.add_argument('--table')
    p.add_argument('--missing', action='store_true', help='only rows that the table lacks')
    p.add_argument('--jobs', type=int, default=os.cpu_count(), help='rows at a time')
    p.add_argument('--keep', help='a folder for the models, used again the next time')
    p.add_argument('--tokenizers', default=os.path.abspath(HERE + '/../../../shared/models/tokenizers'))
    a = p.parse_intermixed_args()
    quantfs = os.path.abspath(a.quantfs)
    load_reference()
    os.environ['LD_LIBRARY_PATH'] = ROOT + '/lib'
    everything, rows = [], []
    for file in sorted(glob.glob(HERE + '/*.py')):
        module = os.path.basename(file)[:-3]
        if module in ('run', 'conformance'):
            continue
        for row in importlib.import_module(module).ROWS:
            row.list = module
            everything.append(row)
            if not a.name or module in a.name or row.name in a.name:
                rows.append(row)
    if a.name:  # in the order they were asked for
        rows.sort(key=lambda row: min(i for i, n in enumerate(a.name) if n == row.name or n == row.list))
    if a.missing:
        with open(a.table) as f:
            there = {line.split('|')[2].split()[0] for line in f if line.count('|') == 8}
        rows = [row for row in rows if row.name not in there]
    if not rows:
        sys.exit('no such row: ' + ' '.join(a.name))
    all_rows.update((row.name, row) for row in rows)  # before the workers are forked
    results, passed, failed = {}, 0, 0
    with contextlib.ExitStack() as stack:
        top = os.path.abspath(a.keep) if a.keep else stack.enter_context(tempfile.TemporaryDirectory())

        work = functools.partial(run_in, quantfs, a.tokenizers, top, bool(a.keep))
        pool = stack.enter_context(multiprocessing.get_context('fork').Pool(a.jobs))
        for row, outcomes in zip(rows, pool.imap(work, [r.name for r in rows])):
            results[row.name] = outcomes
            if a.table:
                write_table(a.table, everything, results)
            good = all(o.same for o in outcomes.values())
            passed, failed = passed + good, failed + (not good)
            print(f'{"ok   " if good else "FAIL "} {row.cls} {row.name}: ' + ', '.join(
                f'{v} {k} {o.text}' for (v, k), o in outcomes.items()), flush=True)
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()

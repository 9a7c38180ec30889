#!/usr/bin/env python3
"""The reference's vocabulary keys of model directories, as tests/vocab_dump prints ours.

Reads lines "METHOD<TAB>MODEL_DIR" from stdin (one process serves many: starting it takes seconds) and
answers each with its keys or "error: ...", then a line "end". Runs with the reference's own Python:
    ~/.cache/quantfs-reference/venv/bin/python scripts/vocab-reference.py [SAMPLES.json] < list
"""
import ast, contextlib, hashlib, io, json, logging, os, sys
from pathlib import Path

ROOT = Path(os.environ.get('QUANTFS_REFERENCE', Path.home() / '.cache/quantfs-reference'))
os.environ.update(CUDA_VISIBLE_DEVICES='', HF_HUB_OFFLINE='1', TRANSFORMERS_VERBOSITY='critical')
sys.path[:0] = [str(ROOT / 'llama.cpp'), str(ROOT / 'llama.cpp/gguf-py')]   # as the converter's script has them

import gguf                                     # noqa: E402
from conversion.base import TextModel  # noqa: E402
from conversion.bert import BertModel             # noqa: E402
from conversion.llama import LlamaModel           # noqa: E402
from conversion.qwen import Qwen2Model            # noqa: E402
from conversion.t5 import T5Model                 # noqa: E402
from conversion.phi import Phi3MiniModel          # noqa: E402
from conversion.internlm import InternLM2Model, InternLM3Model  # noqa: E402
from conversion.arctic import ArcticModel         # noqa: E402
from conversion.xverse import XverseModel         # noqa: E402
from conversion.chatglm import ChatGLMModel       # noqa: E402
from conversion.gemma import Gemma4Model          # noqa: E402
from conversion.hunyuan import HunYuanModel, HunYuanMoEModel  # noqa: E402
from conversion.deepseek import DeepseekV2Model   # noqa: E402
from conversion.kimi_linear import KimiLinearModel  # noqa: E402
from conversion.llada import LLaDAModel           # noqa: E402

logging.disable(logging.CRITICAL)
METHODS = {
    'llama': (LlamaModel, LlamaModel.set_vocab),
    'gpt2': (LlamaModel, TextModel._set_vocab_gpt2),
    'sentencepiece': (LlamaModel, TextModel._set_vocab_sentencepiece),
    'sentencepiece_or_gpt2': (Qwen2Model, Qwen2Model.set_vocab),
    'bert': (BertModel, BertModel.set_vocab),
    **{name: (LlamaModel, getattr(TextModel, '_set_vocab_' + name)) for name in
       ('none', 'whitespace', 'glm', 'glmedge', 'interns1', 'qwen', 'rwkv_world', 'mistral', 'plamo', 'llama_hf')},
    'gpt-neox': (LlamaModel, lambda m: m._set_vocab_builtin('gpt-neox', m.hparams['vocab_size'])),
    'llama-spm': (LlamaModel, lambda m: m._set_vocab_builtin('llama-spm', m.hparams['vocab_size'])),
    'xlmroberta': (BertModel, BertModel._xlmroberta_set_vocab),
    't5': (T5Model, T5Model.set_vocab),
    'phi3': (Phi3MiniModel, Phi3MiniModel.set_vocab),
    'internlm2': (InternLM2Model, InternLM2Model.set_vocab),
    'internlm3': (InternLM3Model, InternLM3Model.set_vocab),
    'arctic': (ArcticModel, ArcticModel.set_vocab),
    'xverse': (XverseModel, XverseModel.set_vocab),
    'chatglm': (ChatGLMModel, ChatGLMModel.set_vocab),
    'gemma4': (Gemma4Model, Gemma4Model.set_vocab),
    'hunyuan': (HunYuanModel, HunYuanModel.set_vocab),
    'hunyuan_moe': (HunYuanMoEModel, HunYuanMoEModel.set_vocab),
    'deepseek2': (DeepseekV2Model, DeepseekV2Model.set_vocab),
    'kimi': (KimiLinearModel, KimiLinearModel.set_vocab),
    'llada': (LLaDAModel, TextModel._set_vocab_gpt2),
    'special': (LlamaModel, lambda m: gguf.SpecialVocab(m.dir_model, load_merges=True).add_to_gguf(m.gguf_writer)),
}
if PRE := os.environ.get('QUANTFS_PRE'):      # every pre-tokenizer is called so, as with --pre where it is not known
    TextModel.get_vocab_base_pre = lambda self, tokenizer: tokenizer.encode(FIXED_TEXT) and PRE
NAMES = {t: t.name.lower().replace('uint', 'u').replace('int', 'i').replace('float', 'f') for t in gguf.GGUFValueType}


def line(writer, key, value):
    data = writer._pack_val(value.value, value.type, add_vtype=False, sub_type=value.sub_type)
    if value.type == gguf.GGUFValueType.ARRAY:
        item = NAMES[gguf.GGUFValueType(int.from_bytes(data[:4], 'little'))]
        return f"{key} array {item} {int.from_bytes(data[4:12], 'little')} {hashlib.sha256(data[12:]).hexdigest()}"
    if value.type == gguf.GGUFValueType.STRING:
        text = data[8:]
        plain = len(text) < 64 and all(32 < c < 127 for c in text)
        return f"{key} string {text.decode() if plain else hashlib.sha256(text).hexdigest()}"
    return f"{key} {NAMES[value.type]} {data.hex()}"


def raw_config(directory):
    """config.json as it stands: what AutoConfig makes of it is not what is compared here."""
    hparams = json.loads((directory / 'config.json').read_text(encoding='utf-8'))
    return {**hparams, **hparams['text_config']} if 'text_config' in hparams else hparams


def run(method, directory):
    cls, function = METHODS[method]
    directory = os.path.abspath(directory)
    os.chdir(os.path.dirname(directory))      # the converter is run as NAME in its parent
    model = cls.__new__(cls)
    model.dir_model = Path(os.path.basename(directory))
    model.hparams = raw_config(model.dir_model)
    model.origin_hf_arch = None
    model.is_mistral_format, model.vocab_size = False, None
    model.gguf_writer = writer = gguf.GGUFWriter(None, 'llama')
    writer.kv_data[0].clear()
    add_array = writer.add_array
    writer.add_array = lambda k, v: add_array(k, sorted(v) if k == 'tokenizer.chat_templates' else v)
    function(model)
    return [line(writer, k, v) for k, v in writer.kv_data[0].items()]


def run_tokenizer(directory):
    """The tokenizer itself, as vocab_dump's method "tokenizer" prints it."""
    directory = os.path.abspath(directory)
    os.chdir(os.path.dirname(directory))
    path = Path(os.path.basename(directory))
    from transformers import AutoTokenizer
    seen = {}

    def fingerprint(self, tokenizer):
        seen['ids'], seen['tokenizer'] = tokenizer.encode(FIXED_TEXT), tokenizer
        return '?'
    model = LlamaModel.__new__(LlamaModel)
    model.dir_model = path
    model.hparams = raw_config(path)
    original, TextModel.get_vocab_base_pre = TextModel.get_vocab_base_pre, fingerprint
    try:
        tokens, types, _ = model.get_vocab_base()
    finally:
        TextModel.get_vocab_base_pre = original
    tokenizer = seen['tokenizer']
    lines = [f'class {type(tokenizer).__name__}', f"fingerprint {hashlib.sha256(str(seen['ids']).encode()).hexdigest()}"]
    every = ''.join(f'{t}\n{int(y)}\n' for t, y in zip(tokens, types))
    lines.append(f'tokens {len(tokens)} {hashlib.sha256(every.encode()).hexdigest()}')
    for sample in SAMPLES:
        lines.append(' '.join(['ids', *map(str, tokenizer.encode(sample))]))
        plain = tokenizer.encode(sample, add_special_tokens=False)
        lines.append(' '.join(['plain', *map(str, plain)]))
        lines.append('text ' + tokenizer.decode(plain).encode().hex())
    return lines


def fixed_text():
    source = (ROOT / 'llama.cpp/conversion/base.py').read_text(encoding='utf-8')
    return next(n.value.value for n in ast.walk(ast.parse(source))
                if isinstance(n, ast.Assign) and getattr(n.targets[0], 'id', '') == 'chktxt')


FIXED_TEXT = fixed_text()
SAMPLES = json.load(open(sys.argv[1], encoding='utf-8')) if len(sys.argv) > 1 else []
for request in sys.stdin:
    method, directory = request.rstrip('\n').split('\t')
    noise = io.StringIO()
    try:
        with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
            lines = run_tokenizer(directory) if method == 'tokenizer' else run(method, directory)
    except BaseException as e:
        lines = [f'error: {type(e).__name__}: {e}'.replace('\n', ' ')]
    print('\n'.join(lines + ['end']), flush=True)

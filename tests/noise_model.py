"""Model directories of made-up weights, as large as a test wants them and quickly written: make(folder, salt, …).

The same shapes with another salt are another model. Magnitudes are between 2^-15 and 2, so that every type takes them.
"""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / 'golden'))
import make_model

safe_exponents = bytes((b & 0x80) | 0x38 | (b & 7) for b in range(256))


def make(folder, salt='', *, name, hidden, ffn, layers=2):
    """Writes a Llama of eight heads to `folder`; its name is the folder's."""
    def bytes_of(value, dtype):
        tensor, count = value
        data = bytearray(random.Random(tensor + salt).randbytes(2 * count))
        data[1::2] = data[1::2].translate(safe_exponents)
        return bytes(data)

    make_model.weights, make_model.encode = (lambda tensor, count, row: (tensor, count)), bytes_of
    make_model.MODELS[name] = dict(
        dtype='BF16', tensors=lambda: make_model.llama(hidden=hidden, ffn=ffn, layers=layers, heads=8, kv_heads=8),
        config=make_model.config('llama', 'LlamaForCausalLM', hidden_size=hidden, intermediate_size=ffn,
                                 num_attention_heads=8, num_key_value_heads=8, head_dim=hidden // 8))
    argv, sys.argv = sys.argv, ['', name, str(folder)]
    try:
        make_model.main()
    finally:
        sys.argv = argv
    return folder

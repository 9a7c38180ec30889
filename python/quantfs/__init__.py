"""GGUF views of Hugging Face model directories, read without converting anything.

    import quantfs

    with quantfs.open('Qwen2.5-7B-Instruct') as source:
        print(list(source))
        view = source['Q4_K_M']
        header = view.read(0, 4096)
        norm = view.tensors['output_norm.weight'].numpy()

Every byte is the byte that convert_hf_to_gguf.py and llama-quantize would have written. The fsspec filesystem
``quantfs://`` is in `quantfs.filesystem`; `quantfs.gguf.open` reads any GGUF file, one on a mount too.
"""
from ._library import reference_version, version
from .gguf import GGUF, Tensor
from .source import Options, Source, View, open

__all__ = ['GGUF', 'Options', 'Source', 'Tensor', 'View', 'open', 'reference_version', 'version']
__version__ = version()

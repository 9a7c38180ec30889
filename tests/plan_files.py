"""What the plan tests need to know of GGUF files."""
import struct

TYPES = '''F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q5_K_S Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_1 Q4_0 IQ4_NL IQ4_XS MXFP4_MOE Q3_K_L
    Q3_K_M Q3_K_S IQ3_M IQ3_S IQ3_XS IQ3_XXS Q2_K Q2_K_S IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S Q2_0 TQ2_0 TQ1_0
    Q1_0'''.split()
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
BLOCKS = {0: (1, 4), 1: (1, 2), 8: (32, 34), 26: (1, 4), 30: (1, 2), 39: (32, 17)}


def string(s):
    b = s.encode() if isinstance(s, str) else s
    return struct.pack('<Q', len(b)) + b


def parse(data):
    """Keys as (name, bytes), tensors as (name, dimensions, type), and where the tensor infos end."""
    at = 8
    ntensors, nkvs = struct.unpack_from('<QQ', data, at)
    at += 16

    def text(at):
        n, = struct.unpack_from('<Q', data, at)
        return data[at + 8:at + 8 + n], at + 8 + n
    kvs, tensors = [], []
    for _ in range(nkvs):
        start = at
        key, at = text(at)
        kind, = struct.unpack_from('<I', data, at)
        at += 4
        if kind == 8:
            at = text(at)[1]
        elif kind == 9:
            item, count = struct.unpack_from('<IQ', data, at)
            at += 12
            if item == 8:
                for _ in range(count):
                    at = text(at)[1]
            else:
                at += SIZES[item] * count
        else:
            at += SIZES[kind]
        kvs.append((key.decode(), data[start:at]))
    for _ in range(ntensors):
        name, at = text(at)
        ndim, = struct.unpack_from('<I', data, at)
        ne = list(struct.unpack_from(f'<{ndim}Q', data, at + 4))
        kind, = struct.unpack_from('<I', data, at + 4 + 8 * ndim)
        at += 4 + 8 * ndim + 4 + 8
        tensors.append((name.decode(), ne, kind))
    return kvs, tensors, at


def read_start(path):
    with open(path, 'rb') as f:
        return f.read(64 << 20)


def header_of(path):
    """The bytes before the data of a GGUF file."""
    data = read_start(path)
    return data[:(parse(data)[2] + 31) // 32 * 32]


def strip(path):
    """The header of a file without its vocabulary, and the size of a file that it would stand in."""
    kvs, tensors, _ = parse(read_start(path))
    kvs = [v for k, v in kvs if not k.startswith('tokenizer.')]
    head = struct.pack('<4sIQQ', b'GGUF', 3, len(tensors), len(kvs)) + b''.join(kvs)
    offset = 0
    for name, ne, kind in tensors:
        head += string(name) + struct.pack(f'<I{len(ne)}QIQ', len(ne), *ne, kind, offset)
        size = BLOCKS[kind][1] * ne[0] // BLOCKS[kind][0]
        for n in ne[1:]:
            size *= n
        offset += (size + 31) // 32 * 32
    head += bytes(-len(head) % 32)
    return head, len(head) + offset


def write_imatrix(path, tensors, weight=lambda column: 0.5):
    """Importances for every matrix but the embeddings: the means of 4 counts."""
    parts, offset, infos = [], 0, b''
    for name, ne, _ in tensors:
        if len(ne) < 2 or 'embd' in name or len(name) > 55:
            continue
        experts = ne[2] if len(ne) > 2 else 1
        for suffix, shape, values in (('.in_sum2', (ne[0], experts), [4 * weight(i) for i in range(ne[0] * experts)]), ('.counts', (1, experts), [4.0] * experts)):
            infos += string(name + suffix) + struct.pack('<IQQIQ', 2, *shape, 0, offset)
            blob = struct.pack(f'<{len(values)}f', *values)
            blob += bytes(-len(blob) % 32)
            parts.append(blob)
            offset += len(blob)
    kvs = string('general.type') + struct.pack('<I', 8) + string('imatrix')
    kvs += string('imatrix.datasets') + struct.pack('<IIQ', 9, 8, 1) + string('made-up')
    kvs += string('imatrix.chunk_count') + struct.pack('<II', 4, 8) + string('imatrix.chunk_size') + struct.pack('<II', 4, 512)
    head = struct.pack('<4sIQQ', b'GGUF', 3, len(parts), 4) + kvs + infos
    path.write_bytes(head + bytes(-len(head) % 32) + b''.join(parts))

#!/usr/bin/env python3
"""Writes model/schema_table.inc: what transformers' configuration classes do with a config.json.

The converter reads config.json through AutoConfig, which fills in defaults, renames fields, checks types and
runs some lines of code a class. This script looks at the classes themselves (run it with a Python that has the
pinned transformers) and writes each one down as text for model/rule_*.c: fields with their types and defaults,
constants, and the procedures as expressions in prefix form.

    generate-schemas.py OUT.inc
"""
import ast
import builtins
import dataclasses
import inspect
import math
import os
import re
import sys
import textwrap
import types
import typing
import collections
import collections.abc

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
import transformers
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.configuration_utils import SubConfigSpec
from transformers.generation.configuration_utils import GenerationConfig
from transformers.integrations.heterogeneity.configuration_utils import _get_layer_config, _HeterogeneitySpec
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

TRANSFORMERS = "5.23.0"

# Procedures that the interpreter has of its own (rule_class.c), or that a converter never reaches.
NATIVE = {
    "__init__", "__setattr__", "__getattribute__", "__eq__", "__repr__", "__iter__", "__init_subclass__",
    "__hash__", "__replace__", "__delattr__", "to_dict@PreTrainedConfig", "validate",
    "_remove_keys_not_serialized", "dict_dtype_to_str", "_iter_config_keys_with_heterogeneous_adjustment",
    "_getattr_without_heterogeneous_validation", "_hasattr_without_heterogeneous_validation",
    "save_pretrained", "from_pretrained",
    "get_config_dict", "_get_config_dict", "from_dict@PreTrainedConfig", "from_json_file",
    "_dict_from_json_file", "_encode_special_floats", "_decode_special_floats", "to_diff_dict", "to_json_string",
    "to_json_file", "update", "update_from_string", "register_for_auto_class", "is_remote_code",
    "is_custom_code", "default_config_fields", "_get_generation_parameters", "get_mtp_config", "push_to_hub",
    "_upload_modified_files", "_get_files_timestamps", "sub_configs",
}
# Class attributes that no procedure and no reader of the dict looks at.
UNUSED = {
    "base_model_tp_plan", "base_model_pp_plan", "base_model_ep_plan", "base_model_fsdp_plan",
    "keys_to_ignore_at_inference", "sub_configs_defaults", "attribute_map", "sub_configs", "extra_files",
    "extra_config_files", "_auto_class",
}

TYPE_NAMES = {int: "int", float: "float", str: "str", bool: "bool", dict: "dict", list: "list", tuple: "tuple",
              set: "set", type(None): "NoneType", object: "object", bytes: "bytes"}


class Unsupported(Exception):
    pass


def text(value):
    """A string in the rule language: single quotes, backslash escapes for quote, backslash and newline."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def literal(value):
    """A Python value as an expression."""
    if value is None:
        return "nil"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isinf(value):
            return "-inf" if value < 0 else "inf"
        return repr(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return "(list" + "".join(" " + literal(v) for v in value) + ")"
    if isinstance(value, tuple):
        return "(tuple" + "".join(" " + literal(v) for v in value) + ")"
    if isinstance(value, (set, frozenset)):
        return "(set" + "".join(" " + literal(v) for v in sorted(value)) + ")"
    if isinstance(value, dict):
        return "(dict" + "".join(f" {literal(k)} {literal(v)}" for k, v in value.items()) + ")"
    if isinstance(value, type) and issubclass(value, PreTrainedConfig):
        return f"(class {text(class_name(value))})"
    if isinstance(value, type) and value in TYPE_NAMES:
        return f"(builtin {text(TYPE_NAMES[value])})"
    if isinstance(value, type) and value in (collections.abc.Sequence, collections.abc.Iterable):
        return f"(builtin {text(value.__name__)})"
    if value is _HeterogeneitySpec:
        return f"(class {text(class_name(value))})"
    if isinstance(value, types.UnionType) or typing.get_origin(value) is typing.Union:
        return literal(tuple(typing.get_args(value)))
    raise Unsupported(f"value {value!r:.80}")


def type_rule(kind):
    """What huggingface_hub.dataclasses.type_validator makes of a field's type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is typing.Any or isinstance(kind, (str, typing.ForwardRef)):
        return "any"
    if kind is None or kind is type(None):
        return "nil"
    if origin in (typing.Union, types.UnionType):
        return "(or " + " ".join(type_rule(a) for a in args) + ")"
    if origin is typing.Literal:
        return "(literal " + " ".join(literal(a) for a in args) + ")"
    if origin in (list, dict, set, tuple):
        if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
            return f"(tuples {type_rule(args[0])})"
        return f"({origin.__name__}" + "".join(" " + type_rule(a) for a in args) + ")"
    if origin is collections.abc.Sequence:
        return "(sequence" + "".join(" " + type_rule(a) for a in args) + ")"
    if isinstance(kind, type):
        if kind is torch.dtype:
            return "dtype"
        if typing.is_typeddict(kind):
            return "never"  # isinstance() of one raises TypeError, which counts as no match
        if kind in TYPE_NAMES:
            return TYPE_NAMES[kind]
        if issubclass(kind, PreTrainedConfig):
            return f"(class {text(class_name(kind))})"
        if kind is collections.abc.Sequence:
            return "(sequence)"
    raise Unsupported(f"type {kind!r}")


def validator_rule(kind, validator):
    """A field's own validator around the rule of its type."""
    name, bound = validator.__qualname__, inspect.getclosurevars(validator).nonlocals
    if name == "positive_int_field":
        return f"(positive {kind})"
    if name == "activation_fn_key":
        return f"(activation {kind})"
    if name.startswith("interval.") and not bound["exclude_min"] and not bound["exclude_max"]:
        return f"(interval {kind} {literal(bound['min'])} {literal(bound['max'])})"
    raise Unsupported(f"validator {name}")


names_of_classes = {}


def class_name(cls):
    """A name that is unique among the classes of the table."""
    name = cls.__name__
    if names_of_classes.setdefault(name, cls) is not cls:
        name = cls.__module__.rsplit(".", 1)[-1].removeprefix("configuration_") + "." + name
        names_of_classes.setdefault(name, cls)
    return name


OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">",
    ast.GtE: ">=", ast.Is: "is", ast.IsNot: "isnot", ast.In: "in", ast.NotIn: "notin",
}
BUILTINS = {
    "len", "range", "isinstance", "getattr", "setattr", "hasattr", "delattr", "list", "tuple", "dict", "set", "int",
    "float", "str", "bool", "min", "max", "sum", "abs", "any", "all", "zip", "enumerate", "sorted", "reversed",
    "round", "type", "issubclass", "super", "callable", "repr", "next", "iter", "map", "object",
}
QUIET = {"logger", "warnings"}  # modules whose calls have no effect on a configuration


class Translator:
    """One function to a rule."""

    def __init__(self, function, owner, functions, problems):
        self.function, self.owner, self.functions = function, owner, functions
        self.problems = problems
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        self.tree = tree
        self.locals = {a.arg for a in tree.args.posonlyargs + tree.args.args + tree.args.kwonlyargs}
        for a in (tree.args.vararg, tree.args.kwarg):
            if a:
                self.locals.add(a.arg)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.locals.add(node.id)
            if isinstance(node, ast.ExceptHandler) and node.name:
                self.locals.add(node.name)
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.locals.update(a.asname or a.name for a in node.names if a.name != "torch")

    def rule(self, name):
        args = self.tree.args
        params = []
        plain = args.args
        defaults = [None] * (len(plain) - len(args.defaults)) + args.defaults
        for a, d in list(zip(plain, defaults)) + list(zip(args.kwonlyargs, args.kw_defaults)):
            params.append(a.arg if d is None else f"({a.arg} {self.expr(d)})")
        if args.vararg:
            params.append(f"(* {args.vararg.arg})")
        if args.kwarg:
            params.append(f"(** {args.kwarg.arg})")
        return f"(def {name} ({' '.join(params)}) {self.block(self.tree.body)})"

    # -- statements

    def block(self, body):
        done = [s for s in (self.known(b) for b in body) if s]
        return done[0] if len(done) == 1 else "(do" + "".join(" " + s for s in done) + ")"

    def known(self, statement):
        """The statement, or one that fails when it is reached."""
        try:
            return self.statement(statement)
        except Unsupported as problem:
            self.problems.append(f"{self.function.__qualname__}: {problem}")
            return "(unknown)"

    def quiet(self, node):
        while isinstance(node, (ast.Call, ast.Attribute)):
            node = node.func if isinstance(node, ast.Call) else node.value
        return isinstance(node, ast.Name) and node.id in QUIET and node.id not in self.locals

    def statement(self, s):
        if isinstance(s, ast.Expr):
            if isinstance(s.value, ast.Constant) or self.quiet(s.value):
                return ""
            return self.expr(s.value)
        if isinstance(s, ast.Assign):
            value = self.expr(s.value)
            return "(= " + " ".join(self.target(t) for t in s.targets) + f" {value})"
        if isinstance(s, ast.AnnAssign):
            return f"(= {self.target(s.target)} {self.expr(s.value)})" if s.value else ""
        if isinstance(s, ast.AugAssign):
            return f"(update {OPERATORS[type(s.op)]} {self.target(s.target)} {self.expr(s.value)})"
        if isinstance(s, ast.If):
            tail = " " + self.block(s.orelse) if s.orelse else ""
            return f"(if {self.expr(s.test)} {self.block(s.body)}{tail})"
        if isinstance(s, ast.For):
            if s.orelse:
                raise Unsupported("for else")
            return f"(for {self.target(s.target)} {self.expr(s.iter)} {self.block(s.body)})"
        if isinstance(s, ast.While):
            return f"(while {self.expr(s.test)} {self.block(s.body)})"
        if isinstance(s, ast.Return):
            return f"(return {self.expr(s.value) if s.value else 'nil'})"
        if isinstance(s, ast.Raise):
            exc = s.exc.func if isinstance(s.exc, ast.Call) else s.exc
            if isinstance(exc, ast.Name) and exc.id in self.locals:
                return "(raise)"
            return f"(raise {text(exc.id)})" if exc is not None else "(raise)"
        if isinstance(s, ast.Try):
            handlers = ""
            for h in s.handlers:
                kinds = [e.id for e in h.type.elts] if isinstance(h.type, ast.Tuple) else [h.type.id]
                handlers += f" (except ({' '.join(map(text, kinds))}) {self.block(h.body)})"
            if s.orelse:
                handlers += f" (else {self.block(s.orelse)})"
            if s.finalbody:
                handlers += f" (finally {self.block(s.finalbody)})"
            return f"(try {self.block(s.body)}{handlers})"
        if isinstance(s, ast.Delete):
            return " ".join(f"(del {self.target(t)})" for t in s.targets)
        if isinstance(s, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in s.names if a.name != "torch"]
            if names and not all(isinstance(getattr(transformers, n, None), type) and
                                 issubclass(getattr(transformers, n), PreTrainedConfig) for n in names):
                raise Unsupported(f"import {names[0]}")
            return " ".join(f"(= {n} {literal(getattr(transformers, n))})" for n in names)
        if isinstance(s, ast.Pass):
            return ""
        if isinstance(s, ast.Continue):
            return "(continue)"
        if isinstance(s, ast.Break):
            return "(break)"
        if isinstance(s, ast.Assert):
            return f"(if {self.expr(s.test)} (do) (raise \"AssertionError\"))"
        raise Unsupported(type(s).__name__)

    def target(self, t):
        if isinstance(t, ast.Name):
            return t.id
        if isinstance(t, (ast.Attribute, ast.Subscript)):
            return self.expr(t)
        if isinstance(t, (ast.Tuple, ast.List)):
            return "(tuple" + "".join(" " + self.target(e) for e in t.elts) + ")"
        raise Unsupported("target " + type(t).__name__)

    # -- expressions

    def many(self, nodes):
        return "".join(" " + self.expr(n) for n in nodes)

    def comprehension(self, kind, element, generators):
        out = f"(each-{kind} {element}"
        for g in generators:
            out += f" (in {self.target(g.target)} {self.expr(g.iter)}{self.many(g.ifs)})"
        return out + ")"

    def expr(self, e):
        if isinstance(e, ast.Constant):
            return literal(e.value)
        if isinstance(e, ast.Name):
            return e.id if e.id in self.locals else self.outer(e.id)
        if isinstance(e, ast.Attribute):
            if isinstance(e.value, ast.Name) and e.value.id not in self.locals:
                value = self.lookup(e.value.id)
                if isinstance(value, types.ModuleType):
                    value = getattr(value, e.attr)
                    if isinstance(value, torch.dtype):
                        return f"(dtype {text(str(value).split('.')[-1])})"
                    if isinstance(value, (int, float, str)):
                        return literal(value)
                    if value is torch.dtype:
                        return f"(builtin {text('dtype')})"
                    return f"(builtin {text(e.value.id + '.' + e.attr)})"
            return f"(. {self.expr(e.value)} {e.attr})"
        if isinstance(e, ast.Subscript):
            if isinstance(e.slice, ast.Slice):
                part = e.slice
                bounds = [self.expr(b) if b else "nil" for b in (part.lower, part.upper, part.step)]
                return f"(slice {self.expr(e.value)} {' '.join(bounds)})"
            return f"(at {self.expr(e.value)} {self.expr(e.slice)})"
        if isinstance(e, ast.Call):
            return self.call(e)
        if isinstance(e, ast.BinOp):
            return f"({OPERATORS[type(e.op)]} {self.expr(e.left)} {self.expr(e.right)})"
        if isinstance(e, ast.BoolOp):
            return f"({'and' if isinstance(e.op, ast.And) else 'or'}{self.many(e.values)})"
        if isinstance(e, ast.UnaryOp):
            if isinstance(e.op, ast.USub) and isinstance(e.operand, ast.Constant):
                return literal(-e.operand.value)
            if isinstance(e.op, ast.Not):
                return f"(not {self.expr(e.operand)})"
            if isinstance(e.op, ast.USub):
                return f"(- 0 {self.expr(e.operand)})"
            raise Unsupported("unary")
        if isinstance(e, ast.Compare):
            if len(e.ops) == 1:
                return f"({OPERATORS[type(e.ops[0])]} {self.expr(e.left)} {self.expr(e.comparators[0])})"
            out = f"(chain {self.expr(e.left)}"
            for op, right in zip(e.ops, e.comparators):
                out += f" {OPERATORS[type(op)]} {self.expr(right)}"
            return out + ")"
        if isinstance(e, ast.IfExp):
            return f"(? {self.expr(e.test)} {self.expr(e.body)} {self.expr(e.orelse)})"
        if isinstance(e, ast.NamedExpr):
            return f"(= {e.target.id} {self.expr(e.value)})"
        if isinstance(e, (ast.List, ast.Tuple, ast.Set)):
            return "(" + type(e).__name__.lower() + "".join(
                f" (* {self.expr(x.value)})" if isinstance(x, ast.Starred) else " " + self.expr(x)
                for x in e.elts) + ")"
        if isinstance(e, ast.Dict):
            out = "(dict"
            for k, v in zip(e.keys, e.values):
                out += f" (** {self.expr(v)})" if k is None else f" {self.expr(k)} {self.expr(v)}"
            return out + ")"
        if isinstance(e, (ast.ListComp, ast.GeneratorExp)):
            return self.comprehension("list", self.expr(e.elt), e.generators)
        if isinstance(e, ast.SetComp):
            return self.comprehension("set", self.expr(e.elt), e.generators)
        if isinstance(e, ast.DictComp):
            return self.comprehension("dict", f"(tuple {self.expr(e.key)} {self.expr(e.value)})", e.generators)
        if isinstance(e, ast.JoinedStr):
            return "(format" + "".join(" " + self.piece(v) for v in e.values) + ")"
        if isinstance(e, ast.Lambda):
            if len(e.args.args) == 1 and isinstance(e.body, ast.Subscript):
                raise Unsupported("lambda")
        raise Unsupported(type(e).__name__)

    def piece(self, v):
        if isinstance(v, ast.Constant):
            return literal(v.value)
        if v.format_spec is not None or v.conversion not in (-1, 114):
            raise Unsupported("format")
        return self.expr(v.value)

    def call(self, e):
        f = e.func
        if self.quiet(f):
            return "nil"
        args = []
        for a in e.args:
            args.append(f"(* {self.expr(a.value)})" if isinstance(a, ast.Starred) else None)
        if isinstance(f, ast.Name) and f.id not in self.locals:
            if f.id == "getattr" and isinstance(e.args[0], ast.Name) and e.args[0].id == "torch":
                return f"(call (builtin {text('torch.dtype')}) {self.expr(e.args[1])})"
            if f.id == "is_torch_available":
                return "true"
        setter = re.fullmatch(r"(\w+)\.(\w+)\.__set__", ast.unparse(f))
        if setter and setter[1] not in self.locals:
            return (f"(call (builtin {text('set_property')}) {self.outer(setter[1])} {text(setter[2])}"
                    f"{self.many(e.args)})")
        signature = re.fullmatch(r"inspect\.signature\((.*)\.__init__\)\.parameters\.keys\(\)", ast.unparse(e))
        if signature:
            return f"(call (builtin {text('parameters')}) {self.expr(ast.parse(signature[1], mode='eval').body)})"
        if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Call) and ast.unparse(f.value) == "super()":
            head = f"(super {text(class_name(self.owner))} {f.attr}"
        elif isinstance(f, ast.Attribute) and ast.unparse(f) == "GenerationConfig._get_default_generation_params":
            return literal(GenerationConfig._get_default_generation_params())
        else:
            head = f"(call {self.expr(f)}"
        for a in e.args:
            head += f" (* {self.expr(a.value)})" if isinstance(a, ast.Starred) else " " + self.expr(a)
        for k in e.keywords:
            head += f" (** {self.expr(k.value)})" if k.arg is None else f" (:{k.arg} {self.expr(k.value)})"
        return head + ")"

    def lookup(self, name):
        closure = inspect.getclosurevars(self.function)
        for space in (closure.nonlocals, self.function.__globals__, vars(builtins)):
            if name in space:
                return space[name]
        if name == "torch":
            return torch
        raise Unsupported(f"name {name}")

    def outer(self, name):
        value = self.lookup(name)
        if name in BUILTINS:
            return f"(builtin {text(name)})"
        if isinstance(value, types.FunctionType):
            if not value.__module__.startswith("transformers."):
                raise Unsupported(f"function {value.__module__}.{name}")
            self.functions.setdefault(name, value)
            if self.functions[name] is not value:
                raise Unsupported(f"two functions {name}")
            return f"(function {text(name)})"
        if len(repr(value)) > 40000:
            raise Unsupported(f"large value {name}")
        return literal(value)


class Table:
    def __init__(self):
        self.classes = {}    # class -> True, in order
        self.functions = {}  # module-level functions that procedures call
        self.problems = []

    def add(self, cls):
        if cls in self.classes:
            return
        self.classes[cls] = True
        for spec in (cls.sub_configs_defaults or {}).values():
            if isinstance(spec.config_class, type) and issubclass(spec.config_class, PreTrainedConfig):
                self.add(spec.config_class)

    def field(self, f, validators):
        try:
            if f.default is not dataclasses.MISSING:
                default = literal(f.default)
            elif f.default_factory is not dataclasses.MISSING:
                default = literal(f.default_factory())
            else:
                default = "required"
        except Unsupported as problem:
            self.problems.append(f"field {f.name}: {problem}")
            default = "unknown"
        kind = "any"
        if f.name in validators:
            # Validators of the nearest class with @strict; the first is a closure over its field.
            field = inspect.getclosurevars(validators[f.name][0]).nonlocals["field"]
            try:
                kind = type_rule(field.type)
                for validator in validators[f.name][1:]:
                    kind = validator_rule(kind, validator)
            except Unsupported as problem:
                self.problems.append(f"field {f.name}: {problem}")
                kind = "unknown"
        return f"({f.name} {kind} {default})"

    def method(self, owner, name, function, kind):
        if name in NATIVE or f"{name}@{owner.__name__}" in NATIVE:
            return ""
        try:
            return "(" + kind + " " + Translator(function, owner, self.functions, self.problems).rule(name) + ")"
        except Unsupported as problem:
            self.problems.append(f"{owner.__name__}.{name}: {problem}")
            return f"({kind} (def {name} unknown))"

    def entry(self, cls, base_fields):
        validators = cls.__validators__
        lines = [f"(types {text(cls.model_type)})"]
        chain = [b for b in cls.__mro__ if b.__module__.startswith("transformers.") and
                 b.__module__ != "transformers.utils.hub"]
        lines.append("(order " + " ".join(text(class_name(b)) for b in chain) + ")")
        if cls.attribute_map:
            lines.append(f"(map {literal(cls.attribute_map)[6:-1]})")
        if cls.sub_configs_defaults:
            subs = ""
            for key, spec in cls.sub_configs_defaults.items():
                auto = not issubclass(spec.config_class, PreTrainedConfig)
                target = "nil" if auto else text(class_name(spec.config_class))
                try:
                    init = literal(spec.init_kwargs)
                except Unsupported as problem:
                    self.problems.append(f"{cls.__name__}.{key}: {problem}")
                    init = "unknown"
                subs += (f" ({key} {target} {literal(spec.model_type)} "
                         f"{'true' if spec.optional else 'false'} {init})")
            lines.append(f"(subs{subs})")
        fields = [self.field(f, validators) for f in dataclasses.fields(cls)]
        own = [f for f in fields if f not in base_fields]
        if own:
            lines.append("(fields " + "\n ".join(own) + ")")
        checks = [v.__name__ for v in cls.__class_validators__] if "__class_validators__" in cls.__dict__ else []
        lines.append("(checks" + "".join(" " + c for c in checks) + ")")
        names = {f.name for f in dataclasses.fields(cls)}
        constants = {}
        for b in reversed(chain):
            if b is PreTrainedConfig or not issubclass(b, PreTrainedConfig):
                if cls is not PreTrainedConfig:
                    continue
            for name, value in vars(b).items():
                if (name.startswith("__") or name in UNUSED or name in names or callable(value) or
                        isinstance(value, (property, classmethod, staticmethod)) or name.startswith("_abc_")):
                    continue
                constants[name] = value
        constants.pop("model_type", None)
        hidden = sorted({n for b in chain for n, v in vars(b).items() if isinstance(v, property) and
                         not isinstance(inspect.getattr_static(cls, n), property)})
        if hidden:
            lines.append("(hide " + " ".join(hidden) + ")")
        for name, value in constants.items():
            try:
                lines.append(f"(const {name} {literal(value)})")
            except Unsupported as problem:
                self.problems.append(f"{cls.__name__}.{name}: {problem}")
                lines.append(f"(const {name} unknown)")
        return lines + self.procedures(cls)

    def procedures(self, owner):
        """Methods and properties that a class defines itself."""
        lines = []
        for name, value in vars(owner).items():
            if isinstance(value, property):
                if value.fget:
                    lines.append(self.method(owner, name, value.fget, "get"))
                if value.fset:
                    lines.append(self.method(owner, name, value.fset, "set"))
            elif isinstance(value, staticmethod):
                lines.append(self.method(owner, name, value.__func__, "static"))
            elif isinstance(value, classmethod):
                lines.append(self.method(owner, name, value.__func__, "classmethod"))
            elif isinstance(value, types.FunctionType) and value.__module__.startswith("transformers."):
                if name in ("validate",) or hasattr(value, "__wrapped__"):
                    continue
                lines.append(self.method(owner, name, value, "method"))
        return [l for l in lines if l]


def c_string(lines, indent="    "):
    out = []
    for line in "\n".join(lines).split("\n"):
        line = line.replace("\\", "\\\\").replace('"', '\\"')
        for start in range(0, len(line), 4000):
            out.append(f'{indent}"{line[start:start + 4000]}' + ("\\n" if start + 4000 >= len(line) else "") + '"')
    return "\n".join(out)


def main():
    assert transformers.__version__ == TRANSFORMERS, transformers.__version__
    table = Table()
    table.classes[PreTrainedConfig] = True
    for model_type in CONFIG_MAPPING_NAMES:
        try:
            table.add(CONFIG_MAPPING[model_type])
        except Exception as problem:
            table.problems.append(f"{model_type}: {problem}")
    for cls in list(table.classes):
        class_name(cls)
    mixins = {}
    for cls in list(table.classes):
        for b in cls.__mro__:
            if (b not in table.classes and b.__module__.startswith("transformers.") and
                    b.__module__ != "transformers.utils.hub"):
                if issubclass(b, PreTrainedConfig):
                    table.add(b)
                else:
                    mixins[b] = True
    base_fields = [table.field(f, PreTrainedConfig.__validators__) for f in dataclasses.fields(PreTrainedConfig)]
    entries = {}
    for cls in table.classes:
        entries[class_name(cls)] = table.entry(cls, [] if cls is PreTrainedConfig else base_fields)
    fields = " ".join(f"({f.name} any required)" for f in dataclasses.fields(_HeterogeneitySpec))
    entries[class_name(_HeterogeneitySpec)] = [f"(order {text(class_name(_HeterogeneitySpec))})", f"(fields {fields})"]
    for cls in mixins:
        entries[class_name(cls)] = [f"(order {text(class_name(cls))})"] + [
            f"(const {n} {literal(v)})" for n, v in vars(cls).items()
            if not n.startswith("__") and not callable(v)
            and not isinstance(v, (property, classmethod, staticmethod))] + table.procedures(cls)
    table.functions["_get_layer_config"] = _get_layer_config  # of per_layer_config, which is rule_class.c's
    functions = {}
    while len(functions) < len(table.functions):
        for name, function in list(table.functions.items()):
            if name not in functions:
                try:
                    functions[name] = Translator(function, None, table.functions, table.problems).rule(name)
                except Unsupported as problem:
                    table.problems.append(f"function {name}: {problem}")
                    functions[name] = f"(def {name} unknown)"
    while len(entries) < len(names_of_classes):  # classes that procedures name
        for name, cls in list(names_of_classes.items()):
            if name not in entries:
                entries[name] = table.entry(cls, base_fields)
    with open(sys.argv[1], "w") as out:
        out.write(f"/* Written by scripts/generate-schemas.py from transformers {transformers.__version__} "
                  "(Apache License 2.0, see NOTICE). */\n\n")
        out.write("const struct rule_row qfs_rule_classes[] = {\n")
        for name in sorted(entries):
            out.write(f'    {{"{name}",\n{c_string(entries[name], "     ")}}},\n')
        out.write("    {NULL, NULL},\n};\n\nconst struct rule_row qfs_rule_functions[] = {\n")
        for name in sorted(functions):
            out.write(f'    {{"{name}",\n{c_string([functions[name]], "     ")}}},\n')
        out.write("    {NULL, NULL},\n};\n\nconst struct rule_row qfs_rule_model_types[] = {\n")
        for model_type in sorted(CONFIG_MAPPING_NAMES):
            out.write(f'    {{"{model_type}", "{class_name(CONFIG_MAPPING[model_type])}"}},\n')
        out.write("    {NULL, NULL},\n};\n\nconst struct rule_row qfs_rule_dtypes[] = {\n")
        for name in sorted(n for n in dir(torch) if isinstance(getattr(torch, n), torch.dtype)):
            out.write(f'    {{"{name}", "{str(getattr(torch, name)).split(".")[-1]}"}},\n')
        out.write("    {NULL, NULL},\n};\n\nconst struct rule_row qfs_rule_activations[] = {\n")
        for name in ACT2FN:
            out.write(f'    {{"{name}", ""}},\n')
        out.write("    {NULL, NULL},\n};\n")
    for problem in table.problems:
        print(problem, file=sys.stderr)
    print(f"{len(entries)} classes, {len(functions)} functions, {len(CONFIG_MAPPING_NAMES)} model types, "
          f"{len(table.problems)} problems", file=sys.stderr)


if __name__ == "__main__":
    main()

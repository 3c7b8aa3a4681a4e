"""Reads a pickle as plain values. No class or function that it names is imported or called.

`torch.load(weights_only=True)` refuses a file for a single object of an unknown class, and reads
all tensors before anyone can compare shapes. Here, unknown objects are inert (`Foreign`), and
tensors stay in the file (`Stored`).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

import torch

from convscope.network.checkpoints.stored import Damaged, Foreign, Named, Storage, Stored, Unusable

# Operations of a pickle, and elements that they copy. A list of 1.2 million numbers is fine. An
# empty dict takes one byte in the file, and 64 in memory.
MOST_OPERATIONS = 4_000_000

_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE")
_NEW_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE8")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_CONSTANTS = frozenset((*_TEXTS, *_NEW_TEXTS, *_BYTES, *_NUMBERS))
_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEYS = (str, int, float, bytes, type(None))

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "QInt8Storage": torch.int8,
    "QUInt8Storage": torch.uint8,
    "QInt32Storage": torch.int32,
}
_NO_NUMBERS = {
    "_rebuild_qtensor": "quantized",
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_meta_tensor_no_storage": "without numbers (on the device 'meta')",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_wrapper_subclass": "of a class of its own",
    "_rebuild_device_tensor_from_numpy": "a NumPy array",
}


def read_pickle(file: Any, storages: dict[str, Storage] | None = None) -> Any:
    """The value of the pickle that begins where the file stands; the file is then behind it.

    Args:
        file: has `read`, `readline` and `tell`, in bytes.
        storages: the storages of its tensors are added to it, by their keys.

    Raises:
        Damaged: this is no pickle, or a very large one.
    """
    machine = _Machine({} if storages is None else storages)
    try:
        for operation, argument, _ in pickletools.genops(file):
            machine.spend(1)
            machine.step(operation.name, argument)
        return machine.pop()
    except Damaged:
        raise
    except Exception as error:  # whatever a broken pickle leads to
        raise Damaged("it is damaged, or no file of weights") from error


class _Machine:
    """The stack on which a pickle builds its value."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.left = MOST_OPERATIONS

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise Damaged("it holds far more than weights")

    def pop(self) -> Any:
        return self.stack.pop()

    def step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(argument)
        elif name in _MADE:
            self.stack.append(_MADE[name]())
        elif name in _SHORT_TUPLES:
            count = _SHORT_TUPLES[name]
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            self._other(name, argument)

    def _other(self, name: str, argument: Any) -> None:
        method: Callable[[Any], None] | None = getattr(self, f"on_{name.lower()}", None)
        if method is None:
            raise Damaged(f"it holds what no file of weights holds ({name})")
        method(argument)

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def on_mark(self, _: Any) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def on_pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def on_pop_mark(self, _: Any) -> None:
        self.since_mark()

    def on_dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def on_tuple(self, _: Any) -> None:
        items = tuple(self.since_mark())
        self.stack.append(items)

    def on_list(self, _: Any) -> None:
        items = self.since_mark()
        self.stack.append(items)

    on_frozenset = on_list

    def on_dict(self, _: Any) -> None:
        items = self.since_mark()
        self.stack.append({})
        self._set(items)

    def on_append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def on_appends(self, _: Any) -> None:
        self._extend(self.since_mark())

    on_additems = on_appends

    def on_setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def on_setitems(self, _: Any) -> None:
        self._set(self.since_mark())

    def _extend(self, items: list[Any]) -> None:
        onto = self.stack[-1]
        (onto.items if isinstance(onto, Foreign) else onto).extend(items)

    def _set(self, items: list[Any]) -> None:
        onto = self.stack[-1]
        found = onto.members if isinstance(onto, Foreign) else onto
        for key, value in zip(items[::2], items[1::2], strict=True):
            # The hash of a tuple of tuples of ... can take forever.
            found[key if isinstance(key, _KEYS) else Foreign("key")] = value

    def on_global(self, argument: str) -> None:
        self.stack.append(Named(argument.replace(" ", ".", 1)))

    def on_stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Named(f"{module}.{name}"))

    def on_reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.spend(sum(len(one) for one in arguments if isinstance(one, list | tuple | dict)))
        self.stack.append(_called(function, arguments))

    on_newobj = on_reduce

    def on_newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self.on_reduce(None)

    def on_obj(self, _: Any) -> None:
        function, *arguments = self.since_mark()
        self.stack += [function, tuple(arguments)]
        self.on_reduce(None)

    def on_inst(self, argument: str) -> None:
        arguments = tuple(self.since_mark())
        self.on_global(argument)
        self.stack.append(arguments)
        self.on_reduce(None)

    def on_build(self, _: Any) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, Foreign):
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, dict):
                    self.spend(len(part))
                    made.members.update(part)

    def on_binpersid(self, _: Any) -> None:
        storage = _storage(self.stack.pop())
        if self.storages.setdefault(storage.key, storage) != storage:
            raise Damaged("it gives two sizes for the numbers of one tensor")
        self.stack.append(storage)


def _storage(what: Any) -> Storage:
    """The block of bytes that a tuple ("storage", class, key, device, elements) stands for."""
    word, kind, key, _, count, *views = what
    if word not in ("storage", b"storage") or any(view is not None for view in views):
        raise Damaged("it holds what no file of weights holds")
    name = kind.name.rpartition(".")[2]
    dtype = None if name == "UntypedStorage" else _STORAGES.get(name)
    if type(count) is not int or count < 0 or (dtype is None and name != "UntypedStorage"):
        raise Damaged("a tensor has no size, or its numbers are of an unknown kind")
    return Storage(str(key), dtype, count * (1 if dtype is None else dtype.itemsize))


def _called(function: Any, arguments: tuple[Any, ...]) -> Any:
    """What a function or class would make of arguments, as far as plain values can show it."""
    if not isinstance(function, Named):
        return Foreign("unknown", arguments)
    match function.name.split("."):
        case ["torch", "_utils", name] if name in _NO_NUMBERS:
            return Unusable(_NO_NUMBERS[name])
        case ["torch", "_utils", "_rebuild_tensor" | "_rebuild_tensor_v2"]:
            storage, offset, shape, stride, *more = arguments
            return _tensor(storage, storage.dtype, offset, shape, stride, more[2:])
        case ["torch", "_utils", "_rebuild_tensor_v3"]:
            storage, offset, shape, stride, _, _, dtype, *more = arguments
            return _tensor(storage, _dtype(dtype), offset, shape, stride, more)
        case ["torch", "_utils", "_rebuild_parameter" | "_rebuild_parameter_with_state"]:
            return arguments[0]
        case ["torch", "_utils", "_rebuild_device_tensor_from_cpu_tensor"]:
            return arguments[0]
        case ["torch", "nn", "parameter", "Parameter" | "Buffer"] if arguments:
            return arguments[0]
        case ["torch", "_tensor", "_rebuild_from_type_v2"]:
            inner, _, given, _ = arguments
            return _called(inner, given)
        case ["torch", "Size"] | ["builtins" | "__builtin__", "set" | "frozenset" | "list"]:
            return [*arguments[0]] if arguments else []
        case ["collections", "OrderedDict"] | ["builtins", "dict"]:
            return _pairs(arguments)
        case ["copyreg" | "copy_reg", "_reconstructor"]:
            return Foreign(arguments[0].name)
    return Foreign(function.name, arguments)


def _pairs(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    given = arguments[0] if arguments else ()
    pairs = given.items() if isinstance(given, dict) else given
    return {key: value for key, value in pairs if isinstance(key, _KEYS)}


def _dtype(named: Named) -> torch.dtype:
    dtype = getattr(torch, named.name.removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype):
        raise Damaged("the numbers of a tensor are of an unknown kind")
    return dtype


def _tensor(
    storage: Storage, dtype: torch.dtype | None, offset: int, shape: Any, stride: Any, more: Any
) -> Stored | Unusable:
    if dtype is None:
        raise Damaged("the numbers of a tensor are of an unknown kind")
    if any(more):  # the numbers are the conjugates or the negatives of those in the file
        return Unusable("complex")
    return Stored(storage, dtype, offset, tuple(shape), tuple(stride))

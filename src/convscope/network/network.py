"""A network that can be read: a frozen copy of any module, with names for what is inside."""

from __future__ import annotations

import copy
import hashlib
import operator
import pickle
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convscope.errors import ConvscopeError, unknown
from convscope.network import activation_calls
from convscope.network._torchvision import torchvision
from convscope.network.preparing import prepare
from convscope.network.preprocessing import Preprocessing
from convscope.types import Box, Layer, Prediction, Target

PRE = ".pre"


_UNIT = re.compile(r"(?P<layer>[^:@]*)(:(?P<channel>\d+))?(@(?P<row>\d+),(?P<column>\d+))?")


class Network:
    """Any PyTorch image network, ready to be looked into.

    It works on a prepared copy (eval mode, frozen, Conv+BatchNorm folded, channels_last); the
    module that is passed in is never changed.

    Images are RGB float tensors (N, 3, H, W) in [0, 1], of any size: normalizing, resizing and
    cropping are the network's own business. Layers go by their names in `module.named_modules()`;
    "" is the output, and `NAME.pre` is what went into the activation at the end of layer NAME.

    Args:
        module: takes a normalized batch (N, C, H, W), C = len(mean) (3, or 1 for a gray network).
        mean, std: of the channels, for images in [0, 1].
        input_size: rows and columns that the network was trained on; one number for a square.
        labels: one a class, in order; "tabby, tabby cat" is shown as "tabby", found as either.
        crop: the part of the photograph's shorter side that is kept (ImageNet's 0.875).
        interpolation: "bicubic" or "bilinear", antialiased.
        name: what pictures and messages call it.
        device: where it runs; the module's own device if not given.

    Raises:
        ConvscopeError: the module does not run on such images, or its weights are not finite.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        input_size: int | tuple[int, int],
        labels: Sequence[str] | None = None,
        crop: float = 1.0,
        interpolation: str = "bicubic",
        name: str | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise ConvscopeError(f"a Network wraps a torch.nn.Module, not {type(module).__name__}")
        if not mean or len(mean) != len(std) or not all(s > 0 for s in std):
            raise ConvscopeError("mean and std need one number a channel, std above zero")
        size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
        if len(size) != 2 or min(size) < 1 or not 0 < crop <= 1:
            raise ConvscopeError("input_size is (rows, columns), crop lies in (0, 1]")
        if interpolation not in ("bicubic", "bilinear"):
            raise ConvscopeError(f"interpolation is 'bicubic' or 'bilinear', not {interpolation!r}")
        self.name = name or type(module).__name__
        self.source: Mapping[str, object] | None = None
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.input_size: tuple[int, int] = size
        self.crop, self.interpolation = crop, interpolation
        self.preprocessing = Preprocessing(self.name, len(self.mean), size, crop, interpolation)
        self.device = _device(device, module)
        self._lock = threading.RLock()
        self._overwritten: set[str] = set()  # layers of which an activation changes the output

        generator = torch.Generator().manual_seed(0)
        example = torch.rand(1, len(self.mean), *size, generator=generator)
        mean_, std_ = (
            torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (self.mean, self.std)
        )
        self._prepared = prepare(module, (example - mean_) / std_, self.device)
        plain = self._prepared.plain
        first = next((p for p in plain.parameters() if p.is_floating_point()), None)
        self.dtype = torch.float32 if first is None else first.dtype
        self._scale, self._shift = (
            t.to(self.device, self.dtype).view(1, -1, 1, 1) for t in (1 / std_, -mean_ / std_)
        )
        self._calls = self._prepared.trace.last()
        self._counts = self._prepared.trace.counts()
        self._by_name = {layer.name: layer for layer in self._describe()}
        self.layers: tuple[Layer, ...] = tuple(
            layer for layer in self._by_name.values() if layer.type not in ("Identity", "Dropout")
        )
        output = self._prepared.trace.output
        self.num_classes = (
            output.shape[1] if isinstance(output, Tensor) and output.dim() == 2 else None
        )
        if labels is not None and len(labels) != self.num_classes:
            raise ConvscopeError(
                f"{len(labels)} labels for {self.num_classes} classes of {self.name}"
            )
        self._synonyms = [tuple(s.strip() for s in label.split(",")) for label in labels or ()]
        self.labels: tuple[str, ...] = tuple(names[0] for names in self._synonyms)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.input_size))
        return f"<Network {self.name}: {size} px, {len(self.layers)} layers, on {self.device}>"

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be made faster, and why (empty: everything was)."""
        return tuple(self._prepared.notes)

    @property
    def activation_names(self) -> tuple[str, ...]:
        """The activation functions that a forward pass meets, each once."""
        return tuple(dict.fromkeys(self._prepared.trace.activations))

    @property
    def num_parameters(self) -> int:
        """How many numbers the network has learned."""
        return sum(p.numel() for p in self._prepared.plain.parameters())

    @property
    def stages(self) -> tuple[Layer, ...]:
        """The last layer at each resolution, from the photograph down to the code.

        A layer inside a block that goes on to a smaller map does not end a stage.
        """
        last: dict[tuple[int, ...], Layer] = {}
        for layer in self.layers:
            if not layer.spatial or min(layer.shape[1:]) < 2:
                continue
            blocks = [
                self._by_name[name]
                for name in _ancestors(layer.name)
                if name in self._by_name and self._by_name[name].type != "Sequential"
            ]
            if all(block.shape[1:] == layer.shape[1:] for block in blocks):
                last.pop(layer.shape[1:], None)
                last[layer.shape[1:]] = layer
        return tuple(last.values())

    def parameter(self, layer: str, name: str = "weight") -> Tensor:
        """A parameter of a layer as the user's module has it, before folding."""
        found = getattr(self._prepared.plain.get_submodule(self.layer(layer).name), name, None)
        if not isinstance(found, Tensor):
            raise ConvscopeError(f"layer {layer!r} ({self.layer(layer).type}) has no {name}")
        return found.detach()

    def randomized(self, fraction: float = 1.0, seed: int = 0) -> Network:
        """A copy that has forgotten what it learned: random weights in a part of its layers, from
        the output down (Adebayo et al. 2018).

        Weights are drawn as He et al. 2015 do before training, normalization does nothing. At least
        the last layer is random, with `fraction` 1 they all are.
        """
        module = copy.deepcopy(self._prepared.plain)
        chance = torch.Generator().manual_seed(seed)
        own = [name for name, one in module.named_modules() if one._parameters]
        own.sort(key=self._begins, reverse=True)
        for name in own[: max(1, round(fraction * len(own)))]:
            _forget(module.get_submodule(name), chance)
        name = f"{self.name} with random weights"
        return Network(module, **{**self._settings, "name": name})

    @property
    def digest(self) -> str:
        """SHA-256 of what it computes with: its modules, their weights, how it fits images."""
        plain = self._prepared.plain
        preprocessing = replace(self.preprocessing, name="")
        found = hashlib.sha256(f"{plain} {self.mean} {self.std} {preprocessing}".encode())
        for name, value in plain.state_dict().items():
            found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            found.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    @property
    def _settings(self) -> dict[str, Any]:
        """With the module, all that makes this network."""
        return {
            "mean": self.mean,
            "std": self.std,
            "input_size": self.input_size,
            "labels": [", ".join(names) for names in self._synonyms] or None,
            "crop": self.crop,
            "interpolation": self.interpolation,
            "name": self.name,
            "device": self.device,
        }

    def to(self, device: str | torch.device) -> Network:
        """The same network on another device; itself where it runs there already."""
        if torch.device(device) == self.device:
            return self
        net = Network(self._prepared.plain, **{**self._settings, "device": device})
        net.source = self.source
        return net

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process it goes as its module, on the CPU, and is prepared anew there."""
        plain = copy.deepcopy(self._prepared.plain).cpu()
        packages = {type(module).__module__.partition(".")[0] for module in plain.modules()}
        needed = not packages.isdisjoint({"timm", "torchvision"})
        settings = {**self._settings, "device": "cpu"}
        return _unpickled, (pickle.dumps(plain), needed, settings, self.source)

    # ------------------------------------------------------------------ images

    def preprocess(self, image: Tensor) -> Tensor:
        """What the network sees of an image: resized, center-cropped, still RGB in [0, 1].

        (N, C, H, W) of any size becomes (N, C, *input_size), differentiably. An image that already
        has the network's own size is left alone, so fitting twice is fitting once.
        """
        return self.preprocessing(self.as_input(image))

    def box(self, image: Tensor) -> Box:
        """The part of the image, in its own pixels, that `fit` shows to the network."""
        return self.preprocessing.box(image)

    def as_input(self, image: Tensor) -> Tensor:
        """The image in the network's channels, device and precision, at its own size.

        Raises:
            ConvscopeError: not a float tensor (N, 3, H, W), or channels that do not fit.
        """
        return self.preprocessing.in_channels(image).to(self.device, self.dtype)

    # ----------------------------------------------------------------- reading

    def predict(self, image: Tensor, top: int = 5) -> list[Prediction]:
        """The `top` most probable classes of one image (1, 3, H, W), most probable first."""
        if len(image) != 1:
            raise ConvscopeError(f"predict takes one image, not {len(image)}; logits takes a batch")
        return self.name_classes(self.logits(image)[0], top)

    def logits(self, images: Tensor) -> Tensor:
        """Class scores before the softmax, (N, classes)."""
        self._need_classes()
        return self.read(images, {""})[""]

    def name_classes(self, logits: Tensor, top: int = 5) -> list[Prediction]:
        """One image's logits (classes,) as labels with their probabilities."""
        self._need_classes()
        probabilities, indices = logits.detach().softmax(0).topk(min(top, len(logits)))
        return [
            Prediction(self.label(i), p, i)
            for p, i in zip(probabilities.tolist(), indices.tolist(), strict=True)
        ]

    def label(self, index: int) -> str:
        return self.labels[index] if self.labels else f"class {index}"

    def read(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """The outputs of the named layers for images of any size, as the user's module has them.

        Runs only as deep as it must. Returns a tensor (N, ...) a name; "" is the output.

        Raises:
            ConvscopeError: no such layer (the nearest names are given), or a NaN appeared.
        """
        with torch.no_grad():
            values = self.activations(self.preprocess(image), layers)
        for name, value in values.items():
            if not value.isfinite().all():
                raise ConvscopeError(
                    f"{name or 'the output'} is not finite;"
                    f" {self.first_not_finite(self.preprocess(image))}"
                )
        return values

    def activations(
        self, image: Tensor, layers: Collection[str], *, leaves: bool = False
    ) -> dict[str, Tensor]:
        """`read` without the fitting: the image goes in as it is, and gradients flow back to it.

        With `leaves`, gradients begin at the shallowest of the layers: what lies below it keeps
        nothing for a way back.
        """
        names = [layers] if isinstance(layers, str) else list(dict.fromkeys(layers))
        at_activation: dict[int, list[str]] = {}
        at_layer = set()
        for name in names:
            if self._is_pre(name):
                at_activation.setdefault(self._pre_index(name), []).append(name)
            elif name:
                at_layer.add(self.layer(name).name)
        if "" in names and not isinstance(self._prepared.trace.output, Tensor):
            raise ConvscopeError(
                f"the output of {self.name} is no tensor; name a layer (convscope layers)"
            )
        found: dict[str, Tensor] = {}
        versions: dict[str, int] = {}
        # (image - mean) / std, in one pass over the pixels.
        x = torch.addcmul(self._shift, self.as_input(image), self._scale)
        x = x.contiguous(memory_format=self._prepared.memory_format)

        def note(name: str, value: Tensor) -> None:
            found[name] = value.requires_grad_() if leaves and not value.requires_grad else value
            versions[name] = value._version
            if "" not in names and len(found) == len(names):
                raise _Deepest

        with ExitStack() as stack:
            stack.enter_context(self._lock)
            stack.enter_context(self.numerics())
            overwriting = not torch.is_grad_enabled()
            module = self._prepared.variant(at_layer, overwriting=overwriting)
            for name in at_layer:
                changed = self._calls[name].mutated or (overwriting and name in self._overwritten)
                stack.enter_context(self._recording(module, name, note, changed))
            if at_activation:
                stack.enter_context(_AtActivations(at_activation, note))
            try:
                output = module(x)
                if "" in names:
                    found[""] = output
            except _Deepest:
                pass
            except AssertionError as error:  # so transformers refuse other sizes than their own
                if image.shape[-2:] == self.input_size:
                    raise
                size, own = ("x".join(map(str, s)) for s in (image.shape[-2:], self.input_size))
                raise ConvscopeError(
                    f"{self.name} takes images of {own} pixels and not of {size}"
                ) from error
        # Where activations work in place, it shows here which outputs they work on.
        overwritten = {name for name, v in versions.items() if found[name]._version != v}
        if overwritten and not overwritten <= self._overwritten:
            self._overwritten |= overwritten
            return self.activations(image, layers, leaves=leaves)
        for name in names:
            if name not in found:
                size = "x".join(map(str, image.shape[-2:]))
                raise ConvscopeError(f"{name!r} is not reached by an image of {size} pixels")
        return {name: found[name] for name in names}

    @contextmanager
    def _recording(
        self, module: nn.Module, name: str, note: Callable[[str, Tensor], None], changed: bool
    ) -> Iterator[None]:
        """Note the layer's output at its last call; what follows may have `changed` it in place."""
        calls = 0

        def hook(_module: nn.Module, _args: Any, output: object) -> Tensor | None:
            nonlocal calls
            if not isinstance(output, Tensor):
                return None
            calls += 1
            if calls == self._counts[name]:
                note(name, output)
                return output.clone() if changed else None  # let it change a copy
            return None

        handle = module.get_submodule(name).register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def numerics(self) -> Iterator[None]:
        """Full float32 and the same result every time, also on a GPU."""
        if self.device.type != "cuda":
            yield
            return
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield

    def first_not_finite(self, image: Tensor) -> str:
        """In words: the first layer that gives a NaN or an infinity for this image, as it is."""
        if not image.isfinite().all():
            return "the image itself holds NaN or infinity"
        for call in self._prepared.trace.calls:
            if call.name and call is self._calls[call.name]:
                with torch.no_grad():
                    value = self.activations(image, {call.name})[call.name]
                if not value.isfinite().all():
                    return f"the first such layer is {call.name!r}"
        return "no layer alone shows it"

    # ------------------------------------------------------------------- names

    def layer(self, name: str) -> Layer:
        """The layer of that name, without `.pre`; an unknown one's error names the nearest."""
        if name not in self._by_name:
            raise unknown("layer", name, self._by_name, "'convscope layers' lists them")
        return self._by_name[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape, without the batch, of a layer's output, of NAME.pre or of "" (the output)."""
        if self._is_pre(name):
            self._pre_index(name)
            name = name.removesuffix(PRE)
        if name:
            return self.layer(name).shape
        output = self._prepared.trace.output
        return tuple(output.shape[1:]) if isinstance(output, Tensor) else ()

    def target(self, target: str | SupportsIndex | Target) -> Target:
        """What a user's words name: "tabby" or 281, "blocks.4", "blocks.4:12", "blocks.4:12@7,7".

        Raises:
            ConvscopeError: nothing is called so; the nearest names are given.
        """
        if isinstance(target, Target):
            return self._within(target)
        if not isinstance(target, str):
            return self._class(_integer(target))
        if target.strip().isdecimal():
            return self._class(int(target))
        matches = self._classes_called(target)
        if len(matches) == 1:
            return self._class(matches[0])
        if matches:
            numbers = ", ".join(map(str, matches))
            raise ConvscopeError(
                f"several classes are called {target!r}: give a number of {numbers}"
            )
        return self._unit(target)

    def _class(self, index: int) -> Target:
        self._need_classes()
        assert self.num_classes is not None
        if not 0 <= index < self.num_classes:
            raise ConvscopeError(f"no class {index}: {self.name} has 0 to {self.num_classes - 1}")
        return Target("", index, label=self.label(index))

    def _classes_called(self, word: str) -> list[int]:
        def plain(text: str) -> str:
            return text.replace("_", " ").replace("-", " ").strip().lower()

        wanted = plain(word)
        first = [i for i, names in enumerate(self._synonyms) if plain(names[0]) == wanted]
        return first or [i for i, names in enumerate(self._synonyms) if wanted in map(plain, names)]

    def _unit(self, text: str) -> Target:
        match = _UNIT.fullmatch(text)
        name = match["layer"] if match else text
        if match is None or not (name in self._by_name or self._is_pre(name)):
            if text in self._by_name:
                return Target(text)
            known = [*self._by_name, *(n for names in self._synonyms for n in names)]
            raise unknown("class or layer", name, known)
        channel = None if match["channel"] is None else int(match["channel"])
        row, column = match["row"], match["column"]
        position = None if row is None else (int(row), int(column))
        return self._within(Target(name, channel, position))

    def _within(self, target: Target) -> Target:
        """The target, if its layer exists and has such a channel and position."""
        name, channel, position = target.layer, target.channel, target.position
        shape = self.shape(name)
        if channel is not None and not (shape and 0 <= channel < shape[0]):
            has = f"has 0 to {shape[0] - 1}" if shape else "has none"
            raise ConvscopeError(f"no channel {channel}: {name or 'the output'!r} {has}")
        if position is None:
            return target
        if channel is None or len(shape) != 3:
            raise ConvscopeError(
                f"{str(target)!r}: a position needs a channel of a layer with maps"
            )
        if not (0 <= position[0] < shape[1] and 0 <= position[1] < shape[2]):
            raise ConvscopeError(
                f"no position {position[0]},{position[1]}: the maps of {name!r} are"
                f" {shape[1]} x {shape[2]}"
            )
        return target

    def _begins(self, name: str) -> int:
        """A module's place in the order in which modules begin to work: that of the first one
        inside it, or inside what holds it (of a module that gives a tuple no call is known)."""
        for outer in (name, *_ancestors(name)):
            for place, called in enumerate(self._calls):
                if not outer or f"{called}.".startswith(f"{outer}."):
                    return place
        return 0

    def _need_classes(self) -> None:
        if self.num_classes is None:
            raise ConvscopeError(
                f"{self.name} gives no class scores (N, classes); name a layer or a channel instead"
            )

    def _is_pre(self, name: str) -> bool:
        return name not in self._by_name and name.endswith(PRE)

    def _pre_index(self, name: str) -> int:
        layer = self.layer(name.removesuffix(PRE))
        index = self._calls[layer.name].activation
        if index is None:
            raise ConvscopeError(
                f"{name!r}: layer {layer.name!r} ({layer.type}) does not end in an activation"
            )
        return index

    def _describe(self) -> Iterator[Layer]:
        plain, traced = self._prepared.plain, self._prepared.trace
        for name, call in self._calls.items():
            if not name:
                continue
            module = plain.get_submodule(name)
            yield Layer(
                name=name,
                type=call.type,
                shape=call.shape[1:],
                num_parameters=sum(p.numel() for p in module.parameters()),
                rows=call.field.rows if call.field and call.field.dims == (-2, -1) else None,
                columns=call.field.columns if call.field and call.field.dims == (-2, -1) else None,
                activation=None if call.activation is None else traced.activations[call.activation],
                leaf=not any(True for _ in module.children()),
            )


def _unpickled(
    module: bytes,
    torchvision_needed: bool,
    settings: Mapping[str, Any],
    source: Mapping[str, object] | None,
) -> Network:
    if torchvision_needed:
        torchvision()
    net = Network(pickle.loads(module), **settings)
    net.source = source
    return net


class _Deepest(Exception):
    """Raised inside a forward pass when everything asked for has been read."""


class _AtActivations(TorchFunctionMode):
    """Notes what goes into the activations of the given numbers."""

    def __init__(
        self, wanted: Mapping[int, list[str]], note: Callable[[str, Tensor], None]
    ) -> None:
        super().__init__()
        self.wanted, self.note, self.met = wanted, note, 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        found = activation_calls.find(func, args, kwargs)
        if found is None:
            return func(*args, **kwargs)
        index, self.met = self.met, self.met + 1
        names = self.wanted.get(index)
        if names is None:
            return func(*args, **kwargs)
        # What was noted lies on the way to the output, so that gradients by it can be taken, and
        # is read alone, so that nothing overwrites it.
        before = found.input.clone()
        for name in names:
            self.note(name, before)
        if not torch.is_grad_enabled():
            return func(*args, **kwargs)
        result = found.apply(before)
        return found.input.copy_(result) if found.inplace else result


@torch.no_grad()
def _forget(module: nn.Module, chance: torch.Generator) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.dim() > 1:
            drawn = torch.empty(parameter.shape)
            nn.init.kaiming_normal_(drawn, nonlinearity="relu", generator=chance)
            parameter.copy_(drawn)
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    for name, buffer in module.named_buffers(recurse=False):
        if name in ("running_mean", "running_var"):
            buffer.fill_(0.0 if name == "running_mean" else 1.0)


def _integer(value: SupportsIndex) -> int:
    """An int of any make (NumPy's, a tensor of one)."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise ConvscopeError(
            f"a target is a class, a layer or a channel, not {type(value).__name__}"
        ) from error


def _ancestors(name: str) -> list[str]:
    """The names of the modules that hold this one, innermost first."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]


def _device(device: str | torch.device | None, module: nn.Module) -> torch.device:
    if device is None:
        first = next(module.parameters(), None)
        return torch.device("cpu") if first is None else first.device
    try:
        wanted = torch.device(device)
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise ConvscopeError(f"device {str(device)!r} cannot be used here; try cpu") from error
    return wanted

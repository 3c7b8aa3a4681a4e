"""Reading layers by OpenVINO, which is faster than torch where no gradient is needed.

The prepared network becomes a program for images of one size.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from convscope.network.alone import Values
from convscope.network.parts import Program
from convscope.network.reading import Reader
from convscope.system import ForkSafeLock, quiet

_making = ForkSafeLock()


class Converted(Program):
    """Some layers of a network, compiled by OpenVINO."""

    def __init__(self, reader: Reader, x: Tensor, wanted: Values) -> None:
        super().__init__(x, wanted)
        with _without_reports(), quiet():
            self._compile(reader, x)

    def _compile(self, reader: Reader, x: Tensor) -> None:
        import openvino

        model = _model(_Recorded(reader, self.names), x, self.rows)
        steps = openvino.preprocess.PrePostProcessor(model)
        ends = [(steps.input(0), self.input.last)]
        ends += [(steps.output(i), kind.last) for i, kind in enumerate(self.kinds)]
        for end, last in ends:
            if last:
                end.tensor().set_layout(openvino.Layout("NHWC"))
                end.model().set_layout(openvino.Layout("NCHW"))
        options = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        with _making:
            core = _core()
        compiled = core.compile_model(steps.build(), "CPU", options)
        self._request, self._tensor = compiled.create_infer_request(), openvino.Tensor

    def fill(self, x: Tensor, values: list[Tensor]) -> None:
        self._request.set_input_tensor(0, self._shared(x, self.input.last))
        for number, (value, kind) in enumerate(zip(values, self.kinds, strict=True)):
            self._request.set_output_tensor(number, self._shared(value, kind.last))
        self._request.infer()

    def _shared(self, value: Tensor, is_last: bool) -> Any:
        array = (value.permute(0, 2, 3, 1) if is_last else value).numpy()
        return self._tensor(array, shared_memory=True)


@cache
def _core() -> Any:
    """OpenVINO, made once and kept until the process ends.

    Its part for processors registers a stack for the handlers of signals in the thread that makes
    it, and frees this memory when it goes. Where another one was made since, or another thread lets
    go of it, the stack stays registered: the next signal, a Ctrl-C or a child that ends, would end
    the process without a word.
    """
    import openvino

    return openvino.Core()


class _Recorded(nn.Module):
    """A pass of the prepared module, as torch records it."""

    def __init__(self, reader: Reader, names: Sequence[str]) -> None:
        super().__init__()
        self.reader, self.names = reader, names

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        values = self.reader.traced(x, self.names)
        return tuple(values[name] for name in self.names)


def _model(module: nn.Module, x: Tensor, rows: int) -> Any:
    """The module as a model of OpenVINO, for so many images like those of `x`."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # Recording takes as long as two passes, and two images show all that a batch does.
    recorded = TorchScriptPythonDecoder(
        module, example_input=x[[0, -1]], trace_kwargs={"check_trace": False}
    )
    reads = FrontEndManager().load_by_framework("pytorch")
    model = reads.convert(reads.load(recorded))
    model.reshape([rows, *x.shape[1:]])
    return model


@contextmanager
def _without_reports() -> Iterator[None]:
    """OpenVINO reports every import to its makers if this package is there; so it is not."""
    package = "openvino_telemetry"
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        import openvino  # noqa: F401

        yield
    finally:
        sys.modules.pop(package, None)

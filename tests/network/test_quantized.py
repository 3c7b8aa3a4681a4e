"""Quantized networks: what needs no gradient works, the rest is refused in one line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import convscope as cs
from tests.helpers import toys

pytestmark = pytest.mark.filterwarnings("ignore")


def static(dequantized: bool) -> nn.Module:
    quantization = torch.ao.quantization
    engines = torch.backends.quantized.supported_engines
    engine = next((e for e in ("fbgemm", "qnnpack") if e in engines), None)
    if engine is None:
        pytest.skip("torch has no quantized operators here")
    torch.backends.quantized.engine = engine
    end = quantization.DeQuantStub() if dequantized else nn.Identity()
    module = nn.Sequential(
        *(quantization.QuantStub(), nn.Conv2d(3, 8, 3, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5), end),
    ).eval()
    module.qconfig = quantization.get_default_qconfig(engine)
    quantization.prepare(module, inplace=True)
    module(toys.normalized(toys.images(4)))
    made: nn.Module = quantization.convert(module)
    return made


@pytest.mark.parametrize("dequantized", [True, False])
def test_static(dequantized: bool) -> None:
    module = static(dequantized)
    net, images = toys.network(module), toys.images()
    with torch.no_grad():
        right = module(toys.normalized(images))
    right = right if dequantized else right.dequantize()
    assert torch.equal(net.logits(images), right)
    assert net.read(images, {"1"})["1"].dtype == torch.float32
    assert cs.predict(net, images[:1]).result().arrays
    run = cs.occlusion(net, images[:1], target=1, patch=8, stride=8)
    assert run.result().heatmap.shape == (16, 16)
    for technique in (cs.saliency, cs.gradcam, cs.guided_backprop):
        with pytest.raises(cs.ConvscopeError) as error:
            technique(net, images[:1], target=1).result()
        assert "\n" not in str(error.value)


def test_dynamic() -> None:
    """The scale of a dynamic quantization is that of the batch: images run one at a time."""
    body = toys.randomized(toys.Residual()).eval()
    module = torch.ao.quantization.quantize_dynamic(body, {nn.Linear})
    net, images = toys.network(module), toys.images() ** torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    alone = torch.cat([module(toys.normalized(image)) for image in images.split(1)])
    assert toys.relative(net.logits(images), alone.detach()) < 1e-2
    assert torch.equal(net.logits(images)[1:], net.logits(images[1:]))
    with pytest.raises(cs.ConvscopeError, match="no gradient reaches the image"):
        cs.saliency(net, images[:1], target=1).result()


def test_digests_of_dynamic_ones_tell_weights_apart() -> None:
    def digest(seed: int) -> str:
        body = toys.randomized(toys.Residual(), seed).eval()
        return toys.network(
            torch.ao.quantization.quantize_dynamic(body, {nn.Linear}, dtype=torch.qint8)
        ).digest

    first, other = digest(0), digest(1)
    assert first == digest(0)
    assert first != other

"""What kind of output a module has: scores before its softmax, probabilities, labels, heads."""

from __future__ import annotations

import re
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError
from tests.helpers import toys

Pair = namedtuple("Pair", "features logits")


@dataclass
class Data:
    loss: Tensor | None
    logits: Tensor


class Model(OrderedDict[str, Tensor]):
    """Tensors by name and by attribute, as in transformers."""

    def __getattr__(self, name: str) -> Tensor:
        return self[name]


def same(values: Tensor) -> Tensor:
    return values


class Body(nn.Module):
    """A convolution and a dense layer; `end` makes the output of its numbers (N, classes)."""

    def __init__(self, end: Callable[[Tensor], Any], classes: int = 5, scale: float = 20) -> None:
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(3, 6, 3), nn.Linear(6, classes), end
        self.scale = scale

    def numbers(self, x: Tensor) -> Tensor:
        numbers: Tensor = self.scale * self.fc(self.conv(x).relu().mean((2, 3)))
        return numbers

    def forward(self, x: Tensor) -> Any:
        return self.end(self.numbers(x))


def made(
    end: Callable[[Tensor], Any], classes: int = 5, scale: float = 20, **options: Any
) -> tuple[cs.Network, Body]:
    module = toys.randomized(Body(end, classes, scale)).eval()
    assert isinstance(module, Body)
    settings: dict[str, Any] = {"mean": toys.MEAN, "std": toys.STD, "input_size": 16}
    return cs.Network(module, **settings, **options), module


@torch.no_grad()
def numbers(module: Body, images: Tensor) -> Tensor:
    return module.numbers(toys.normalized(images))


def probabilities(net: cs.Network, image: Tensor) -> Tensor:
    """Those that `predict` gives, in the order of the classes."""
    found = sorted(net.predict(image, top=99), key=lambda one: one.index)
    return torch.tensor([one.probability for one in found])


SOFTMAX: dict[str, Callable[[Tensor], Any]] = {
    "F.softmax": lambda y: F.softmax(y, 1),
    "torch.softmax": lambda y: torch.softmax(y, dim=-1),
    "x.softmax": lambda y: y.softmax(1),
    "special": lambda y: torch.special.softmax(y, 1),
    "nn.Softmax": nn.Softmax(dim=1),
    "nn.Softmax2d": lambda y: nn.Softmax2d()(y[..., None, None]).flatten(1),
    "4 dimensions": lambda y: F.softmax(y, 1)[:, :, None, None],
    "channels last": lambda y: y[:, None, None].softmax(-1).permute(0, 3, 1, 2),
    "in double": lambda y: F.softmax(y, 1, dtype=torch.float64),
    "double": lambda y: y.softmax(1).double().float().contiguous(),
    "operator": lambda y: torch.ops.aten.softmax.int(y, 1),
    "a dimension more": lambda y: y.softmax(1)[:, None],
    "beside features": lambda y: {"p": y.softmax(1), "features": 2 * y},
    "a list": lambda y: [y.softmax(1)],
    "log_softmax": lambda y: F.log_softmax(y, 1),
    "nn.LogSoftmax": nn.LogSoftmax(1),
    "log of softmax": lambda y: y.softmax(1).log(),
}


@pytest.mark.parametrize("end", SOFTMAX.values(), ids=list(SOFTMAX))
def test_a_softmax_inside(end: Callable[[Tensor], Any]) -> None:
    """Probabilities are the module's own, and scores what lies before them."""
    net, module = made(end)
    before = numbers(module, toys.images())
    assert toys.relative(net.logits(toys.images()), before) < 1e-5
    assert torch.allclose(net.probabilities(toys.images()), before.softmax(1), atol=1e-6)
    assert torch.allclose(probabilities(net, toys.images(1)), before[:1].softmax(1)[0], atol=1e-6)
    assert net.output.kind == "classes"
    assert not net.notes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_softmax_in_low_precision(dtype: torch.dtype) -> None:
    net, module = made(lambda y: y.to(dtype).softmax(1), scale=2)
    before = numbers(module, toys.images())
    assert net.output.ending == "softmax"
    assert toys.relative(net.logits(toys.images()), before) < 1e-2


def test_what_is_explained_lies_before_the_softmax() -> None:
    """The gradient of a sure network's probability is zero; that of its logit is not."""
    net, module = made(lambda y: y.softmax(1), scale=500)
    assert float(net.probabilities(toys.images(1)).max()) > 1 - 1e-6
    image = toys.images(1).requires_grad_()
    score = module.numbers(toys.normalized(image))[0, 3]
    (expected,) = torch.autograd.grad(score, image)
    result = cs.saliency(net, image.detach(), target=3).result()
    assert torch.allclose(torch.as_tensor(result.heatmap), expected[0].abs().amax(0), rtol=1e-4)
    assert result.score == pytest.approx(float(score.detach()), rel=1e-4)
    first = cs.class_image(net, target=3, steps=2, preset="simonyan").result()
    drawn = torch.as_tensor(first.image).permute(0, 3, 1, 2)
    assert first.score == pytest.approx(float(net.logits(drawn)[0, 3]), rel=1e-4)


def test_a_temperature_is_part_of_the_score() -> None:
    net, module = made(lambda y: (y / 3).softmax(1))
    assert toys.relative(net.logits(toys.images()), numbers(module, toys.images()) / 3) < 1e-5


def test_a_layer_gives_what_it_gives_in_the_users_module() -> None:
    module = toys.randomized(
        nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Sigmoid())
    ).eval()
    net = toys.network(module)
    with toys.recording(module) as own, torch.no_grad():
        module(toys.normalized(toys.images()))
    found = net.read(toys.images(), ["2", "3", "3.pre", ""])
    assert toys.relative(found["3"], own["3"]) < 1e-6
    for name in ("2", "3.pre", ""):
        assert toys.relative(found[name], own["2"]) < 1e-6


@pytest.mark.parametrize(
    "end",
    [
        lambda y: y.exp() / y.exp().sum(1, keepdim=True),
        lambda y: F.softmin(y, 1),
        lambda y: (y.softmax(1) + (2 * y).softmax(1)) / 2,
    ],
)
def test_probabilities_of_unknown_origin(end: Callable[[Tensor], Tensor]) -> None:
    net, module = made(end)
    own = end(numbers(module, toys.images()))
    assert torch.allclose(net.probabilities(toys.images()), own, atol=1e-6)
    assert torch.allclose(probabilities(net, toys.images(1)), own[0], atol=1e-6)
    assert any("taken for probabilities" in note for note in net.notes)
    image = toys.images(1)
    whole = cs.occlusion(net, image, target=1, score="probability", patch=8, stride=8).result()
    assert whole.score == pytest.approx(float(own[0, 1]), rel=1e-4)


@pytest.mark.parametrize(
    ("end", "own"),
    [
        (lambda y: 1 / (1 + (-y).exp()), torch.sigmoid),
        (lambda y: torch.reciprocal(torch.exp(-y) + 1), torch.sigmoid),
        (lambda y: torch.cat([y[:, :2].sigmoid(), y[:, 2:].sigmoid()], 1), torch.sigmoid),
        (lambda y: 1 - y.sigmoid(), lambda y: (-y).sigmoid()),
        (
            lambda y: torch.stack([1 - y[:, 0].sigmoid(), y[:, 0].sigmoid()], 1),
            lambda y: torch.stack([(-y[:, 0]).sigmoid(), y[:, 0].sigmoid()], 1),
        ),
        (
            lambda y: torch.cat([y[:, :2].softmax(1), y[:, 2:].softmax(1)], 1),
            lambda y: torch.cat([y[:, :2].softmax(1), y[:, 2:].softmax(1)], 1),
        ),
    ],
)
def test_probabilities_that_are_put_together(
    end: Callable[[Tensor], Tensor], own: Callable[[Tensor], Tensor]
) -> None:
    net, module = made(end, scale=2)
    expected = own(numbers(module, toys.images()))
    assert torch.allclose(net.probabilities(toys.images()), expected, atol=1e-6)


def test_one_number_that_is_no_logit() -> None:
    net, module = made(F.hardsigmoid, 1, scale=1, labels=["tumor"])
    own = F.hardsigmoid(numbers(module, toys.images()))
    assert torch.allclose(net.probabilities(toys.images()), own)
    with pytest.raises(ConvscopeError, match="its one number comes from Tanh, so it is no logit"):
        made(torch.tanh, 1, labels=["tumor"])


def test_some_classes_of_a_softmax() -> None:
    """Without the background, the probabilities do not sum to 1; they are still the module's."""
    net, module = made(lambda y: y.softmax(1)[:, 1:])
    own = numbers(module, toys.images()).softmax(1)[:, 1:]
    assert torch.allclose(net.probabilities(toys.images()), own, atol=1e-6)
    one, module = made(lambda y: y.softmax(1)[:, 2], labels=["tumor"])
    own = numbers(module, toys.images(1)).softmax(1)[:, 2]
    assert probabilities(one, toys.images(1)) == pytest.approx(own.tolist())


@pytest.mark.parametrize("end", [torch.sigmoid, F.logsigmoid, nn.Sigmoid(), lambda y: y.sigmoid_()])
def test_sigmoids_inside(end: Callable[[Tensor], Tensor]) -> None:
    net, module = made(end)
    before = numbers(module, toys.images())
    assert net.output.kind == "multilabel"
    assert toys.relative(net.logits(toys.images()), before) < 1e-5
    assert torch.allclose(net.probabilities(toys.images()), before.sigmoid(), atol=1e-6)
    top = net.predict(toys.images(1), 1)[0]
    assert top.index == int(before[0].argmax())
    assert top.probability == pytest.approx(float(before[0].max().sigmoid()), rel=1e-5)


def test_several_labels_may_be_right() -> None:
    net, module = made(lambda y: y, output="multilabel")
    before = numbers(module, toys.images())
    assert torch.allclose(net.probabilities(toys.images()), before.sigmoid(), atol=1e-6)


@pytest.mark.parametrize("squeeze", [lambda y: y, lambda y: y.squeeze(1), lambda y: y.squeeze()])
def test_one_logit_with_labels(squeeze: Callable[[Tensor], Tensor]) -> None:
    image = toys.images(1)
    net, module = made(squeeze, 1, labels=["tumor"])
    logit = float(numbers(module, image))
    chance = float(torch.tensor(logit).sigmoid())
    (found,) = net.predict(image)
    assert (found.label, found.index) == ("tumor", 0)
    assert found.probability == pytest.approx(chance, rel=1e-5)
    assert net.logits(toys.images()).shape == (2, 1)
    assert any("taken for a logit" in note for note in net.notes)
    both, _ = made(squeeze, 1, labels=["benign", "tumor"])
    assert both.num_classes == 2
    chances = {one.label: one.probability for one in both.predict(image)}
    assert chances == pytest.approx({"tumor": chance, "benign": 1 - chance}, rel=1e-4)
    assert both.logits(image)[0].tolist() == pytest.approx([-logit, logit], rel=1e-5)
    known, _ = made(lambda y: squeeze(y).sigmoid(), 1, labels=["benign", "tumor"])
    assert known.logits(image)[0].tolist() == pytest.approx([-logit, logit], rel=1e-5)
    assert not known.notes


@pytest.mark.parametrize("squeeze", [lambda y: y, lambda y: y.squeeze(1), lambda y: y.sum()])
def test_one_number_without_labels_is_a_value(squeeze: Callable[[Tensor], Tensor]) -> None:
    net, module = made(squeeze, 1)
    assert net.num_classes is None
    assert any("read as a value" in note for note in net.notes)
    result = cs.saliency(net, toys.images(1)).result()
    assert result.score == pytest.approx(float(numbers(module, toys.images(1))), rel=1e-5)
    assert net.target(net.target(0).spec) == net.target(0)
    with pytest.raises(ConvscopeError, match=r'give.* no class scores .* labels=\["..."\]'):
        net.predict(toys.images(1))
    with pytest.raises(ConvscopeError, match="use score='logit'"):
        cs.random_occlusion(net, toys.images(1)).result()
    cs.random_occlusion(net, toys.images(1), score="logit", count=8).result()


@pytest.mark.parametrize(
    ("end", "classes", "says"),
    [
        (lambda y: y.softmax(0), 5, "softmax that is not over its classes"),
        (lambda y: y.softmax(1), 1, "softmax of one number, which is always 1"),
        (lambda y: F.normalize(y), 5, "the output is an embedding of shape (5,)"),
        (lambda y: y / y.norm(dim=1, keepdim=True), 5, "the output is an embedding"),
        (lambda y: y[:, None].expand(-1, 3, -1), 5, "the output is values of shape (3, 5)"),
        (lambda y: {"a": y, "b": 2 * y}, 5, "several outputs (a, b)"),
        (lambda y: 3, 5, "is no tensor with a row for each image"),
        (
            lambda y: [{"boxes": one[None, :4], "scores": one[:2]} for one in y],
            5,
            "wrap a detector of torchvision in convscope.network.Detections",
        ),
        (lambda y: y.argmax(1), 5, "is no tensor with a row for each image"),
    ],
)
def test_no_class_scores(end: Callable[[Tensor], Any], classes: int, says: str) -> None:
    net, _ = made(end, classes)
    assert net.num_classes is None
    with pytest.raises(ConvscopeError, match=re.escape(says)) as error:
        net.predict(toys.images(1))
    assert "\n" not in str(error.value)
    if net.outputs.get("") and net.output.shape == (1,):
        return
    with pytest.raises(ConvscopeError, match=re.escape(says)):
        cs.saliency(net, toys.images(1)).result()


def test_a_unit_vector_with_labels_is_a_classifier() -> None:
    net, module = made(F.normalize, labels=list("abcde"))
    own = F.normalize(numbers(module, toys.images())).softmax(1)
    assert torch.allclose(net.probabilities(toys.images()), own, atol=1e-6)


@pytest.mark.parametrize(
    "pack",
    [
        lambda y: (y, y[:, :, None, None]),
        lambda y: [[y]],
        lambda y: {"aux": 2 * y, "out": y},
        lambda y: {"n": 3, "logits": y, "features": 2 * y},
        lambda y: Pair(2 * y, y),
        lambda y: Data(None, y),
        lambda y: Model(hidden=2 * y, logits=y),
        lambda y: {"ids": y.argmax(1), "scores": y},
    ],
)
def test_the_scores_are_found(pack: Callable[[Tensor], Any]) -> None:
    net, module = made(pack)
    own = numbers(module, toys.images())
    assert toys.relative(net.logits(toys.images()), own) < 1e-5
    assert torch.allclose(net.probabilities(toys.images()), own.softmax(1), atol=1e-6)


def heads(y: Tensor) -> dict[str, Tensor]:
    return {"shape": y[:, :3].softmax(1), "color": y[:, 3:]}


def test_several_outputs() -> None:
    labels = {"shape": ["round", "flat", "long"], "color": ["red", "3"]}
    net, module = made(heads, labels=labels)
    own = numbers(module, toys.images())
    found = net.read(toys.images(), {"shape=", "color="})
    assert toys.relative(found["shape="], own[:, :3]) < 1e-5
    assert toys.relative(found["color="], own[:, 3:]) < 1e-5
    for words, column in {
        "shape=flat": 1,
        "shape=2": 2,
        "color=red": 3,
        "color=class:1": 4,
    }.items():
        target = net.target(words)
        assert net.target(target.spec) == target == net.target(str(target))
        result = cs.occlusion(net, toys.images(1), target=words, patch=8, stride=8).result()
        assert result.score == pytest.approx(float(own[0, column]), rel=1e-4)
        assert result.summary["target"] == str(target)
    probability = cs.occlusion(
        net, toys.images(1), target="color=red", score="probability", patch=8, stride=8
    )
    assert probability.result().score == pytest.approx(float(own[0, 3:].softmax(0)[0]), rel=1e-4)
    with pytest.raises(ConvscopeError, match="unknown class of shape 'rond'; did you mean 'round'"):
        net.target("shape=rond")
    with pytest.raises(ConvscopeError, match="no class 3"):
        net.target("shape=3")


def test_a_head_that_the_user_chooses() -> None:
    net, module = made(heads, head="color", labels=["red", "blue"])
    own = numbers(module, toys.images())
    assert toys.relative(net.logits(toys.images()), own[:, 3:]) < 1e-5
    assert net.target("blue") == net.target(1)
    assert net.target("color=1").channel == net.target("shape=1").channel == 1
    by_number, _ = made(lambda y: tuple(heads(y).values()), head=0)
    assert by_number.num_classes == 3
    by_labels, _ = made(lambda y: (y[:, :2], y), labels=list("abcde"))
    assert by_labels.num_classes == 5
    with pytest.raises(ConvscopeError, match=r"several outputs \(shape, color\)"):
        made(heads, labels=list("abcd"))


def test_a_pickle_keeps_what_was_said_about_the_output() -> None:
    import pickle

    net, _ = made(nn.Identity(), output="multilabel", labels=list("abcde"))
    again = pickle.loads(pickle.dumps(net))
    assert again.output.kind == "multilabel"
    assert again.labels == net.labels
    assert net.randomized(1.0).output.kind == "multilabel"


# ---------------------------------------------------------------------------- maps


class Map(nn.Module):
    """Class scores at each place: 1 x 1 convolutions alone, so that they can be worked out."""

    def __init__(self, end: Callable[[Tensor], Any], classes: int) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, classes, 1)
        self.end = end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.head(self.act(self.conv(x))))


def mapped(
    end: Callable[[Tensor], Any] = same, classes: int = 3, **options: Any
) -> tuple[cs.Network, Tensor]:
    """The network and the scores (1, classes, 16, 16) of its own module for an image."""
    module = toys.randomized(Map(end, classes)).eval()
    settings: dict[str, Any] = {"mean": toys.MEAN, "std": toys.STD, "input_size": 16}
    net = cs.Network(module, **settings, **options)
    assert isinstance(module, Map)
    with torch.no_grad():
        own: Tensor = module.head(module.act(module.conv(toys.normalized(toys.images(1)))))
    return net, own


@pytest.mark.parametrize(
    "end",
    [
        lambda y: y,
        lambda y: y.softmax(1),
        nn.LogSoftmax(dim=1),
        lambda y: {"out": y, "aux": 2 * y},
        lambda y: y.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2),
    ],
)
def test_a_map_of_scores(end: Callable[[Tensor], Any]) -> None:
    net, own = mapped(end, labels=["sky", "cat", "road"])
    assert toys.relative(net.logits(toys.images(1)), own) < 1e-5
    assert torch.allclose(net.probabilities(toys.images(1)), own.softmax(1), atol=1e-6)
    shares = own[0].argmax(0).flatten().bincount(minlength=3) / 256
    assert probabilities(net, toys.images(1)) == pytest.approx(shares.tolist())
    top = cs.saliency(net, toys.images(1)).result().summary["target"]
    assert top == net.labels[int(shares.argmax())]


def test_targets_of_a_map() -> None:
    net, own = mapped(labels=["sky", "cat", "road"])
    wanted = {
        "cat": own[0, 1].mean(),
        "1": own[0, 1].mean(),
        "class:1@3,15": own[0, 1, 3, 15],
        "cat@3,15": own[0, 1, 3, 15],
        "1@3,15": own[0, 1, 3, 15],
        "cat@2,3,5,16": own[0, 1, 2:5, 3:16].mean(),
        "head:1@3,15": own[0, 1, 3, 15],
        "head:1@2,3,5,16": own[0, 1, 2:5, 3:16].max(),
    }
    for words, score in wanted.items():
        target = net.target(words)
        assert net.target(target.spec) == target
        result = cs.saliency(net, toys.images(1), target=words).result()
        assert result.score == pytest.approx(float(score), rel=1e-5, abs=1e-6)
    assert str(net.target("1@3,15")) == "cat@3,15"
    assert net.target("1@2,3,5,16").spec == "class:1@2,3,5,16"
    for words in ("cat@16,0", "cat@0,16", "cat@3,3,3,5", "cat@0,0,17,3", "cat@5,5,2,8"):
        with pytest.raises(ConvscopeError, match=r"no (position|region) .* 16 x 16"):
            net.target(words)
    with pytest.raises(ConvscopeError, match="unknown class or layer"):
        net.target("cat@3")
    flat, _ = made(nn.Identity())
    with pytest.raises(ConvscopeError, match="a class of a map of class scores"):
        flat.target("3@1,1")


def test_only_the_region_counts() -> None:
    """Behind 1 x 1 convolutions a place sees its own pixel."""
    net, own = mapped()
    place, region = (slice(4, 5), slice(5, 6)), (slice(1, 9), slice(2, 12))
    for words, part in {"2@4,5": place, "2@1,2,9,12": region}.items():
        seen = torch.as_tensor(cs.saliency(net, toys.images(1), target=words).result().heatmap) > 0
        inside = torch.zeros_like(seen)
        inside[part] = True
        assert seen.any()
        assert not (seen & ~inside).any()
    chance = own[0].softmax(0)[2, 1:9, 2:12].mean()
    read = cs.occlusion(
        net, toys.images(1), target="2@1,2,9,12", score="probability", patch=8, stride=8
    )
    assert read.result().score == pytest.approx(float(chance), rel=1e-5)


def test_maps_of_one_number() -> None:
    net, own = mapped(classes=1, labels=["road"])
    share = (own.sigmoid() > 0.5).float().mean()
    assert probabilities(net, toys.images(1)) == pytest.approx([float(share)])
    assert mapped(classes=1)[0].num_classes is None


def test_tokens_with_labels() -> None:
    net, _ = mapped(lambda y: y.flatten(2).transpose(1, 2), labels=["sky", "cat", "road"])
    assert net.output.shape == (3, 256, 1)


# -------------------------------------------------------------------------- labels


def test_a_text_prefers_a_label_and_an_integer_is_a_number() -> None:
    labels = sorted(map(str, range(12)))
    net, _ = made(nn.Identity(), classes=12, labels=labels)
    for index, label in enumerate(labels):
        assert net.target(label).channel == index
        assert net.target(index).channel == net.target(f"class:{index}").channel == index
        assert net.target(net.target(label).spec).channel == index
    assert any("'10'" in note and "labeled '8'" in note for note in net.notes)
    later, _ = made(nn.Identity(), classes=3, labels=["1", "2", "three"])
    assert later.target("2").channel == 1
    with pytest.raises(ConvscopeError, match="no label is '0', and class number 0 is labeled '1'"):
        later.target("0")
    plain, _ = made(nn.Identity(), classes=3, labels=["one", "two", "three"])
    assert plain.target("0").channel == 0
    same, _ = made(nn.Identity(), classes=3, labels=["0", "1", "2"])
    assert not same.notes


def test_labels_may_hold_signs_of_the_grammar() -> None:
    labels = ["a:1", "b@2", "c=d", "fc", "e.pre"]
    net, _ = made(nn.Identity(), labels=labels)
    assert [net.target(label).channel for label in labels] == [0, 1, 2, 3, 4]

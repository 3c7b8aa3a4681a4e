"""The documentation keeps up with the package. The site itself is built by `make docs`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.network.zoo import DEFAULT
from convscope.runs import catalog, registry
from convscope.testing import case
from convscope.testing.declaration import check_documentation
from tests.helpers.networks import Own

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"


def example(name: str) -> Path:
    return EXAMPLES / f"plot_{name}.py"


@pytest.mark.parametrize("name", registry.names())
def test_every_technique_has_its_page(name: str) -> None:
    file = example(name)
    assert file.is_file(), f"write {file.relative_to(ROOT)}: CONTRIBUTING.md says what is in it"
    technique = registry.get(name)
    page = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    title, underline, *_ = page.splitlines()
    assert title == technique.title
    assert underline == "=" * len(title)
    for part in ("**How to read it.**", "**Its limits.**", "**Paper.**"):
        assert part in page
    assert technique.url in page


# A page that would take minutes with the default network has a smaller one.
SMALLER = {"compress": "squeezenet1_1"}


@pytest.mark.parametrize("name", registry.names())
def test_every_page_runs_its_technique_on_the_default_network(name: str) -> None:
    calls = [ast.unparse(node) for node in ast.walk(ast.parse(example(name).read_text("utf-8")))]
    technique = registry.get(name)
    network = SMALLER.get(name, technique.network)
    if technique.takes_network:
        assert ("cs.load()" if network == DEFAULT else f"cs.load({network!r})") in calls
    assert f"cs.{name}" in calls


def test_every_page_is_of_a_technique() -> None:
    assert {file.stem.removeprefix("plot_") for file in EXAMPLES.glob("plot_*.py")} == set(
        registry.names()
    )


def test_every_public_name_is_documented() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    named = set(re.findall(r"(?:convscope|cs)\.(\w+)|`(\w+)`", page))
    missing = set(dir(cs)) - {word for pair in named for word in pair}
    assert not missing, "docs/api.md does not name them"


def test_a_warning_fails_the_build() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (command,) = re.findall(r"sphinx-build (.*) docs docs/_build/html", makefile)
    assert {"-W", "-n"} <= set(command.split())
    settings = ast.parse((ROOT / "docs" / "conf.py").read_text("utf-8"))
    values = {
        ast.unparse(n.targets[0]): n.value for n in settings.body if isinstance(n, ast.Assign)
    }
    assert ast.literal_eval(values["nitpicky"]) is True
    assert "suppress_warnings" not in values


@pytest.fixture
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> registry.Technique:
    """A technique that CONTRIBUTING.md shows, registered for one test; the parameter says which."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(catalog, "_added", dict(catalog._added))
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    sources = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    source = next(one for one in sources if f"def {request.param}(" in one)
    exec(compile(source, "CONTRIBUTING.md", "exec"), {"__name__": "written"})
    return registry.get(request.param)


@pytest.mark.parametrize("written", ["gradient_times_input"], indirect=True)
def test_the_technique_in_contributing_works(
    written: registry.Technique, own: cs.Network, own_photo: Tensor
) -> None:
    check_documentation(case(written))
    assert f"plot_{written.name}.py" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    result = written.run(own, own_photo, target=1).result()
    gradient = cs.saliency(own, own_photo, target=1).result().gradient
    seen = own.preprocess(own_photo)[0].numpy()
    assert result.heatmap is not None
    np.testing.assert_allclose(result.heatmap, (gradient * seen).sum(0), rtol=1e-5, atol=1e-7)
    assert min(result.picture.size) > 100


@pytest.mark.parametrize("written", ["gradient_times_activation"], indirect=True)
def test_the_technique_on_a_layer_in_contributing_works(
    written: registry.Technique, own: cs.Network, own_photo: Tensor
) -> None:
    result = written.run(own, own_photo, target=1, layer="blocks").result()
    module, held = Own().eval(), []
    module.blocks.register_forward_hook(lambda _, __, output: held.append(output))
    score = module((own.preprocess(own_photo) - 0.5) / 0.25)[0, 1]
    (gradient,) = torch.autograd.grad(score, held)
    expected = (held[0] * gradient).sum(1)[0].detach().numpy()
    np.testing.assert_allclose(result.arrays["blocks"][0], expected, rtol=1e-4, atol=1e-6)
    assert min(result.picture.size) > 100

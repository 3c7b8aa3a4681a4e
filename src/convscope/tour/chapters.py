"""The stops of the tour in the order of the lecture: what is shown, and how to read it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import PRE, Network, default_layers
from convscope.tour.chapter import (
    Chapter,
    chapter,
    layer_name,
    percent,
    quote_check,
    quote_errors,
    quote_layer,
    quote_predictions,
    quote_sheet,
    quote_target,
)


def plan(
    net: Network, photo: Tensor, *, full: bool, seed: int, index: str | None = None
) -> Iterator[Chapter]:
    """All stops for this network; those about classes only where it has some, those about other
    photographs only where there is an index of some."""
    try:
        top, second = net.predict(photo, 2)
        name, other = top.label, second.label
    except ConvscopeError:
        name = other = ""
    yield from _what_it_answers(net)
    if name:
        yield from _which_pixels(name, other, full, seed)
    yield from _what_units_see(net, full, seed)
    if index:
        yield from _what_others_show(index)
    if name:
        yield from _what_to_trust(name, full)
    yield from _what_it_wants(net, name, full, seed)


def _what_it_answers(net: Network) -> Iterator[Chapter]:
    first, deep = default_layers.first(net).name, layer_name(default_layers.deep, net)
    yield chapter(
        "What does it say?",
        "predict",
        "The network looks only at the bright part: the photograph is shrunk and its center cut"
        " out, as the network was trained. The bars are probabilities over all its classes; what"
        " is not among its classes it cannot name, so look at whether the runners-up make sense"
        " too.",
        quote=quote_predictions,
    )
    yield chapter(
        "What does it look with?",
        "filters",
        "Each tile is one filter of the first layer, stretched to full contrast: the pattern of"
        " colors that it answers to most. Stripes find edges, opposed colors find color borders,"
        " plain tiles pass brightness on. The histogram shows how many weights do next to nothing.",
        quote=lambda f: {"filters": f["filters"], "weights near zero": percent(f["near_zero"])},
    )
    yield chapter(
        "And its first layers together?",
        "filters",
        "A few layers on, each unit sees a larger patch through the filters of all layers below it."
        " These are multiplied out here as if nothing were cut off between them. Look for what"
        " nearly every network learns from photographs: stripes in all directions, fine and coarse,"
        " and spots and borders of opposed colors. Gray is no influence.",
        {"show": "effective"},
        lambda f: {"layer": f["layer"], "pixels": " x ".join(map(str, f["size"]))},
    )
    yield chapter(
        "What does each channel find?",
        "activations",
        f"The photograph as the first activation ({first}) answers to it, one map a channel,"
        " strongest first; bright is a strong answer. The maps still look like the photograph: some"
        " keep edges, some colors, some light or dark. A cross marks a channel that says the same"
        " everywhere.",
        {"layer": first},
        quote_layer,
    )
    if deep:
        yield chapter(
            "What is left deep inside?",
            "activations",
            f"The same at {deep}, far deeper: few channels answer, each in few places. A bright"
            " spot means that something was found there, an eye or a texture perhaps, not what the"
            " photograph looks like there.",
            {"layer": deep},
            quote_layer,
        )


def _which_pixels(name: str, other: str, full: bool, seed: int) -> Iterator[Chapter]:
    about = {"target": name}
    yield chapter(
        "What if a part were hidden?",
        "occlusion",
        f"A blurred square slides over the photograph. Where hiding a part makes the score of"
        f" {name} fall the map is red; where the network would be surer without it, blue. Slow but"
        " plain: it was really tried.",
        {**about, "stride": 8} if full else about,
        lambda f: {"largest fall of the score": f"{f['highest']:.2f}"},
    )
    yield chapter(
        "What can it do without?",
        "random_occlusion",
        f"Random parts hidden, hundreds of times. Red is where seeing made {name} likelier on"
        " average. Beside it the luckiest masks and the unluckiest: what was hidden in these and"
        " visible in those is what counts.",
        {**about, "count": 1024 if full else 256, "seed": seed},
        lambda f: {"masks": f["masks"], f"{name} still on top": percent(f["kept"])},
    )
    yield chapter(
        "Which pixels matter?",
        "saliency",
        f"The brighter a pixel, the more a small change of it would change the score of {name}. It"
        " says where the network is touchy, not which way, and it is noisy: trust clusters, not"
        " single pixels. The scale is in score units per pixel.",
        about,
        quote_target,
    )
    yield chapter(
        "Which parts excite it?",
        "guided_backprop",
        f"The gradient of {name}, but on the way back only what excites is followed. Gray is no"
        " influence. It draws the parts that the network found, crisply; beware that it draws much"
        " the same for other classes: it shows what was seen, less what decided.",
        {**about, "samples": 64 if full else 16, "seed": seed},
        quote_target,
    )
    yield chapter(
        "Where is the evidence?",
        "gradcam",
        f"Where the network's last maps speak for {name}: coarse, for those maps have few places."
        " Look at whether it lies on the thing itself or on what usually comes with it.",
        about,
        lambda f: {f"score of {f['target']}": f"{f['score']:.2f}", "layer": f["layer"]},
    )
    yield chapter(
        "Which parts, and only there?",
        "guided_gradcam",
        "The last two multiplied: the crisp parts, kept where the evidence is.",
        {**about, "samples": 64 if full else 16, "seed": seed},
        quote_target,
    )
    yield chapter(
        "Where does it end?",
        "segment",
        "The object cut out, by a network that was never shown an outline: the maps say which"
        " pixels surely belong to it and which surely do not, and their colors do the rest.",
        {**about, "seed": seed},
        lambda f: {"part of the photograph": percent(f["fraction"])},
    )
    methods = (
        "smoothgrad", "input_x_gradient", "integrated_gradients", "cam", "gradcam_plus_plus",
        "layercam", *(["scorecam"] if full else []),
    )  # fmt: skip
    yield chapter(
        "What do other methods say?",
        "compare",
        f"More ways to ask the same, above for {name}, below for the runner-up, {other}. Down a"
        " column the colors mean the same numbers. Where the two rows look alike, the method shows"
        " what was seen rather than what decides between the two.",
        {"methods": methods, "targets": (name, other)},
    )


def _what_units_see(net: Network, full: bool, seed: int) -> Iterator[Chapter]:
    detail = layer_name(default_layers.receptive_field_within, net, 0.6)
    if detail:
        yield chapter(
            "What do units in the middle see?",
            "guided_backprop",
            f"Nine channels of {detail}, those that stand out most here. Left of each pair is the"
            " patch that its strongest unit sees, right of it what in the patch excites that unit.",
            {"target": detail + PRE},
            quote_sheet,
        )
    middle = layer_name(default_layers.receptive_field_within, net, 0.4)
    if middle:
        yield chapter(
            "Which pixels drive such a unit?",
            "intermediate",
            f"Units of {middle}, each with its patch and three gradients. The plain one is true,"
            " and says little to the eye. Guided backpropagation keeps only what speaks for the"
            " unit, and draws the details that it was found by. The deconvnet keeps what is"
            " positive on the way back, seen or not: without max pooling, mostly squares.",
            {"samples": 32 if full else 8, "seed": seed},
            lambda f: {"units": ", ".join(f["units"])},
        )
    small = layer_name(default_layers.receptive_field_within, net, 0.2)
    if small:
        yield chapter(
            "Reading a unit backwards",
            "deconvnet",
            "Earlier units, read back by the deconvnet, which sends the answer down through the"
            " same weights. Without max pooling, whose switches remember where things were, it"
            " shows what the unit looks for rather than what is in this patch; compare the two.",
            {"target": small + PRE},
            quote_sheet,
        )


def _what_others_show(index: str) -> Iterator[Chapter]:
    yield chapter(
        "Which photographs excite its units?",
        "patches",
        "Of a whole collection, the patches that excite a channel most, one channel a row. What a"
        " row has in common is what its channel looks for. Each patch is exactly what the unit"
        " sees; gray lies beyond the border.",
        {"index": index, "limit": 6},
        lambda f: {"images": f"{f['images']:,}"},
    )
    yield chapter(
        "What is like it?",
        "neighbors",
        "The photographs that are nearest to this one. Above by the network's embedding: the same kind"
        " of thing, in whatever pose and light. Below by their pixels: light and dark in the same"
        " places, whatever it is.",
        {"index": index},
        lambda f: {"images": f"{f['images']:,}", "nearest": f["embedding"][0]["path"]},
    )
    yield chapter(
        "How does it order a collection?",
        "embedding_map",
        "All photographs of the collection, those that are alike to the network beside each other."
        " Look for what neighbors have in common, and for what lies between two groups.",
        {"index": index, "show": "grid"},
        lambda f: {"trustworthiness": f"{f['trustworthiness']:.2f}"},
    )


def _what_to_trust(name: str, full: bool) -> Iterator[Chapter]:
    yield chapter(
        "Can the map be trusted?",
        "gradcam",
        "Four questions to the Grad-CAM map above. Does showing its highest pixels first bring the"
        " score up sooner, and hiding them bring it down sooner, than the same map moved elsewhere"
        " does (dashed)? Do other methods agree, and does the map change with the class? And does"
        " it change as the network's layers are made random, from the output down? A map that"
        " survives that has nothing to do with what was learned.",
        {"target": name},
        quote_check,
        check=True,
    )
    yield chapter(
        "And guided backpropagation?",
        "guided_backprop",
        "The same questions to the crisp picture. It is known to fail the last: with the class"
        " scores and many layers above made random it hardly changes, and it is the same for"
        " another class. So it shows what the lower layers pick out of the photograph, and not why"
        f" the network says {name}.",
        {"target": name, "samples": 16 if full else 4},
        quote_check,
        check=True,
    )


def _what_it_wants(net: Network, name: str, full: bool, seed: int) -> Iterator[Chapter]:
    if name:
        yield chapter(
            "What would it most like to see?",
            "class_image",
            "No photograph here: an image climbed from noise until the network is as sure as it can"
            f" be of {name}. Look for the parts that repeat and for what comes along with them,"
            " surroundings for instance: that too is what the class means to the network.",
            {"target": name, "steps": 512 if full else 128, "seed": seed},
            lambda f: {"class": f["target"], "score": f"{f['score']:.1f}"},
            grows=True,
        )
        yield chapter(
            "Why not simply climb?",
            "ladder",
            "The same class in five ways, from 2014 to 2023. Left, where nothing holds the pixels"
            " back, the score is highest and there is nothing to see: a network is as easily sure"
            " of noise as of a photograph. Each way to the right asks more of an image, that it"
            " stand jitter, blur, turning, that it be natural, and more is seen in it.",
            {"target": name, "seed": seed} | ({} if full else {"steps": 64}),
            lambda f: {preset: f"{score:.1f}" for preset, score in f["score"].items()},
        )
    deep = layer_name(default_layers.deep, net)
    if deep:
        yield chapter(
            "And a channel inside?",
            "neuron_image",
            f"What single channels of {deep} would most like to see. Some want a texture, some a"
            " shape, some a color beside another; most have no name. Classes are made of these.",
            {"target": deep, "limit": 24 if full else 8, "seed": seed}
            | ({} if full else {"steps": 64}),
            lambda f: {"channels": len(f["target"])},
        )
    yield chapter(
        "What does each depth remember?",
        "invert",
        "Images climbed from noise until a layer answers to them as to the photograph, shallow"
        " layers first. What an image shares with the photograph, the layer still knows; what it"
        " makes up, the layer has let go. Fine detail and color tend to go first, then where"
        " things are.",
        {"size": 160, "seed": seed} if full else {"size": 128, "steps": 64, "seed": seed},
        quote_errors,
    )
    yield chapter(
        "What does it dream of?",
        "deepdream",
        "The photograph, changed step by step so that a deep layer answers more strongly to"
        " whatever it already finds. What grows is what the network knows best: with a network"
        " trained on ImageNet, animals.",
        {"steps": 30 if full else 15, "seed": seed},
        lambda f: {"layer": f["layer"]},
        grows=True,
    )

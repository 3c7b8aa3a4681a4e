"""The networks that are tried: from every family one that is small and quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from convscope.network import zoo
from convscope.network._torchvision import torchvision

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class Chosen:
    """An architecture, and what makes it quick.

    Attributes:
        name: its name in timm, or torchvision/NAME, segmentation/NAME, detection/NAME, video/NAME.
        size: rows and columns of its input; its own if 0.
        options: arguments for timm's `create_model`. They hold `img_size` if the network must be
            told its input size.
    """

    name: str
    size: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        changed = ", ".join(
            f"{k}={v}" for k, v in self.options.items() if k not in ("img_size", "num_classes")
        )
        return f"{self.name} ({changed})" if changed else self.name


def _of(name: str, size: int = 0, **options: Any) -> Chosen:
    return Chosen(name, size or options.get("img_size", 0), options)


FAMILIES: dict[str, Chosen] = {
    "beit": _of("beit_base_patch16_224", depth=3, img_size=112),
    "byoanet": _of("haloregnetz_b"),
    "byobnet": _of("gernet_s", 128),
    "cait": _of("cait_xxs24_224", img_size=112),
    "coat": _of("coat_lite_tiny"),
    "convit": _of("convit_tiny", img_size=112),
    "convmixer": _of("convmixer_1024_20_ks9_p14", 112),
    "convnext": _of("convnext_zepto_rms"),
    "cpubone": _of("cpubone_nano"),
    "crossvit": _of("crossvit_tiny_240"),
    "csatv2": _of("csatv2", 256),
    "cspnet": _of("cs3darknet_s", 128),
    "cspnext": _of("cspnext_tiny"),
    "davit": _of("davit_tiny", embed_dims=(24, 48, 96, 192), depths=(1, 1, 2, 1)),
    "deepseek_vit": _of("deepseek_vit_412m", depth=2, img_size=112, num_classes=10),
    "deit": _of("deit_tiny_patch16_224", img_size=112),
    "densenet": _of("densenet121", 128),
    "dla": _of("dla46_c", 128),
    "dpn": _of("dpn48b", 128),
    "edgenext": _of("edgenext_xx_small", 128),
    "efficientformer": _of("efficientformer_l1"),
    "efficientformer_v2": _of("efficientformerv2_s0"),
    "efficientnet": _of("efficientnet_lite0"),
    "efficientvim": _of("efficientvim_m1"),
    "efficientvit_mit": _of("efficientvit_b0"),
    "efficientvit_msra": _of("efficientvit_m0"),
    "eva": _of("eva02_tiny_patch14_224", img_size=112, num_classes=10),
    "fasternet": _of("fasternet_t0"),
    "fastvit": _of("fastvit_t8", 128),
    "focalnet": _of("focalnet_tiny_srf", 112),
    "gcvit": _of("gcvit_xxtiny"),
    "gemma4_vit": _of("gemma4_vit_167m", depth=2, img_size=96, num_classes=10),
    "ghostnet": _of("ghostnet_050"),
    "hardcorenas": _of("hardcorenas_a"),
    "hgnet": _of("hgnetv2_b0"),
    "hiera": _of("hiera_tiny_224", embed_dim=48),
    "hieradet_sam2": _of("hieradet_small", 128),
    "hrnet": _of("hrnet_w18_small", 128),
    "iformer": _of("iformer_t"),
    "inception_next": _of("inception_next_atto", 128),
    "inception_resnet_v2": _of("inception_resnet_v2", 128),
    "inception_v3": _of("inception_v3", 160),
    "inception_v4": _of("inception_v4", 128),
    "lcnetv2": _of("lcnetv2_small"),
    "levit": _of("levit_128s"),
    "lowformer": _of("lowformer_b0", 128),
    "mambaout": _of("mambaout_femto", 128),
    "maxxvit": _of("maxvit_rmlp_pico_rw_256"),
    "metaformer": _of("poolformerv2_s12", 128),
    "mlp_mixer": _of("gmlp_ti16_224", img_size=112),
    "mobilenetv3": _of("mobilenetv3_small_050"),
    "mobilenetv5": _of("mobilenetv5_base", 64),
    "mobilevit": _of("mobilevit_xxs"),
    "mvitv2": _of("mvitv2_tiny", img_size=128),
    "naflexvit": _of("naflexvit_base_patch16_gap", depth=3, img_size=112),
    "nasnet": _of("nasnetalarge", 96),
    "nest": _of("nest_tiny", img_size=112),
    "nextvit": _of("nextvit_small", 128),
    "nfnet": _of("nf_regnet_b0", 128),
    "pit": _of("pit_ti_224"),
    "pnasnet": _of("pnasnet5large", 96),
    "pvt_v2": _of("pvt_v2_b0", 128),
    "qwen3_vit": _of("qwen3_vit_88m", depth=2, img_size=96, num_classes=10),
    "rdnet": _of("rdnet_tiny", 112),
    "regnet": _of("regnety_002"),
    "repghost": _of("repghostnet_050"),
    "repvit": _of("repvit_m1", 128),
    "res2net": _of("res2net50_48w_2s", 112),
    "resnest": _of("resnest14d", 112),
    "resnet": _of("resnet18", 128),
    "resnetv2": _of("resnetv2_18", 128),
    "rexnet": _of("rexnet_100", 128),
    "selecsls": _of("selecsls42", 112),
    "senet": _of("legacy_seresnet18", 128),
    "sequencer": _of("sequencer2d_s", 112),
    "shvit": _of("shvit_s1"),
    "sknet": _of("skresnet18", 128),
    "starnet": _of("starnet_s050"),
    "swiftformer": _of("swiftformer_xs"),
    "swin_transformer": _of("swin_tiny_patch4_window7_224", embed_dim=48, depths=(1, 2, 1, 1)),
    "swin_transformer_v2": _of("swinv2_tiny_window8_256", embed_dim=48, depths=(1, 2, 1, 1)),
    "swin_transformer_v2_cr": _of("swinv2_cr_tiny_224", embed_dim=48, depths=(1, 2, 1, 1)),
    "tiny_vit": _of("tiny_vit_5m_224"),
    "tnt": _of("tnt_s_patch16_224", img_size=112, depth=6),
    "tresnet": _of("tresnet_m", 128),
    "twins": _of("twins_svt_small"),
    "vgg": _of("vgg11", 96),
    "visformer": _of("visformer_tiny"),
    "vision_transformer": _of("vit_tiny_patch16_224", img_size=112),
    "vision_transformer_hybrid": _of("vit_tiny_r_s16_p8_224"),
    "vision_transformer_relpos": _of("vit_relpos_small_patch16_rpn_224", img_size=112, depth=6),
    "vision_transformer_sam": _of("samvit_base_patch16_224", depth=3),
    "vitamin": _of("vitamin_small_224", img_size=112, num_classes=10),
    "volo": _of("volo_d1_224", img_size=112),
    "vovnet": _of("ese_vovnet19b_slim_dw"),
    "xception": _of("legacy_xception", 128),
    "xception_aligned": _of("xception41p", 128),
    "xcit": _of("xcit_nano_12_p16_224"),
    "torchvision alexnet": _of("torchvision/alexnet", 128),
    "torchvision convnext": _of("torchvision/convnext_tiny", 96),
    "torchvision densenet": _of("torchvision/densenet121", 96),
    "torchvision efficientnet": _of("torchvision/efficientnet_b0", 128),
    "torchvision googlenet": _of("torchvision/googlenet", 128),
    "torchvision inception": _of("torchvision/inception_v3", 160),
    "torchvision maxvit": _of("torchvision/maxvit_t"),
    "torchvision mnasnet": _of("torchvision/mnasnet0_5"),
    "torchvision mobilenet_v2": _of("torchvision/mobilenet_v2", 128),
    "torchvision mobilenet_v3": _of("torchvision/mobilenet_v3_small"),
    "torchvision regnet": _of("torchvision/regnet_y_400mf", 128),
    "torchvision resnet": _of("torchvision/resnet18", 128),
    "torchvision shufflenet": _of("torchvision/shufflenet_v2_x0_5"),
    "torchvision squeezenet": _of("torchvision/squeezenet1_1", 128),
    "torchvision swin": _of("torchvision/swin_t"),
    "torchvision swin_v2": _of("torchvision/swin_v2_t"),
    "torchvision vgg": _of("torchvision/vgg11_bn", 96),
    "torchvision vit": _of("torchvision/vit_b_32"),
    "torchvision lraspp": _of("segmentation/lraspp_mobilenet_v3_large", 128),
    "torchvision fcn": _of("segmentation/fcn_resnet50", 96),
    "torchvision deeplab": _of("segmentation/deeplabv3_mobilenet_v3_large", 128),
    "torchvision ssdlite": _of("detection/ssdlite320_mobilenet_v3_large", 128),
    "torchvision fcos": _of("detection/fcos_resnet50_fpn", 96),
    "torchvision video": _of("video/r3d_18", 64),
}


class Picked(nn.Module):
    """A module and what to take of its output, as a user wraps it to get scores (N, classes)."""

    def __init__(self, module: nn.Module, pick: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.module, self.pick = module, pick

    def forward(self, x: Tensor) -> Tensor:
        return self.pick(self.module(x))


class Clip(nn.Module):
    """A network for videos that gets one image as four equal frames."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        frames = x.unsqueeze(2).expand(-1, -1, 4, -1, -1).contiguous()
        scores: Tensor = self.module(frames)
        return scores


def _scores_of_map(out: dict[str, Tensor]) -> Tensor:
    return out["out"].mean((2, 3))


def _pooled_pyramid(out: dict[str, Tensor]) -> Tensor:
    return torch.cat([level.mean((2, 3)) for level in out.values()], 1)


def build(chosen: Chosen) -> tuple[nn.Module, dict[str, Any]]:
    """The module with random weights, and the other arguments of its `Network`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, settings = _built(chosen)
    return module, settings | ({"input_size": chosen.size} if chosen.size else {})


def _built(chosen: Chosen) -> tuple[nn.Module, dict[str, Any]]:
    kind, _, name = chosen.name.rpartition("/")
    models = torchvision().models
    if kind == "torchvision":
        return zoo.build(chosen.name, pretrained=False)
    if kind == "segmentation":
        whole = getattr(models.segmentation, name)(weights=None, weights_backbone=None)
        return Picked(whole, _scores_of_map), dict(IMAGENET)
    if kind == "detection":
        whole = getattr(models.detection, name)(weights=None, weights_backbone=None)
        return Picked(whole.backbone, _pooled_pyramid), dict(IMAGENET)
    if kind == "video":
        return Clip(getattr(models.video, name)(weights=None)), dict(IMAGENET)
    module: Any = importlib.import_module("timm").create_model(name, **chosen.options)
    config = module.pretrained_cfg
    return module, {
        "mean": config["mean"],
        "std": config["std"],
        "input_size": tuple(config["input_size"][1:]),
        "crop": config["crop_pct"],
        "interpolation": "bilinear" if config["interpolation"] == "bilinear" else "bicubic",
    }

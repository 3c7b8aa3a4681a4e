"""
LayerCAM
========

Where a layer speaks for a target, place by place: finer maps, from earlier layers.

**How to read it.** Every unit's activation is multiplied by its own gradient, where that is
positive, and the channels are summed: bright places speak for the target. Early layers give fine
maps, late ones tell classes apart.

**Its limits.** What speaks against the target is left out, so that maps of different targets are
more alike than those of :doc:`Grad-CAM <plot_gradcam>`. A fine map of an early layer shows the
details that the target may be built from, and those beside it too. It wants layers that end in an
activation, such as ``blocks.4.2.bn2``: where values may be negative, as those of ``blocks.4``, a
positive gradient does not mean that the unit speaks for the target, and the map scatters.

**Paper.** Jiang, Zhang, Hou, Cheng and Wei 2021, `LayerCAM: Exploring Hierarchical Class Activation
Maps for Localization <https://ieeexplore.ieee.org/document/9462463>`__.
"""

import convscope as cs

net = cs.load()
rocket = cs.open_image("sample:rocket")
cs.layercam(net, rocket, target="missile", layer="blocks.4.2.bn2")

# %%
# At 14 x 14 places the brightest spot is the tip of the rocket, with a little on the towers beside
# it.
#
# Four layers, above of LayerCAM, below of Grad-CAM. In the last one both are nearly the same, and
# brightest on the sky beside the rocket. In those before it LayerCAM is on the rocket and the
# towers, Grad-CAM on lights and bits of both.

seen = net.preprocess(rocket)
layers = ("blocks.2.1.bn2", "blocks.3.2.bn2", "blocks.4.2.bn2", "bn2")
[run(net, seen, target="missile", layer=layers) for run in (cs.layercam, cs.gradcam)]

"""
LayerCAM
========

Where a layer finds evidence for a target, position by position: finer maps, from earlier layers.

**How to read it.** The activation of every unit is multiplied by its own gradient where that is
positive, and the channels are summed. Bright positions support the target. Early layers give fine
maps; late layers distinguish classes.

**Its limits.** Evidence against the target is ignored, so maps of different targets are more alike
than those of :doc:`Grad-CAM <plot_gradcam>`. A fine map of an early layer shows details that may
belong to the target, and similar details beside it. The layer should end in an activation, like
``blocks.4.2.bn2``. Where values may be negative, as in ``blocks.4``, a positive gradient does not
mean that the unit supports the target, and the map scatters.

**Paper.** Jiang, Zhang, Hou, Cheng and Wei 2021, `LayerCAM: Exploring Hierarchical Class Activation
Maps for Localization <https://ieeexplore.ieee.org/document/9462463>`__.
"""

import convscope as cs

net = cs.load()
rocket = cs.open_image("sample:rocket")
cs.layercam(net, rocket, target="missile", layer="blocks.4.2.bn2")

# %%
# With 14 x 14 positions the brightest one is the tip of the rocket, and the towers beside it are
# slightly bright.
#
# Four layers, LayerCAM in the upper strip and Grad-CAM in the lower one. In the last layer both are
# nearly the same and brightest on the sky beside the rocket. In the layers before it LayerCAM is
# bright on the rocket and the towers, Grad-CAM on lights and on parts of both.

seen = net.preprocess(rocket)
layers = ("blocks.2.1.bn2", "blocks.3.2.bn2", "blocks.4.2.bn2", "bn2")
[run(net, seen, target="missile", layer=layers) for run in (cs.layercam, cs.gradcam)]

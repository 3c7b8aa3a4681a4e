"""
Class activation map
====================

Where the evidence for a class lies, read off the weights of the classifier.

**How to read it.** Many networks end in the mean of their last feature maps over all positions,
followed by one matrix. The mean can also be taken last: then every position has a score of its own,
and the mean of these plus the bias of the class is the score of the photograph. Red positions add
to the score, blue ones subtract from it.

**Its limits.** The map is as coarse as the layer, 7 x 7 positions here, and everything in between
is interpolated. A position stands for the part of the photograph at its center, but its receptive
field is much larger, so the evidence may lie beside it. The technique explains classes only, and
only in networks with this kind of head. It refuses others; use :doc:`Grad-CAM <plot_gradcam>` for
them.

**Paper.** Zhou, Khosla, Lapedriza, Oliva and Torralba 2016, `Learning Deep Features for
Discriminative Localization <https://arxiv.org/abs/1512.04150>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
runs = [cs.cam(net, astronaut, target=name) for name in ("football helmet", "space shuttle")]
runs

# %%
# One photograph, two classes. The helmet supports the class football helmet, and nothing opposes it
# much. The model behind her supports the class space shuttle; the suit and the helmet oppose it.
#
# The mean over positions plus the bias is the score:

for run in runs:
    result = run.result()
    target = net.target(result.summary["target"])
    mean = result.arrays["bn2"].mean() + float(net.parameter("classifier", "bias")[target.channel])
    print(f"{target}: mean and bias {mean:.2f}, score {result.score:.2f}")

# %%
# Some networks average class scores of single places. These scores are the map then, and its mean
# alone is the score. SqueezeNet does so, and cuts off scores below 0, so nothing opposes the class:

squeezenet = cs.load("squeezenet1_1")
cs.cam(squeezenet, cs.open_image("sample:chelsea"))

"""
Class activation map
====================

Where a class's evidence lies, read off the classifier's own weights.

**How to read it.** Many networks end in the mean of their last maps over all places, times one
matrix. The mean can be taken last instead: then each place has a score of its own, and their mean,
with the class's bias, is the score of the photograph. Red places add to it, blue ones take from it.

**Its limits.** The map is as coarse as the layer: 7 x 7 places here, and what is drawn between them
is interpolated. A place stands for the part of the photograph in its middle, but its units see far
beyond: the evidence may lie beside it. Only classes can be explained, and only in networks with
this head; the others are refused, and :doc:`Grad-CAM <plot_gradcam>` is for them.

**Paper.** Zhou, Khosla, Lapedriza, Oliva and Torralba 2016, `Learning Deep Features for
Discriminative Localization <https://arxiv.org/abs/1512.04150>`__.
"""

import convscope as cs

net = cs.load()
astronaut = cs.open_image("sample:astronaut")
runs = [cs.cam(net, astronaut, target=name) for name in ("football helmet", "space shuttle")]
runs

# %%
# One photograph, two classes. The helmet speaks for a football helmet, and nothing much against it.
# For a space shuttle speaks the model of one behind her; the suit and the helmet speak against it.
#
# The mean of the places and the bias together are the score:

for run in runs:
    result = run.result()
    target = net.target(result.summary["target"])
    mean = result.arrays["bn2"].mean() + float(net.parameter("classifier", "bias")[target.channel])
    print(f"{target}: mean and bias {mean:.2f}, score {result.score:.2f}")

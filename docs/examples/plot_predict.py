"""
Prediction
==========

The classes that the network predicts for a photograph, with their probabilities.

**How to read it.** The photograph is on the left. The network sees only its bright part; the rest
is cropped before the network runs. The most probable classes are on the right. The probabilities
are the softmax of the network's scores over all its classes (1,000 for ImageNet), so they sum to
one.

**Its limits.** A classifier must choose among the classes it knows, so a photograph of anything
else also gets one of their names. The probabilities rank the classes of one photograph. They do not
say how often such a prediction is right. Objects that are small or far from the center may be
cropped.

**Paper.** Krizhevsky, Sutskever and Hinton 2012, `ImageNet Classification with Deep Convolutional
Neural Networks
<https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.predict(net, cat)

# %%
# Three kinds of cat share most of the probability, and all of them describe this photograph. The
# other techniques ask the network why.
#
# ImageNet has no class for an astronaut. The suit, the helmet and the flag still need a name, so
# the prediction is spread over many classes, and none of them is probable:

astronaut = cs.open_image("sample:astronaut")
cs.predict(net, astronaut)

# %%
# The same predictions as plain values, most probable first:

for label, probability, index in net.predict(cat, top=3):
    print(f"{index:4} {label:15} {probability:.1%}")

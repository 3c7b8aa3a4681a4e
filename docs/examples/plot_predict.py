"""
Prediction
==========

What the network says the photograph shows, with the probability of each class.

**How to read it.** Left is the photograph; what lies outside the bright part was cut away before
the network saw it. Right are the most probable classes. The bars are a softmax: the network's
scores of all its classes (1,000 for ImageNet), made to sum to one.

**Its limits.** A classifier must choose among the classes that it knows: a photograph of anything
else gets one of their names all the same. The probabilities rank the classes of one photograph;
they are not measured frequencies of being right. Small or off-center things may be cut away.

**Paper.** Krizhevsky, Sutskever and Hinton 2012, `ImageNet Classification with Deep Convolutional
Neural Networks
<https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks>`__.
"""

import convscope as cs

net = cs.load()
cat = cs.open_image("sample:chelsea")
cs.predict(net, cat)

# %%
# Three kinds of cat share most of the probability, and all of them describe this photograph. What
# follows asks the network why.
#
# ImageNet has no class for an astronaut. The suit, the helmet and the flag have to be something, so
# the answer is spread over many classes, none of them probable:

astronaut = cs.open_image("sample:astronaut")
cs.predict(net, astronaut)

# %%
# The same as plain values, most probable first:

for label, probability, index in net.predict(cat, top=3):
    print(f"{index:4} {label:15} {probability:.1%}")

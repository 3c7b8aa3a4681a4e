"""
Confusions
==========

Which classes of a labeled collection are taken for which others, with the photographs.

**How to read it.** A row is a pair of classes. Left of the gap are photographs of the first that
were taken for the second, the surest mistake first; right of it is what is most typical of the
second. Often the mistake is plain to see: a wrong label, a thing that shows both, a background that
belongs to the other class. The bars are the shares of each class that were taken for it, the worst
first.

**Its limits.** A photograph's label is the name of its folder, and nobody checks it. Where labels
are the network's own classes (names, numbers or WordNet ids) its answers count. Where they are not,
a photograph is taken for the class whose mean code is nearest, which a trained classifier would
often do better. In a class of few photographs the share of right ones is a rough number.

**Paper.** Krizhevsky, Sutskever and Hinton 2012, `ImageNet Classification with Deep Convolutional
Neural Networks
<https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks>`__,
for the accuracies of one and of five answers; Mensink, Verbeek, Perronnin and Csurka 2013,
`Distance-Based Image Classification
<https://ieeexplore.ieee.org/document/6517188>`__, for the nearest mean.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
found = cs.confusions(net, index=index)
found

# %%
# The labels here are the photographs that the parts come from, which are no classes of the network.
# The means of their embeddings tell nearly all of them apart: only two parts of the flower's background,
# on which there is hardly anything to see, go elsewhere.

summary = found.result().summary
print(f"by {summary['by']}: {summary['accuracy']:.1%} of {summary['images']} right")
print(summary["precision_at_5"])

# %%
# The mean embeddings are among the arrays: how like two classes are to the network.

means = found.result().arrays["means"]
labels = sorted(summary["class_accuracy"])
grass, gravel, cat = (means[labels.index(name)] for name in ("grass", "gravel", "chelsea"))
print("grass and gravel", grass @ gravel / (grass @ grass * (gravel @ gravel)) ** 0.5)
print("grass and a cat", grass @ cat / (grass @ grass * (cat @ cat)) ** 0.5)
